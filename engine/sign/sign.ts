import { attachBundle, encodeBundle, gatherBundles } from "../artifacts/bundle_referrer.ts";
import { dockerReferenceOf } from "../artifacts/resolve.ts";
import {
  attachSignatureTag,
  findSignature,
  gatherSignatureTag,
} from "../artifacts/signature_tag.ts";
import type { Stores } from "../artifacts/stores.ts";
import { sha256 } from "../crypto/hash.ts";
import { type DsseEnvelope, encodePae } from "../formats/dsse.ts";
import { encodeSignatureStatement } from "../formats/in_toto.ts";
import { MEDIA, SIGN_PREDICATE } from "../formats/media_types.ts";
import { encodeSimpleSigning, parseSimpleSigning } from "../formats/simple_signing.ts";
import { encodeBase64 } from "../model/bytes.ts";
import { errorFromReport, hasCode } from "../model/errors.ts";
import type { PublicKey } from "../model/key.ts";
import type { SignatureFormat } from "../model/policy.ts";
import type { Subject } from "../model/subject.ts";
import type { SignatureFact } from "../model/verdict.ts";
import type { Signer } from "../plugin_host/contract.ts";
import { verify } from "../verify/verify.ts";

/** What one signature is to say, and where it goes. */
export interface SignOptions {
  readonly annotations: Readonly<Record<string, string>>;
  /** The name in the legacy payload; the subject's own repository when absent. */
  readonly identity?: string;
  /** These bytes instead of a payload of ours; legacy only. */
  readonly payload?: Uint8Array;
  /** First look for a bundle by this key that says the same. The tag is always looked at. */
  readonly skipSigned: boolean;
  /** False: write nothing. */
  readonly upload: boolean;
  readonly now: Date;
  readonly idle: (ms: number) => Promise<void>;
  readonly signal?: AbortSignal;
}

/**
 * Signs a subject in one format and puts the signature beside it.
 *
 * @throws {CosignError} of the key, or what the registry says; when a place could not be read, that
 * error, and nothing is signed.
 */
export async function sign(
  subject: Subject,
  format: SignatureFormat,
  signer: Signer,
  stores: Stores,
  options: SignOptions,
): Promise<SignatureFact> {
  return format === "legacy"
    ? await signLegacy(subject, signer, stores, options)
    : await signBundle(subject, signer, stores, options);
}

async function signLegacy(
  subject: Subject,
  signer: Signer,
  stores: Stores,
  options: SignOptions,
): Promise<SignatureFact> {
  const key = signer.publicKey;
  const payload =
    options.payload ??
    encodeSimpleSigning(
      options.identity ?? dockerReferenceOf(subject),
      subject.digest,
      options.annotations,
    );
  if (options.skipSigned && options.upload) {
    const gathered = await gatherSignatureTag(subject, stores, options.signal);
    const present = findSignature(gathered, payload, key);
    if (present !== undefined) return legacyFact(key, payload, present, "present", options);
    refuseUnread(gathered.failures);
  }
  const signature = await signer.sign(payload, options.signal);
  if (!options.upload) return legacyFact(key, payload, signature, "not-uploaded", options);
  const state = await attachSignatureTag(subject, { payload, signature }, key, stores, options);
  return legacyFact(key, payload, signature, state, options);
}

async function signBundle(
  subject: Subject,
  signer: Signer,
  stores: Stores,
  options: SignOptions,
): Promise<SignatureFact> {
  const key = signer.publicKey;
  if (options.skipSigned && options.upload) {
    const present = await findBundle(subject, key, stores, options);
    if (present) return bundleFact(subject, key, undefined, "present", options);
  }
  const payload = encodeSignatureStatement(subject.digest, options.annotations);
  const sig = await signer.sign(encodePae(MEDIA.inToto, payload), options.signal);
  const envelope: DsseEnvelope = {
    payloadType: MEDIA.inToto,
    payload,
    signatures: [{ keyid: "", sig }],
  };
  if (!options.upload) return bundleFact(subject, key, envelope, "not-uploaded", options);
  const createdAt = `${options.now.toISOString().slice(0, 19)}Z`;
  await attachBundle(subject, envelope, key, stores, {
    ...options,
    createdAt,
    predicateType: SIGN_PREDICATE,
  });
  return bundleFact(subject, key, envelope, "written", options);
}

/** Whether a bundle by `key` with exactly these annotations lies beside the subject. */
async function findBundle(
  subject: Subject,
  key: PublicKey,
  stores: Stores,
  options: SignOptions,
): Promise<boolean> {
  const policy = { keys: [key], annotations: options.annotations, checkClaims: true };
  const wanted = Object.keys(options.annotations).length;
  const failures = [];
  for await (const gathered of gatherBundles(subject, stores, options.signal)) {
    failures.push(...gathered.failures);
    for (const evidence of gathered.evidence) {
      try {
        const found = verify(evidence, subject.name, subject.digest, policy);
        if (Object.keys(found.annotations).length === wanted) return true;
      } catch (error) {
        if (!hasCode(error, ...NOT_OURS)) throw error;
      }
    }
  }
  refuseUnread(failures);
  return false;
}

const NOT_OURS = [
  "SIGNATURE_INVALID",
  "CLAIM_MISMATCH",
  "ANNOTATION_MISMATCH",
  "PREDICATE_MISMATCH",
  "ENVELOPE_INVALID",
  "BUNDLE_INVALID",
] as const;

/** Only "none found" leads to signing: what could not be read may be the signature that is looked for. */
function refuseUnread(failures: readonly Parameters<typeof errorFromReport>[0][]): void {
  const [first] = failures;
  if (first !== undefined) throw errorFromReport(first);
}

function legacyFact(
  key: PublicKey,
  payload: Uint8Array,
  signature: Uint8Array,
  state: NonNullable<SignatureFact["state"]>,
  options: SignOptions,
): SignatureFact {
  return {
    format: "legacy",
    key: key.uri,
    keyDigest: `sha256:${sha256(key.spki).toHex()}`,
    payload: options.payload === undefined ? parseSimpleSigning(payload).payload : null,
    annotations: options.annotations,
    state,
    made: { payload: encodeBase64(payload), signature: encodeBase64(signature) },
  };
}

function bundleFact(
  subject: Subject,
  key: PublicKey,
  envelope: DsseEnvelope | undefined,
  state: NonNullable<SignatureFact["state"]>,
  options: SignOptions,
): SignatureFact {
  const signature = envelope?.signatures[0]?.sig;
  return {
    format: "bundle",
    key: key.uri,
    keyDigest: `sha256:${sha256(key.spki).toHex()}`,
    payload: {
      critical: {
        identity: { "docker-reference": subject.name },
        image: { "docker-manifest-digest": subject.digest },
        type: SIGN_PREDICATE,
      },
      optional: Object.keys(options.annotations).length === 0 ? null : options.annotations,
    },
    annotations: options.annotations,
    state,
    ...(envelope === undefined || signature === undefined
      ? {}
      : {
          made: {
            payload: encodeBase64(envelope.payload),
            signature: encodeBase64(signature),
            bundle: encodeBase64(encodeBundle(envelope, key)),
          },
        }),
  };
}
