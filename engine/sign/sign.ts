import { attachBundle, describeSubject, gatherBundles } from "../artifacts/bundle_referrer.ts";
import { dockerReferenceOf } from "../artifacts/resolve.ts";
import {
  attachSignatureReferrer,
  attachSignatureTag,
  findSignature,
  gatherSignatureTag,
} from "../artifacts/signature_tag.ts";
import type { Stores } from "../artifacts/stores.ts";
import { encodeSignatureStatement } from "../formats/in_toto.ts";
import { materialAnnotations } from "../formats/layer_material.ts";
import { SIGN_PREDICATE } from "../formats/media_types.ts";
import { encodeSimpleSigning, parseSimpleSigning } from "../formats/simple_signing.ts";
import type { SigningIdentity } from "../keys/signing_identity.ts";
import { encodeBase64 } from "../model/bytes.ts";
import { CosignError, errorFromReport } from "../model/errors.ts";
import type { SignatureFormat } from "../model/policy.ts";
import type { Subject } from "../model/subject.ts";
import type { SignatureFact } from "../model/verdict.ts";
import { identityFacts } from "../verify/identity.ts";
import type { SignerPolicy } from "../verify/signer.ts";
import { verify } from "../verify/verify.ts";
import { envelopeOf, messageDraft, statementDraft } from "./draft.ts";
import { bundleOf, madeFact, signerFact, vouchedFact } from "./fact.ts";
import { type Signing, signVouched, vouchedPolicy } from "./vouch.ts";

/** What one signature is to say, and where it goes. */
export interface SignOptions {
  readonly annotations: Readonly<Record<string, string>>;
  /** The name in the legacy payload; the subject's own repository when absent. */
  readonly identity?: string;
  /** These bytes instead of a payload of ours; legacy only. */
  readonly payload?: Uint8Array;
  /**
   * First look for a signature by this key, or by this certificate's identity, that says the same and
   * has all that vouches for the new one. Of bare keys the tag is always looked at.
   */
  readonly skipSigned: boolean;
  /** Whether a legacy signature becomes a referrer of its own, and not one of the tag. Default false. */
  readonly asReferrer?: boolean;
  /** False: write nothing. */
  readonly upload: boolean;
  readonly now: Date;
  readonly idle: (ms: number) => Promise<void>;
  readonly signal?: AbortSignal;
}

/**
 * Signs a subject in one format and puts the signature beside it, with all that vouches for it.
 *
 * @throws {CosignError} as `signVouched()`, or what the registry says; when a place could not be read, that
 * error, and nothing is signed.
 */
export async function sign(
  subject: Subject,
  format: SignatureFormat,
  signing: Signing,
  stores: Stores,
  options: SignOptions,
): Promise<SignatureFact> {
  return format === "legacy"
    ? await signLegacy(subject, signing, stores, options)
    : await signBundle(subject, signing, stores, options);
}

async function signLegacy(
  subject: Subject,
  signing: Signing,
  stores: Stores,
  options: SignOptions,
): Promise<SignatureFact> {
  const { signal } = options;
  const payload =
    options.payload ??
    encodeSimpleSigning(
      options.identity ?? dockerReferenceOf(subject),
      subject.digest,
      options.annotations,
    );
  const about = legacyFact(payload, options);
  if (options.skipSigned && options.upload) {
    const gathered = await gatherSignatureTag(subject, stores, signal);
    const signer = await signing.identity(signal);
    const present = findSignature(gathered, payload, ourPolicy(signer, signing));
    if (present !== undefined) {
      const made = { payload: encodeBase64(payload), signature: encodeBase64(present) };
      return { ...about, ...signerFact(signer), made, state: "present" };
    }
    refuseUnread(gathered.failures);
  }
  const vouched = await signVouched(messageDraft(payload, "promise"), signing, signal);
  const fact = { ...about, ...vouchedFact(vouched), made: madeFact(vouched, payload) };
  if (!options.upload) return { ...fact, state: "not-uploaded" };
  const { signature, material, identity } = vouched;
  const annotations = materialAnnotations(material);
  if (options.asReferrer === true) {
    await attachSignatureReferrer(subject, { payload, signature, annotations }, stores, options);
    return { ...fact, state: "written" };
  }
  const state = await attachSignatureTag(
    subject,
    { payload, signature, annotations },
    identity.signer.publicKey,
    stores,
    options,
  );
  return { ...fact, state };
}

