import { type DsseEnvelope, encodePae } from "../formats/dsse.ts";
import { parseStatement, type Statement, type StatementSubject } from "../formats/in_toto.ts";
import { MEDIA } from "../formats/media_types.ts";
import { CosignError } from "../model/errors.ts";
import type { PublicKey } from "../model/key.ts";
import { parseOrThrow } from "./parse_or_throw.ts";
import { type KeyPolicy, signerOf } from "./signer.ts";

/** A statement that a key has signed. */
export interface SignedStatement {
  readonly key: PublicKey;
  readonly statement: Statement;
}

/**
 * Opens an envelope: its signature is checked before anything in it is read.
 *
 * @throws {CosignError} `SIGNATURE_INVALID` when no key fits; `ENVELOPE_INVALID` when what was signed
 * is no in-toto statement.
 */
export function openEnvelope(envelope: DsseEnvelope, policy: KeyPolicy): SignedStatement {
  const { payloadType, payload, signatures } = envelope;
  const message = encodePae(payloadType, payload);
  const key = signerOf(
    message,
    signatures.map(({ sig }) => sig),
    policy,
  );
  if (payloadType !== MEDIA.inToto) {
    throw new CosignError(
      "ENVELOPE_INVALID",
      `The envelope holds ${JSON.stringify(payloadType.slice(0, 80))}, expected "${MEDIA.inToto}"`,
    );
  }
  return { key, statement: parseOrThrow("ENVELOPE_INVALID", () => parseStatement(payload)) };
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
