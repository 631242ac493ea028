import { parseBundle } from "../formats/bundle.ts";
import { type DsseEnvelope, parseDsse } from "../formats/dsse.ts";
import { goCertificate } from "../formats/go_certificate.ts";
import { isObject, type Json } from "../formats/go_json.ts";
import type { GoValue } from "../formats/go_value.ts";
import { ANNOTATION, BUNDLE_MEDIA_PREFIX } from "../formats/media_types.ts";
import { encodeBase64, parseBase64, parseUtf8 } from "../model/bytes.ts";
import type { Descriptor } from "../model/descriptor.ts";
import { CosignError, describeError } from "../model/errors.ts";
import type { Subject } from "../model/subject.ts";
import type { Store } from "../registry/store.ts";
import { companionLayers } from "./companion_image.ts";
import { type Companion, companionTag } from "./companion_tag.ts";
import { isBundleReferrer } from "./companions.ts";
import { parseStored } from "./resolve.ts";
import type { Stores } from "./stores.ts";

/** As cosign's `maxAllowedSigsOrAtts`. */
const MAX_LAYERS_READ = 100;
/** Referrers of one image that are looked into. */
const MAX_REFERRERS_READ = 1000;

/** A bundle as it lies there. */
export interface FoundBundle {
  /** As it was written, parsed. */
  readonly json: Json;
  /** Of the statement in it; absent when it holds none. */
  readonly predicateType?: string;
}

/** The bundles (version 0.3) among the referrers of a subject, as the registry lists them. */
export async function* downloadBundles(
  subject: Subject,
  stores: Stores,
  signal?: AbortSignal,
): AsyncGenerator<FoundBundle> {
  const store = stores.companionsOf(subject);
  const referrers = await store.referrers(subject.digest, signal);
  if (referrers.length > MAX_REFERRERS_READ) {
    throw new CosignError(
      "LIMIT_EXCEEDED",
      `"${subject.name}" has ${referrers.length} referrers, at most ${MAX_REFERRERS_READ} are read`,
    );
  }
  for (const referrer of referrers) {
    const bytes = await readBundle(referrer, store, stores, signal);
    const bundle = bytes === undefined ? undefined : parseFound(bytes);
    if (bundle !== undefined) yield bundle;
  }
}

async function readBundle(
  referrer: Descriptor,
  store: Store,
  { conventions }: Stores,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  // What the listing says of other people's artifacts can be believed: nothing is verified here.
  if (!isBundleReferrer(referrer) && referrer.artifactType?.includes("empty") === false) {
    return undefined;
  }
  const stored = await store.manifest(referrer.digest, signal);
  if (stored === undefined) return undefined;
  const name = `${store.name}@${referrer.digest}`;
  const manifest = parseStored(stored.bytes, stored.descriptor.mediaType, name);
  if (manifest.kind !== "image" || manifest.layers.length !== 1) return undefined;
  const [layer] = manifest.layers;
  if (layer === undefined || !layer.mediaType.startsWith(BUNDLE_MEDIA_PREFIX)) return undefined;
  return await store.blob(layer, conventions.maxAttachmentBytes, signal);
}

