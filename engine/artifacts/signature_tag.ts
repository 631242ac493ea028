import { digestOf } from "../crypto/hash.ts";
import { verifySignature } from "../crypto/signature.ts";
import type { Evidence } from "../formats/evidence.ts";
import { layerMaterial } from "../formats/layer_material.ts";
import { ANNOTATION, MEDIA } from "../formats/media_types.ts";
import { MAX_LAYERS } from "../formats/oci_manifest.ts";
import { encodeSimpleSigning } from "../formats/simple_signing.ts";
import { encodeBase64, parseBase64Either } from "../model/bytes.ts";
import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import { CosignError, type ErrorReport } from "../model/errors.ts";
import type { PublicKey } from "../model/key.ts";
import type { Subject } from "../model/subject.ts";
import { updateSharedManifest } from "../registry/shared_manifest.ts";
import type { SharedWriteOptions, Store, StoredManifest, Tag } from "../registry/store.ts";
import { findSigner, materialFor, messageContent, type SignerPolicy } from "../verify/signer.ts";
import { attachArtifactReferrer } from "./artifact_referrer.ts";
import { companionLayers, composeCompanion } from "./companion_image.ts";
import { companionTag } from "./companion_tag.ts";
import type { Conventions } from "./conventions.ts";
import { type Gathered, gatherEach } from "./gathered.ts";
import { dockerReferenceOf } from "./resolve.ts";
import type { Stores } from "./stores.ts";

/** A payload names an image and some annotations; a megabyte of them is an attack. */
const MAX_PAYLOAD_BYTES = 1_048_576;
/** Images of signatures of one subject that are looked into, the last ones: each costs two requests. */
const MAX_SIGNATURE_REFERRERS = 100;
/** Payloads of one image that are fetched at once. */
const FETCHES = 8;

/**
 * Gathers the signatures at the `.sig` tag of a subject. A payload that can be predicted from
 * reference and digest is not fetched: then this is one request.
 *
 * @throws {CosignError} what the registry says; an absent tag is no error.
 */
export async function gatherSignatureTag(
  subject: Subject,
  stores: Stores,
  signal?: AbortSignal,
): Promise<Gathered> {
  const tag = companionTag(subject.digest, "sig", stores.conventions.tagPrefix);
  return await gatherSignatures(tag, subject, stores, signal);
}

/**
 * Gathers the signatures of all referrers of a subject that are images of signatures: where cosign puts
 * them with `--registry-referrers-mode oci-1-1`. cosign itself looks into the last one that is listed.
 *
 * @throws {CosignError} what the registry says; that there is none is no error.
 */
export async function gatherSignatureReferrers(
  subject: Subject,
  stores: Stores,
  signal?: AbortSignal,
): Promise<Gathered> {
  const referrers = await stores.companionsOf(subject).referrers(subject.digest, signal);
  const images = referrers.filter(({ artifactType }) => artifactType === MEDIA.signatureArtifact);
  const evidence: Evidence[] = [];
  const failures: ErrorReport[] = [];
  for (const { digest } of images.slice(-MAX_SIGNATURE_REFERRERS)) {
    const gathered = await gatherSignatures(digest, subject, stores, signal);
    evidence.push(...gathered.evidence);
    failures.push(...gathered.failures);
  }
  return { evidence, failures };
}

async function gatherSignatures(
  tag: Tag | Digest,
  subject: Subject,
  stores: Stores,
  signal: AbortSignal | undefined,
): Promise<Gathered> {
  const store = stores.companionsOf(subject);
  const stored = await store.manifest(tag, signal);
  if (stored === undefined) return { evidence: [], failures: [] };
  const predicted = encodeSimpleSigning(dockerReferenceOf(subject), subject.digest, {});
  const known = new Map([[digestOf(predicted), Promise.resolve(predicted)]]);
  const fetchPayload = (layer: Descriptor): Promise<Uint8Array> => {
    const payload =
      known.get(layer.digest) ?? readPayload(store, layer, stores.conventions, signal);
    known.set(layer.digest, payload);
    return payload;
  };
  const evidence: Evidence[] = [];
  const failures: ErrorReport[] = [];
  const layers = companionLayers(stored, store, tag);
  for (let i = 0; i < layers.length; i += FETCHES) {
    const group = layers.slice(i, i + FETCHES);
    const read = await gatherEach(group, (layer) => readLayer(stored, layer, fetchPayload), signal);
    evidence.push(...read.evidence);
    failures.push(...read.failures);
  }
  return { evidence, failures };
}