async function signBundle(
  subject: Subject,
  signing: Signing,
  stores: Stores,
  options: SignOptions,
): Promise<SignatureFact> {
  const { signal } = options;
  const about = bundleFact(subject, options);
  if (options.skipSigned && options.upload) {
    const signer = await signing.identity(signal);
    if (await hasBundle(subject, ourPolicy(signer, signing), stores, options)) {
      return { ...about, ...signerFact(signer), state: "present" };
    }
  }
  // Before it is signed: no log shall hear of an image that is not there.
  const target = options.upload ? await describeSubject(subject, stores, signal) : subject;
  const payload = encodeSignatureStatement(subject.digest, options.annotations);
  const vouched = await signVouched(statementDraft(payload), signing, signal);
  const bundle = bundleOf(envelopeOf(payload, vouched.signature), vouched);
  const fact = { ...about, ...vouchedFact(vouched), made: madeFact(vouched, payload, bundle) };
  if (!options.upload) return { ...fact, state: "not-uploaded" };
  const createdAt = `${options.now.toISOString().slice(0, 19)}Z`;
  await attachBundle(target, bundle, stores, {
    ...options,
    createdAt,
    predicateType: SIGN_PREDICATE,
  });
  return { ...fact, state: "written" };
}

/**
 * What is ours already: by the same key, or by a certificate for the same name from the same issuer; and
 * vouched for by as many as the new one would be.
 */
function ourPolicy(identity: SigningIdentity, { vouchers, context }: Signing): SignerPolicy {
  const facts = identity.certificate && identityFacts(identity.certificate);
  const [subject = ""] = facts?.subjects ?? [];
  return vouchedPolicy(identity, vouchers, context?.trustedRoot, {
    identity: { exact: subject },
    issuer: { exact: facts?.issuer ?? "" },
  });
}

/** Whether a bundle that is ours, with exactly these annotations, lies beside the subject. */
async function hasBundle(
  subject: Subject,
  ours: SignerPolicy,
  stores: Stores,
  options: SignOptions,
): Promise<boolean> {
  const policy = { ...ours, annotations: options.annotations, checkClaims: true };
  const wanted = Object.keys(options.annotations).length;
  const failures = [];
  for await (const gathered of gatherBundles(subject, stores, options.signal)) {
    failures.push(...gathered.failures);
    for (const evidence of gathered.evidence) {
      try {
        const found = verify(evidence, subject.name, subject.digest, policy);
        if (Object.keys(found.annotations).length === wanted) return true;
      } catch (error) {
        if (!(error instanceof CosignError)) throw error; // whatever it is, it is not ours
      }
    }
  }
  refuseUnread(failures);
  return false;
}

/** Only "none found" leads to signing: what could not be read may be the signature that is looked for. */
function refuseUnread(failures: readonly Parameters<typeof errorFromReport>[0][]): void {
  const [first] = failures;
  if (first !== undefined) throw errorFromReport(first);
}

function legacyFact(
  payload: Uint8Array,
  options: SignOptions,
): Pick<SignatureFact, "format" | "payload" | "annotations"> {
  return {
    format: "legacy",
    payload: options.payload === undefined ? parseSimpleSigning(payload).payload : null,
    annotations: options.annotations,
  };
}

function bundleFact(
  subject: Subject,
  options: SignOptions,
): Pick<SignatureFact, "format" | "payload" | "annotations"> {
  return {
    format: "bundle",
    payload: {
      critical: {
        identity: { "docker-reference": subject.name },
        image: { "docker-manifest-digest": subject.digest },
        type: SIGN_PREDICATE,
      },
      optional: Object.keys(options.annotations).length === 0 ? null : options.annotations,
    },
    annotations: options.annotations,
  };
}
