import { digestOf } from "../crypto/hash.ts";
import { materialOf, parseBundle } from "../formats/bundle.ts";
import type { Evidence } from "../formats/evidence.ts";
import { ANNOTATION, BUNDLE_MEDIA_PREFIX, MEDIA, SIGN_PREDICATE } from "../formats/media_types.ts";
import { encodeBundleManifest } from "../formats/oci_manifest.ts";
import { tidyAfter } from "../io/runtime_memory.ts";
import { utf8 } from "../model/bytes.ts";
import type { Descriptor } from "../model/descriptor.ts";
import { CosignError, describeError, type ErrorReport } from "../model/errors.ts";
import type { Subject } from "../model/subject.ts";
import type { Store } from "../registry/store.ts";
import { type Gathered, gatherEach } from "./gathered.ts";
import { parseStored } from "./resolve.ts";
import type { Stores } from "./stores.ts";

/** Referrers of one image that are looked into: each costs two requests. */
const MAX_REFERRERS_READ = 1000;
/** Referrers of one image that are fetched at once. */
const FETCHES = 8;
const EMPTY_CONFIG: Uint8Array = utf8("{}");

/** Some of the bundles beside a subject. */
export interface GatheredBundles extends Gathered {
  /** What comes next is described as something less like a signature, or is nothing. */
  readonly nextIsLessLikely: boolean;
}

/**
 * Gathers the bundles among the referrers of a subject, the likeliest signatures first. Nothing is
 * dropped for what the listing says of it: registries and old signers write wrong types there.
 * Whoever has what he wants stops before what is less likely.
 *
 * @throws {CosignError} what the registry says of the listing.
 */
export async function* gatherBundles(
  subject: Subject,
  stores: Stores,
  signal?: AbortSignal,
): AsyncIterable<GatheredBundles> {
  const store = stores.companionsOf(subject);
  const referrers = await store.referrers(subject.digest, signal);
  const groups: Record<Likelihood, Descriptor[]> = { signature: [], bundle: [], other: [] };
  for (const referrer of referrers.slice(0, MAX_REFERRERS_READ)) {
    groups[likelihoodOf(referrer)].push(referrer);
  }
  for (const group of [groups.signature, groups.bundle, groups.other]) {
    for (let i = 0; i < group.length; i += FETCHES) {
      const gathered = await gatherEach(
        group.slice(i, i + FETCHES),
        (referrer) => readReferrer(referrer, store, stores, signal),
        signal,
      );
      yield { ...gathered, nextIsLessLikely: i + FETCHES >= group.length };
    }
  }
  if (referrers.length > MAX_REFERRERS_READ) {
    const failures = [tooMany(subject, referrers.length)];
    yield { evidence: [], failures, nextIsLessLikely: true };
  }
}

/** A subject of which bundles can be made known. */
export type DescribedSubject = Subject & Required<Pick<Subject, "mediaType" | "sizeBytes">>;

/** How a bundle is put beside a subject. */
export interface AttachBundleOptions {
  /** RFC 3339, whole seconds. */
  readonly createdAt: string;
  /** Of the statement in the envelope. */
  readonly predicateType: string;
  readonly idle: (ms: number) => Promise<void>;
  readonly signal?: AbortSignal;
}

/**
 * Puts a bundle of version 0.3 beside a subject, with a manifest that refers to the subject, made known by
 * the referrers API or by its fallback tag.
 */
export async function attachBundle(
  subject: Subject,
  bundle: Uint8Array,
  stores: Stores,
  options: AttachBundleOptions,
): Promise<void> {
  const { signal } = options;
  const { digest, mediaType, sizeBytes } = await describeSubject(subject, stores, signal);
  const store = stores.companionsOf(subject);
  const layer = descriptorOf(bundle, MEDIA.bundleV03);
  const config = { ...descriptorOf(EMPTY_CONFIG, MEDIA.ociEmpty), artifactType: MEDIA.bundleV03 };
  await Promise.all([
    store.pushBlob(EMPTY_CONFIG, config.digest, signal),
    store.pushBlob(bundle, layer.digest, signal),
  ]);
  const { createdAt, predicateType } = options;
  const manifest = encodeBundleManifest({
    config,
    layer,
    subject: { mediaType, digest, sizeBytes },
    predicateType,
    createdAt,
  });
  const descriptor: Descriptor = {
    ...descriptorOf(manifest, MEDIA.ociManifest),
    artifactType: MEDIA.bundleV03,
    annotations: {
      [ANNOTATION.bundleContent]: "dsse-envelope",
      [ANNOTATION.bundlePredicateType]: predicateType,
      [ANNOTATION.created]: createdAt,
    },
  };
  await store.pushManifest(manifest, MEDIA.ociManifest, descriptor.digest, undefined, signal);
  await store.announceReferrer(digest, descriptor, options);
}