/** A signature that is to be put at a `.sig` tag. */
export interface TagSignature {
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  /** What vouches for the signature, as `materialAnnotations()` makes it. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The signature of `payload` that lies at the tag already and satisfies a policy, if there is one. */
export function findSignature(
  gathered: Gathered,
  payload: Uint8Array,
  policy: SignerPolicy,
): Uint8Array | undefined {
  const digest = digestOf(payload);
  for (const { content, source, material } of gathered.evidence) {
    if (content.kind !== "simple-signing" || source.layerDigest !== digest) continue;
    const { signature } = content;
    try {
      const evidence = material === undefined ? {} : { material };
      findSigner(messageContent(payload), [signature], materialFor(evidence, policy), policy);
      return signature;
    } catch (error) {
      if (!(error instanceof CosignError)) throw error; // whatever it is, it is not that
    }
  }
  return undefined;
}

/**
 * Puts a signature at the `.sig` tag of a subject: read, append, write, and read back, so that other
 * writers lose nothing. When the same key signed the same payload already, nothing is added.
 *
 * @returns whether it is new.
 * @throws {CosignError} `SIGNATURE_LOST` when other writers kept removing it, or what the registry says.
 */
export async function attachSignatureTag(
  subject: Subject,
  made: TagSignature,
  key: PublicKey,
  stores: Stores,
  options: { readonly idle: (ms: number) => Promise<void>; readonly signal?: AbortSignal },
): Promise<"written" | "present"> {
  const { payload } = made;
  const store = stores.companionsOf(subject);
  const { conventions } = stores;
  const tag = companionTag(subject.digest, "sig", conventions.tagPrefix);
  const layer: Descriptor = {
    ...describeLayer(made),
    digest: digestOf(payload),
    sizeBytes: payload.length,
  };
  await store.pushBlob(payload, layer.digest, options.signal);
  let state: "written" | "present" = "present";
  await updateSharedManifest(
    store,
    tag,
    (existing) => {
      const layers = existing === undefined ? [] : companionLayers(existing, store, tag);
      if (layers.some((other) => isSameSignature(other, layer, payload, key))) return undefined;
      if (layers.length >= MAX_LAYERS) {
        throw new CosignError(
          "LIMIT_EXCEEDED",
          `Cannot add a signature to "${store.name}:${tag}": it has ${layers.length}, and more would not be read`,
        );
      }
      state = "written";
      return composeCompanion([...layers, layer], conventions, existing?.descriptor.mediaType);
    },
    options,
  );
  return state;
}

/**
 * Puts a signature beside a subject as a referrer of its own (`--registry-referrers-mode oci-1-1`).
 *
 * @returns the digest of its manifest.
 */
export function attachSignatureReferrer(
  subject: Subject,
  signature: TagSignature,
  stores: Stores,
  options: SharedWriteOptions,
): Promise<Digest> {
  const layer = { ...describeLayer(signature), content: signature.payload };
  return attachArtifactReferrer(subject, MEDIA.signatureArtifact, layer, stores, options);
}

function describeLayer({ signature, annotations }: TagSignature) {
  return {
    mediaType: MEDIA.simpleSigning,
    annotations: { [ANNOTATION.signature]: encodeBase64(signature), ...annotations },
  };
}

// As cosign's dupe detector: the same payload, every annotation but the signature the same, and the
// signature that is there holds for this key.
function isSameSignature(
  existing: Descriptor,
  ours: Descriptor,
  payload: Uint8Array,
  key: PublicKey,
): boolean {
  if (existing.digest !== ours.digest || existing.mediaType !== ours.mediaType) return false;
  const { [ANNOTATION.signature]: theirs, ...others } = existing.annotations ?? {};
  const { [ANNOTATION.signature]: own, ...wanted } = ours.annotations ?? {};
  if (theirs === own) return true;
  const names = Object.keys(wanted);
  const isSame =
    names.length === Object.keys(others).length &&
    names.every((name) => others[name] === wanted[name]);
  if (theirs === undefined || !isSame) return false;
  const signature = parseSignature(theirs);
  return signature !== undefined && isSignedBy(key, payload, signature);
}

function isSignedBy(key: PublicKey, payload: Uint8Array, signature: Uint8Array): boolean {
  try {
    verifySignature(key, payload, signature);
    return true;
  } catch (error) {
    if (error instanceof CosignError && error.code === "SIGNATURE_INVALID") return false;
    throw error;
  }
}

async function readLayer(
  stored: StoredManifest,
  layer: Descriptor,
  fetchPayload: (layer: Descriptor) => Promise<Uint8Array>,
): Promise<Evidence> {
  const source = {
    place: "signature-tag",
    manifestDigest: stored.descriptor.digest,
    layerDigest: layer.digest,
  } as const;
  const text = layer.annotations?.[ANNOTATION.signature];
  const signature = text === undefined ? undefined : parseSignature(text);
  if (signature === undefined || signature.length === 0) {
    const why = `signature layer ${layer.digest} is missing the annotation "${ANNOTATION.signature}", or it is no base64`;
    return { source, content: { kind: "unreadable", why } };
  }
  const payload = await fetchPayload(layer);
  return {
    source,
    content: { kind: "simple-signing", payload, signature },
    material: layerMaterial(layer.annotations),
  };
}

async function readPayload(
  store: Store,
  layer: Descriptor,
  conventions: Conventions,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (layer.data !== undefined && digestOf(layer.data) === layer.digest) return layer.data;
  const limit = Math.min(conventions.maxAttachmentBytes, MAX_PAYLOAD_BYTES);
  return await store.blob(layer, limit, signal);
}

function parseSignature(text: string): Uint8Array | undefined {
  try {
    return parseBase64Either(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined; // said by whoever asks
    throw error;
  }
}
