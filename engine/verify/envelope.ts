import type { DsseEnvelope, DsseSignature } from "../formats/dsse.ts";
import type { SignatureMaterial } from "../formats/evidence.ts";
import { parseStatement, type Statement, type StatementSubject } from "../formats/in_toto.ts";
import { MEDIA } from "../formats/media_types.ts";
import { tidyAfter } from "../io/runtime_memory.ts";
import { encodeBase64, equalBytes } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import { parseOrThrow } from "./parse_or_throw.ts";
import { envelopeContent, findSigner, type SignerPolicy, type VerifiedSigner } from "./signer.ts";

/** A statement that somebody who counts has signed. */
export interface SignedStatement {
  readonly signer: VerifiedSigner;
  readonly statement: Statement;
}

/**
 * Opens an envelope: its signature is checked before anything in it is read.
 *
 * @throws {CosignError} `SIGNATURE_INVALID` when no key fits, or as {@link findSigner};
 * `ENVELOPE_INVALID` when what was signed is no in-toto statement.
 */
export function openEnvelope(
  envelope: DsseEnvelope,
  material: SignatureMaterial,
  policy: SignerPolicy,
  stamped?: Uint8Array,
): SignedStatement {
  const { payloadType, payload, signatures } = envelope;
  const distinct = new Set(signatures.map(({ sig }) => encodeBase64(sig)));
  if (distinct.size < signatures.length) {
    throw new CosignError("ENVELOPE_INVALID", "The envelope has the same signature twice");
  }
  const content = envelopeContent(envelope, policy.signatureDigestAlgorithm);
  const signer = findSigner(
    stamped === undefined ? content : { ...content, stamped },
    signatures.map(({ sig }) => sig),
    material,
    policy,
  );
  const warnings = signatures.length > 1 ? [whichOf(signatures, signer.signature)] : [];
  tidyAfter(payload.length);
  if (payloadType !== MEDIA.inToto) {
    throw new CosignError(
      "ENVELOPE_INVALID",
      `The envelope holds ${JSON.stringify(payloadType.slice(0, 80))}, expected "${MEDIA.inToto}"`,
    );
  }
  return {
    signer: { ...signer, warnings: [...signer.warnings, ...warnings] },
    statement: parseOrThrow("ENVELOPE_INVALID", () => parseStatement(payload)),
  };
}

const ORDINALS = ["first", "second", "third"] as const;

/** Says which of several signatures counts: of the others nobody knows anything. */
function whichOf(signatures: readonly DsseSignature[], signature: Uint8Array): string {
  const at = signatures.findIndex(({ sig }) => equalBytes(sig, signature));
  return `Of the envelope the ${ORDINALS[at] ?? `${at + 1}th`} of its ${signatures.length} signatures counts`;
}

/**
 * The subjects of a statement that have a digest; one at least.
 *
 * @param algorithm As statements name it: `sha256`.
 * @throws {CosignError} `CLAIM_MISMATCH` when there is none.
 */
export function subjectsAbout(
  statement: Statement,
  algorithm: string,
  hex: string,
): readonly [StatementSubject, ...StatementSubject[]] {
  const [first, ...more] = statement.subjects.filter(
    ({ digest }) =>
      Object.hasOwn(digest, algorithm) && digest[algorithm]?.toLowerCase() === hex.toLowerCase(),
  );
  if (first !== undefined) return [first, ...more];
  throw new CosignError(
    "CLAIM_MISMATCH",
    `no matching subject digest found: the statement is not about ${algorithm}:${hex}`,
  );
}
