import type { DsseEnvelope } from "../formats/dsse.ts";
import type { SignatureMaterial } from "../formats/evidence.ts";
import type { Statement } from "../formats/in_toto.ts";
import { utf8 } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import { openEnvelope, subjectsAbout } from "./envelope.ts";
import type { SignerPolicy, VerifiedSigner } from "./signer.ts";

/** The digests that a statement about a file may name it by. */
export const BLOB_DIGESTS = ["sha256", "sha384", "sha512"] as const;

/** A digest of a file. */
export interface BlobDigest {
  readonly algorithm: (typeof BLOB_DIGESTS)[number];
  /** Hexadecimal. */
  readonly hex: string;
}

/** What an attestation of a file must satisfy. */
export interface BlobAttestationPolicy extends SignerPolicy {
  /** The predicate types that count. */
  readonly accepted: readonly string[];
  /** The type as the user wrote it. */
  readonly asked: string;
}

/** An attestation of a file whose signature holds; what it says is not judged yet. */
export interface OpenedAttestation {
  readonly signer: VerifiedSigner;
  readonly statement: Statement;
  /** The digests that its subjects are named by. */
  readonly algorithms: readonly BlobDigest["algorithm"][];
}

/**
 * Checks the signature, and tells by which digests the statement names its subjects: those have to be
 * worked out before {@link judgeBlobStatement}.
 *
 * @param text The envelope's JSON where it lies there by itself: old cosign has stamped all of it.
 * @throws {CosignError} `SIGNATURE_INVALID`, `ENVELOPE_INVALID`.
 */
export function openBlobAttestation(
  envelope: DsseEnvelope,
  material: SignatureMaterial,
  policy: SignerPolicy,
  text?: string,
): OpenedAttestation {
  const isStamped = text !== undefined && material.timestamps.length > 0;
  const stamped = isStamped ? utf8(text) : undefined;
  const opened = openEnvelope(envelope, material, policy, stamped);
  const algorithms = BLOB_DIGESTS.filter((name) =>
    opened.statement.subjects.some(({ digest }) => Object.hasOwn(digest, name)),
  );
  return { ...opened, algorithms };
}

/**
 * Checks that a signed statement is about a file, and of the predicate type that was asked for.
 *
 * @param digests Of the file, any of which will do; nothing leaves this comparison out.
 * @throws {CosignError} `CLAIM_MISMATCH`, `PREDICATE_MISMATCH`.
 */
export function judgeBlobStatement(
  statement: Statement,
  digests: readonly BlobDigest[] | undefined,
  policy: BlobAttestationPolicy,
): void {
  if (digests !== undefined) checkSubject(statement, digests);
  if (policy.accepted.includes(statement.predicateType)) return;
  throw new CosignError(
    "PREDICATE_MISMATCH",
    `invalid predicate type, expected ${policy.asked} got ${statement.predicateType.slice(0, 500)}`,
  );
}

function checkSubject(statement: Statement, digests: readonly BlobDigest[]): void {
  let last: unknown = new CosignError(
    "CLAIM_MISMATCH",
    "no matching subject digest found: the statement names its subjects by no digest that is known",
  );
  for (const { algorithm, hex } of digests) {
    try {
      subjectsAbout(statement, algorithm, hex);
      return;
    } catch (error) {
      last = error;
    }
  }
  throw last;
}
