import { isObject } from "../formats/go_json.ts";
import { parseStrictJson } from "../formats/strict_json.ts";
import { parseUtf8 } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";

/** A token of OpenID Connect that says who we are. `raw` is a secret: it is shown to Fulcio alone. */
export interface IdentityToken {
  readonly raw: string;
  readonly issuer: string;
  /** The claim `sub`. */
  readonly subject: string;
  /** Verified by the issuer; absent where the token names none. */
  readonly email?: string;
  /** What Fulcio wants to see signed: the email, else the subject. */
  readonly proofSubject: string;
  readonly expiresAt: Date;
}

/** What somebody can do whose token is over. */
export const RESUME_HINT = "Log in again, and resume: what was signed is kept";

const MAX_TOKEN_CHARACTERS = 16_384; // what header fields of common servers hold
const JWT = /^[A-Za-z0-9_-]+\.(?<claims>[A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*$/;

/**
 * Reads a token. Its signature is not checked: Fulcio does that.
 *
 * @param audience Who the token must be for; anybody when absent.
 * @throws {CosignError} `IDENTITY_TOKEN_INVALID`; nothing of the token is in the message.
 */
export function parseIdentityToken(raw: string, audience?: string): IdentityToken {
  const text = raw.trim();
  const encoded = JWT.exec(text)?.groups?.["claims"];
  if (encoded === undefined || text.length > MAX_TOKEN_CHARACTERS) throw invalid("it is no JWT");
  let claims: unknown;
  try {
    claims = parseStrictJson(parseUtf8(Uint8Array.fromBase64(encoded, { alphabet: "base64url" })));
  } catch (cause) {
    throw invalid(`its claims cannot be read: ${describeError(cause).slice(0, 100)}`);
  }
  if (!isObject(claims)) throw invalid("its claims are no JSON object");
  const { iss, sub, aud, exp, email, email_verified: verified } = claims;
  if (typeof iss !== "string" || iss === "") throw invalid("it names no issuer");
  if (typeof exp !== "number" || !Number.isFinite(exp))
    throw invalid("it does not say when it expires");
  const audiences = Array.isArray(aud) ? aud : [aud];
  if (audience !== undefined && !audiences.includes(audience)) {
    throw invalid(`it is not for the audience "${audience}"`);
  }
  const hasEmail = typeof email === "string" && email !== "";
  // Some issuers write the flag as text.
  if (hasEmail && verified !== true && verified !== "true") {
    throw invalid("its email address is not verified by the issuer");
  }
  const subject = typeof sub === "string" ? sub : "";
  const proofSubject = hasEmail ? email : subject;
  if (proofSubject === "") throw invalid("it names nobody");
  return {
    raw: text,
    issuer: iss,
    subject,
    ...(hasEmail ? { email } : {}),
    proofSubject,
    expiresAt: new Date(exp * 1000),
  };
}

/** Whether a text has the form of a token, and is no name of a file. */
export function looksLikeToken(text: string): boolean {
  return JWT.test(text.trim());
}

/** The error for a token that has expired, where a person must log in for another. */
export function expiredToken({ issuer, expiresAt }: IdentityToken): CosignError {
  return new CosignError(
    "IDENTITY_EXPIRED",
    `The identity token of "${issuer}" has expired at ${expiresAt.toISOString()}`,
    { hint: RESUME_HINT },
  );
}

function invalid(why: string): CosignError {
  return new CosignError("IDENTITY_TOKEN_INVALID", `Cannot use the identity token: ${why}`);
}