type Likelihood = "signature" | "bundle" | "other";

function likelihoodOf(referrer: Descriptor): Likelihood {
  const { artifactType, annotations } = referrer;
  const predicate = annotations?.[ANNOTATION.bundlePredicateType];
  if (predicate === SIGN_PREDICATE) return "signature";
  if (predicate !== undefined || artifactType?.startsWith(BUNDLE_MEDIA_PREFIX)) return "bundle";
  return artifactType === MEDIA.ociEmpty ? "bundle" : "other";
}

/** The bundle of one referrer; nothing when it is gone, or is no bundle. */
async function readReferrer(
  referrer: Descriptor,
  store: Store,
  stores: Stores,
  signal: AbortSignal | undefined,
): Promise<Evidence | undefined> {
  const name = `${store.name}@${referrer.digest}`;
  const stored = await store.manifest(referrer.digest, signal);
  if (stored === undefined) return undefined;
  const manifest = parseStored(stored.bytes, stored.descriptor.mediaType, name);
  if (manifest.kind !== "image" || manifest.layers.length !== 1) return undefined;
  const [layer] = manifest.layers;
  if (layer === undefined || !layer.mediaType.startsWith(BUNDLE_MEDIA_PREFIX)) return undefined;
  const bytes =
    layer.data !== undefined && digestOf(layer.data) === layer.digest
      ? layer.data
      : await store.blob(layer, stores.conventions.maxAttachmentBytes, signal);
  const source = {
    place: "referrer",
    manifestDigest: referrer.digest,
    layerDigest: layer.digest,
  } as const;
  return { source, ...readBundle(bytes, name) };
}

function readBundle(bytes: Uint8Array, name: string): Omit<Evidence, "source"> {
  try {
    tidyAfter(bytes.length);
    const bundle = parseBundle(bytes);
    tidyAfter(bytes.length);
    const { content, keyHint } = bundle;
    const hint = keyHint === undefined ? {} : { keyHint };
    if (content.kind === "dsse") return { content, ...hint, material: materialOf(bundle) };
    return {
      content: { kind: "unreadable", why: `bundle "${name}" does not contain a DSSE envelope` },
    };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const why = `Cannot read bundle "${name}": ${describeError(error)}`;
    return { content: { kind: "unreadable", why } };
  }
}

/**
 * A subject with its size and type, which bundles name.
 *
 * @throws {CosignError} `IMAGE_NOT_FOUND`, or what the registry says.
 */
export async function describeSubject(
  subject: Subject,
  stores: Stores,
  signal?: AbortSignal,
): Promise<DescribedSubject> {
  const { mediaType, sizeBytes } = subject;
  if (mediaType !== undefined && sizeBytes !== undefined) {
    return { ...subject, mediaType, sizeBytes };
  }
  const found = await stores.of(subject.home).head(subject.digest, signal);
  if (found !== undefined) {
    return { ...subject, mediaType: found.mediaType, sizeBytes: found.sizeBytes };
  }
  throw new CosignError("IMAGE_NOT_FOUND", `image tag not found: ${subject.name}`, {
    hint: "What refers to an image names its size and type, so the image must be there before it is signed",
  });
}

function descriptorOf(content: Uint8Array, mediaType: string): Descriptor {
  return { mediaType, digest: digestOf(content), sizeBytes: content.length };
}

function tooMany(subject: Subject, count: number): ErrorReport {
  return {
    code: "LIMIT_EXCEEDED",
    message: `"${subject.name}" has ${count} referrers, at most ${MAX_REFERRERS_READ} are read`,
  };
}
