import { digestOf } from "../crypto/hash.ts";
import { encodeDsse } from "../formats/dsse.ts";
import type { Evidence } from "../formats/evidence.ts";
import { tidyAfter } from "../io/runtime_memory.ts";
import { utf8 } from "../model/bytes.ts";
import { type Digest, digestAlgorithm, digestHex } from "../model/digest.ts";
import { CosignError } from "../model/errors.ts";
import type { SignatureFormat } from "../model/policy.ts";
import { openEnvelope, subjectsAbout } from "./envelope.ts";
import { materialFor, type SignerPolicy, type VerifiedSigner } from "./signer.ts";

/** What an attestation must satisfy. Its predicate type is judged with the others of its image. */
export interface AttestationPolicy extends SignerPolicy {
  /** False leaves out the comparison of the digest, but not in bundles, as cosign does. */
  readonly checkClaims: boolean;
}

/** An attestation that holds. */
export interface VerifiedAttestation {
  readonly format: SignatureFormat;
  readonly signer: VerifiedSigner;
  readonly predicateType: string;
  /** Of the bytes that were signed. */
  readonly payloadDigest: Digest;
  /** The envelope as JSON, as it lies in its layer or as it stands in its bundle. */
  readonly envelope: string;
}

/**
 * Checks that `evidence` is an attestation about the image `digest` by one of the policy's keys.
 *
 * @throws {CosignError} `SIGNATURE_INVALID` (no key fits), `CLAIM_MISMATCH` (about something else),
 * `ENVELOPE_INVALID` or `BUNDLE_INVALID`.
 */
export function verifyAttestation(
  evidence: Evidence,
  digest: Digest,
  policy: AttestationPolicy,
): VerifiedAttestation {
  const { content, source } = evidence;
  if (content.kind === "unreadable") throw new CosignError("BUNDLE_INVALID", content.why);
  if (content.kind === "simple-signing") {
    throw new CosignError("ENVELOPE_INVALID", "A signature of an image is no attestation");
  }
  const material = materialFor(evidence, policy);
  // What old cosign has stamped is the whole envelope.
  const isStamped = content.text !== undefined && material.timestamps.length > 0;
  const stamped = isStamped ? utf8(content.text) : undefined;
  const { signer, statement } = openEnvelope(content.envelope, material, policy, stamped);
  tidyAfter(content.envelope.payload.length);
  const isBundle = source.place === "referrer";
  if (policy.checkClaims || isBundle) {
    subjectsAbout(statement, digestAlgorithm(digest), digestHex(digest));
  }
  return {
    format: isBundle ? "bundle" : "legacy",
    signer,
    predicateType: statement.predicateType,
    payloadDigest: digestOf(content.envelope.payload),
    envelope: content.text ?? encodeDsse(content.envelope),
  };
}
