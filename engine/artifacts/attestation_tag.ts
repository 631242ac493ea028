import { digestOf } from "../crypto/hash.ts";
import { parseDsse } from "../formats/dsse.ts";
import type { Evidence } from "../formats/evidence.ts";
import { parseStatement } from "../formats/in_toto.ts";
import { layerMaterial } from "../formats/layer_material.ts";
import { ANNOTATION, MEDIA } from "../formats/media_types.ts";
import { parseStrictJson } from "../formats/strict_json.ts";
import { tidyAfter } from "../io/runtime_memory.ts";
import { parseUtf8 } from "../model/bytes.ts";
import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import { CosignError, describeError } from "../model/errors.ts";
import type { Subject } from "../model/subject.ts";
import type { SharedWriteOptions, Store, StoredManifest } from "../registry/store.ts";
import { appendCompanionLayer, companionLayers } from "./companion_image.ts";
import { companionTag } from "./companion_tag.ts";
import { type Gathered, gatherEach } from "./gathered.ts";
import type { Stores } from "./stores.ts";

/** Envelopes of one image that are fetched at once. */
const FETCHES = 8;

/**
 * Gathers the attestations at the `.att` tag of a subject, some at a time: no more of them are held
 * at once than one may have bytes, so that whoever takes them decides what is kept.
 *
 * @throws {CosignError} what the registry says; an absent tag is no error.
 */
export async function* gatherAttestationTag(
  subject: Subject,
  stores: Stores,
  signal?: AbortSignal,
): AsyncIterable<Gathered> {
  const store = stores.companionsOf(subject);
  const tag = companionTag(subject.digest, "att", stores.conventions.tagPrefix);
  const stored = await store.manifest(tag, signal);
  if (stored === undefined) return;
  const limitBytes = stores.conventions.maxAttachmentBytes;
  for (const group of groupsOf(companionLayers(stored, store, tag), limitBytes)) {
    yield await gatherEach(
      group,
      (layer) => readLayer(stored, layer, store, limitBytes, signal),
      signal,
    );
  }
}

/** An attestation that is to be put at an `.att` tag. */
export interface TagAttestation {
  /** The JSON of the envelope. */
  readonly content: Uint8Array;
  readonly predicateType: string;
  /** Whether the layer says what it holds: cosign does since 2.0. */
  readonly isAnnotated: boolean;
  /** What vouches for the signature, as `materialAnnotations()` makes it. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What became of the attestations that lay at the tag before. */
export interface Replaced {
  readonly replaced: readonly string[];
  /** Predicate types of those that stay. */
  readonly kept: readonly string[];
}

/**
 * Puts an attestation at the `.att` tag of a subject, as the last one. With `replace` it becomes the
 * first, and those with the same predicate type go.
 *
 * @throws {CosignError} `LIMIT_EXCEEDED`, `SIGNATURE_LOST`, or what the registry says.
 */
export async function attachAttestationTag(
  subject: Subject,
  attestation: TagAttestation,
  stores: Stores,
  options: SharedWriteOptions & { readonly replace: boolean },
): Promise<Replaced> {
  const store = stores.companionsOf(subject);
  const { conventions } = stores;
  const tag = companionTag(subject.digest, "att", conventions.tagPrefix);
  const { content, predicateType } = attestation;
  const descriptor: Descriptor = {
    mediaType: MEDIA.dsseEnvelope,
    digest: digestOf(content),
    sizeBytes: content.length,
    annotations: {
      [ANNOTATION.signature]: "",
      ...attestation.annotations,
      ...(attestation.isAnnotated ? { [ANNOTATION.predicateType]: predicateType } : {}),
    },
  };
  const known = options.replace
    ? await readPredicateTypes(subject, stores, options.signal)
    : new Map<Digest, string>();
  const typeOf = (layer: Descriptor) =>
    known.get(layer.digest) ?? layer.annotations?.[ANNOTATION.predicateType];
  await appendCompanionLayer(store, tag, { descriptor, content }, conventions, {
    ...options,
    ...(options.replace ? { replaces: (layer) => typeOf(layer) === predicateType } : {}),
  });
  const types = [...known.values()];
  return {
    replaced: types.filter((type) => type === predicateType),
    kept: types.filter((type) => type !== predicateType),
  };
}

/** What each layer at the tag claims to be. Not believed, but it is what is replaced. */
async function readPredicateTypes(
  subject: Subject,
  stores: Stores,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<Digest, string>> {
  const types = new Map<Digest, string>();
  for await (const { evidence, failures } of gatherAttestationTag(subject, stores, signal)) {
    const [failure] = failures;
    if (failure !== undefined) {
      throw new CosignError(failure.code, `Cannot replace attestations: ${failure.message}`);
    }
    for (const { content, source } of evidence) {
      if (content.kind !== "dsse") continue;
      const type = claimedType(content.envelope.payload);
      if (type !== undefined) types.set(source.layerDigest, type);
    }
  }
  return types;
}

function claimedType(payload: Uint8Array): string | undefined {
  try {
    return parseStatement(payload).predicateType;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined; // no statement: nothing to replace
    throw error;
  }
}

/** Layers in order, so many at once that together they have no more bytes than one may have. */
function* groupsOf(layers: readonly Descriptor[], limitBytes: number): Iterable<Descriptor[]> {
  let group: Descriptor[] = [];
  let sizeBytes = 0;
  for (const layer of layers) {
    if (group.length >= FETCHES || (group.length > 0 && sizeBytes + layer.sizeBytes > limitBytes)) {
      yield group;
      group = [];
      sizeBytes = 0;
    }
    group.push(layer);
    sizeBytes += layer.sizeBytes;
  }
  if (group.length > 0) yield group;
}

async function readLayer(
  stored: StoredManifest,
  layer: Descriptor,
  store: Store,
  limitBytes: number,
  signal: AbortSignal | undefined,
): Promise<Evidence> {
  const bytes =
    layer.data !== undefined && digestOf(layer.data) === layer.digest
      ? layer.data
      : await store.blob(layer, limitBytes, signal);
  const source = {
    place: "attestation-tag",
    manifestDigest: stored.descriptor.digest,
    layerDigest: layer.digest,
  } as const;
  try {
    tidyAfter(bytes.length);
    const text = parseUtf8(bytes);
    const envelope = parseDsse(parseStrictJson(text));
    tidyAfter(bytes.length);
    const material = layerMaterial(layer.annotations);
    return { source, content: { kind: "dsse", envelope, text }, material };
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    const why = `Cannot read attestation layer ${layer.digest}: ${describeError(error)}`;
    return { source, content: { kind: "unreadable", why } };
  }
}