/** What cannot be read as a bundle is passed over, as are versions before 0.3. */
function parseFound(bytes: Uint8Array): FoundBundle | undefined {
  try {
    const { version, content } = parseBundle(bytes);
    if (version !== "0.3") return undefined;
    const predicateType = content.kind === "dsse" ? predicateOf(content.envelope) : undefined;
    // parseBundle() has read it as JSON.
    const json = JSON.parse(parseUtf8(bytes)) as Json;
    return { json, ...(predicateType === undefined ? {} : { predicateType }) };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * The signatures at the `.sig` tag, each as `download signature` prints it.
 *
 * @param hasTimestamps False for 1.x, which prints no timestamps.
 * @throws {CosignError} `NO_SIGNATURES`, `LIMIT_EXCEEDED`, `CERTIFICATE_INVALID`, `BUNDLE_INVALID`.
 */
export async function downloadSignatures(
  subject: Subject,
  stores: Stores,
  hasTimestamps: boolean,
  signal?: AbortSignal,
): Promise<readonly GoValue[]> {
  const layers = await readLayers(subject, "sig", stores, signal);
  if (layers.length === 0) {
    throw new CosignError("NO_SIGNATURES", `${subject.name}: no signatures associated`);
  }
  checkCount(layers, "signatures");
  const store = stores.companionsOf(subject);
  return await Promise.all(
    layers.map(async (layer) => {
      const payload = await store.blob(layer, stores.conventions.maxAttachmentBytes, signal);
      const note = (name: string): string | undefined => layer.annotations?.[name] || undefined;
      return {
        Base64Signature: note(ANNOTATION.signature) ?? "",
        Payload: encodeBase64(payload),
        Cert: certificates(note(ANNOTATION.certificate), subject)?.[0] ?? null,
        Chain: certificates(note(ANNOTATION.chain), subject) ?? null,
        Bundle: parsed(note(ANNOTATION.rekorBundle), subject),
        ...(hasTimestamps ? { RFC3161Timestamp: parsed(note(ANNOTATION.timestamp), subject) } : {}),
      };
    }),
  );
}

/**
 * The attestations at the `.att` tag, each as `download attestation` prints it, in the order of the layers.
 *
 * @param isWanted By the predicate type of the statement.
 * @throws {CosignError} `ENVELOPE_INVALID`, `LIMIT_EXCEEDED`.
 */
export async function downloadAttestations(
  subject: Subject,
  stores: Stores,
  isWanted: (predicateType: string | undefined) => boolean,
  signal?: AbortSignal,
): Promise<readonly Json[]> {
  const layers = await readLayers(subject, "att", stores, signal);
  checkCount(layers, "attestations");
  const store = stores.companionsOf(subject);
  const envelopes = await Promise.all(
    layers.map(async (layer) =>
      readEnvelope(await store.blob(layer, stores.conventions.maxAttachmentBytes, signal), subject),
    ),
  );
  return envelopes
    .filter((envelope) => isWanted(predicateOf(envelope)))
    .map(({ payloadType, payload, signatures }) => ({
      payloadType,
      payload: encodeBase64(payload),
      signatures: signatures.map(({ keyid, sig }) => ({ keyid, sig: encodeBase64(sig) })),
    }));
}

/** An SBOM that is attached to an image. */
export interface AttachedSbom {
  readonly mediaType: string;
  readonly content: Uint8Array;
}

/** The SBOM at the `.sbom` tag; nothing when there is none. @throws {CosignError} `LIMIT_EXCEEDED`. */
export async function downloadSbom(
  subject: Subject,
  stores: Stores,
  signal?: AbortSignal,
): Promise<AttachedSbom | undefined> {
  const [layer, ...others] = await readLayers(subject, "sbom", stores, signal);
  if (layer === undefined) return undefined;
  if (others.length > 0) {
    throw new CosignError(
      "REGISTRY_PROTOCOL",
      `Cannot read the SBOM of "${subject.name}": it has ${others.length + 1} layers, expected 1`,
    );
  }
  const { maxAttachmentBytes } = stores.conventions;
  const content = await stores.companionsOf(subject).blob(layer, maxAttachmentBytes, signal);
  return { mediaType: layer.mediaType, content };
}

async function readLayers(
  subject: Subject,
  companion: Companion,
  stores: Stores,
  signal: AbortSignal | undefined,
): Promise<readonly Descriptor[]> {
  const store = stores.companionsOf(subject);
  const tag = companionTag(subject.digest, companion, stores.conventions.tagPrefix);
  const stored = await store.manifest(tag, signal);
  return stored === undefined ? [] : companionLayers(stored, store, tag);
}

function checkCount(layers: readonly Descriptor[], what: string): void {
  if (layers.length <= MAX_LAYERS_READ) return;
  throw new CosignError(
    "LIMIT_EXCEEDED",
    `maximum number of ${what} on an image is ${MAX_LAYERS_READ}, found ${layers.length}`,
  );
}

function readEnvelope(bytes: Uint8Array, subject: Subject): DsseEnvelope {
  try {
    return parseDsse(JSON.parse(parseUtf8(bytes)));
  } catch (cause) {
    throw new CosignError(
      "ENVELOPE_INVALID",
      `Cannot read an attestation of "${subject.name}": ${describeError(cause)}`,
      { cause },
    );
  }
}

/** The predicate type that the statement in an envelope has; nothing when it is no statement. */
export function predicateOf({ payload }: DsseEnvelope): string | undefined {
  try {
    const statement: unknown = JSON.parse(parseUtf8(payload));
    const type = isObject(statement) ? statement["predicateType"] : undefined;
    return typeof type === "string" ? type : undefined;
  } catch {
    return undefined;
  }
}

function certificates(
  pem: string | undefined,
  subject: Subject,
): readonly [GoValue, ...GoValue[]] | undefined {
  const blocks = pem?.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END/g) ?? [];
  try {
    const [first, ...more] = [...blocks].map(([, body = ""]) =>
      goCertificate(parseBase64(body.replaceAll(/\s/g, ""))),
    );
    return first === undefined ? undefined : [first, ...more];
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof TypeError)) throw cause;
    throw new CosignError(
      "CERTIFICATE_INVALID",
      `Cannot read a certificate of "${subject.name}": ${describeError(cause)}`,
      { cause },
    );
  }
}

function parsed(text: string | undefined, subject: Subject): Json {
  if (text === undefined) return null;
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    throw new CosignError(
      "BUNDLE_INVALID",
      `Cannot read a signature of "${subject.name}": ${describeError(cause)}`,
      { cause },
    );
  }
}
