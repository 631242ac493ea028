import type { Evidence, SignatureMaterial } from "../formats/evidence.ts";
import { parseStatement, type Statement, type StatementSubject } from "../formats/in_toto.ts";
import { SIGN_PREDICATE } from "../formats/media_types.ts";
import { parseSimpleSigning } from "../formats/simple_signing.ts";
import { type Digest, digestAlgorithm, digestHex } from "../model/digest.ts";
import { CosignError } from "../model/errors.ts";
import type { SignatureFormat } from "../model/policy.ts";
import { openEnvelope, subjectsAbout } from "./envelope.ts";
import { parseOrThrow } from "./parse_or_throw.ts";
import {
  findSigner,
  materialFor,
  messageContent,
  type SignerPolicy,
  type VerifiedSigner,
} from "./signer.ts";

/** What a signature must satisfy. */
export interface SignaturePolicy extends SignerPolicy {
  /** Names and values that must have been signed; more may be there. */
  readonly annotations: Readonly<Record<string, string>>;
  /** False leaves out the comparison of annotations, and in legacy payloads that of the digest. */
  readonly checkClaims: boolean;
}

/** A signature that holds, and what it says. */
export interface VerifiedSignature {
  readonly format: SignatureFormat;
  readonly signer: VerifiedSigner;
  /** What cosign prints of it: an object of `critical` and `optional`. */
  readonly payload: unknown;
  /** The annotations that were signed, those whose value is a text. */
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * Checks that `evidence` is a signature of the image `digest` by one of the policy's keys, and says
 * what the policy demands.
 *
 * @param name How the user knows the image; stands in the payload of a bundle's signature.
 * @throws {CosignError} `SIGNATURE_INVALID` (no key fits), `CLAIM_MISMATCH` (about another image),
 * `ANNOTATION_MISMATCH`, `PREDICATE_MISMATCH` (an attestation, not a signature), `PAYLOAD_INVALID`,
 * `ENVELOPE_INVALID` or `BUNDLE_INVALID`.
 */
export function verify(
  evidence: Evidence,
  name: string,
  digest: Digest,
  policy: SignaturePolicy,
): VerifiedSignature {
  const { content } = evidence;
  const material = materialFor(evidence, policy);
  switch (content.kind) {
    case "simple-signing":
      return verifySimpleSigning(content, digest, material, policy);
    case "dsse":
      return verifyEnvelope(content.envelope, name, digest, material, policy);
    case "unreadable":
      throw new CosignError("BUNDLE_INVALID", content.why);
  }
}

function verifySimpleSigning(
  { payload: bytes, signature }: Extract<Evidence["content"], { kind: "simple-signing" }>,
  digest: Digest,
  material: SignatureMaterial,
  policy: SignaturePolicy,
): VerifiedSignature {
  const content = messageContent(bytes, policy.signatureDigestAlgorithm);
  const signer = findSigner(content, [signature], material, policy);
  const payload = parseOrThrow("PAYLOAD_INVALID", () => parseSimpleSigning(bytes));
  if (policy.checkClaims) {
    if (payload.digest !== digest) {
      throw new CosignError(
        "CLAIM_MISMATCH",
        `invalid or missing digest in claim: got ${payload.digest}, expected ${digest}`,
      );
    }
    checkAnnotations(payload.optional, policy.annotations);
  }
  return {
    format: "legacy",
    signer,
    payload: payload.payload,
    annotations: textsOf(payload.optional),
  };
}

function verifyEnvelope(
  envelope: Extract<Evidence["content"], { kind: "dsse" }>["envelope"],
  name: string,
  digest: Digest,
  material: SignatureMaterial,
  policy: SignaturePolicy,
): VerifiedSignature {
  const { signer, statement } = openEnvelope(envelope, material, policy);
  if (statement.predicateType !== SIGN_PREDICATE) throw attestation(statement.predicateType);
  const subject = subjectAbout(statement, digest, policy);
  return {
    format: "bundle",
    signer,
    payload: {
      critical: {
        identity: { "docker-reference": name },
        image: { "docker-manifest-digest": digest },
        type: statement.predicateType,
      },
      optional: subject.annotations ?? {},
    },
    annotations: textsOf(subject.annotations),
  };
}

/** The statement's predicate type, if `evidence` claims to be an attestation and no signature. Not believed. */
export function claimedPredicate(evidence: Evidence): string | undefined {
  if (evidence.content.kind !== "dsse") return undefined;
  try {
    return parseStatement(evidence.content.envelope.payload).predicateType;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function subjectAbout(
  statement: Statement,
  digest: Digest,
  policy: SignaturePolicy,
): StatementSubject {
  const about = subjectsAbout(statement, digestAlgorithm(digest), digestHex(digest));
  const [first] = about;
  if (!policy.checkClaims) return first;
  const fitting = about.find((subject) => hasAnnotations(subject.annotations, policy.annotations));
  if (fitting === undefined) checkAnnotations(first.annotations, policy.annotations);
  return fitting ?? first;
}

function checkAnnotations(
  signed: Readonly<Record<string, unknown>> | null,
  wanted: Readonly<Record<string, string>>,
): void {
  if (hasAnnotations(signed, wanted)) return;
  const name = Object.keys(wanted).find((key) => valueAt(signed, key) !== wanted[key]) ?? "";
  const got = valueAt(signed, name);
  throw new CosignError(
    "ANNOTATION_MISMATCH",
    `missing or incorrect annotation: ${JSON.stringify(name)} is ${
      got === undefined ? "not there" : JSON.stringify(got)?.slice(0, 200)
    }, expected ${JSON.stringify(wanted[name])}`,
  );
}

function hasAnnotations(
  signed: Readonly<Record<string, unknown>> | null,
  wanted: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(wanted).every(([key, value]) => valueAt(signed, key) === value);
}

function valueAt(record: Readonly<Record<string, unknown>> | null, key: string): unknown {
  return record !== null && Object.hasOwn(record, key) ? record[key] : undefined;
}

function textsOf(record: Readonly<Record<string, unknown>> | null): Record<string, string> {
  return Object.fromEntries(
    Object.entries(record ?? {}).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    ),
  );
}

function attestation(predicateType: string): CosignError {
  return new CosignError(
    "PREDICATE_MISMATCH",
    `an attestation is no signature: predicate type is ${JSON.stringify(predicateType.slice(0, 200))}, expected "${SIGN_PREDICATE}"`,
    { hint: "Use verify-attestation to check attestations" },
  );
}
