import {
  AuthorizationResponseError,
  JWT_CLAIM_COMPARISON,
  JWT_TIMESTAMP_CHECK,
  KEY_SELECTION,
  OperationProcessingError,
  ResponseBodyError,
  UnsupportedOperationError,
  WWWAuthenticateChallengeError,
} from "oauth4webapi";
import { CosignError } from "../../model/errors.ts";
import { protocolError } from "../service.ts";

/** What issuers are asked for, as it stands in a message behind "Cannot". */
export const WHAT = "get an identity token";

/** What can be done about the errors of RFC 6749 §4.1.2.1 and §5.2, and RFC 8628 §3.5. */
const HINTS: Readonly<Record<string, string>> = {
  access_denied: "The log-in was refused there: try again, and agree",
  invalid_client: "Check --oidc-client-id and --oidc-client-secret-file",
  unauthorized_client: "Check --oidc-client-id: this client may not log in so",
  invalid_grant: "Log in again: what was got before is no good any more",
  invalid_scope: 'See that the client may have the scopes "openid" and "email" there',
  unsupported_grant_type: "Choose another way to log in: --fulcio-auth-flow",
};
const TOKEN_HINT =
  "Check --oidc-client-id and the address of the issuer: the token was not made for this log-in";
const CLOCK_HINT = "Check the clock of this machine";
/** How the library calls an identity token. */
const ABOUT_TOKEN = /JWT|JWS|ID Token|signature/;
const TOKEN_CODES: ReadonlySet<string> = new Set([
  JWT_TIMESTAMP_CHECK,
  JWT_CLAIM_COMPARISON,
  KEY_SELECTION,
]);
const MAX_SHOWN = 300;

/**
 * The error for what the library found. The library's own, with its cause, goes nowhere: there are
 * tokens in it.
 */
export function explainOAuth(error: unknown, issuer: string): unknown {
  if (error instanceof ResponseBodyError || error instanceof AuthorizationResponseError) {
    return refusedLogIn(issuer, error.error, error.error_description);
  }
  if (error instanceof WWWAuthenticateChallengeError) {
    const parameters = error.cause[0]?.parameters;
    const code = parameters?.error ?? "invalid_client";
    return refusedLogIn(issuer, code, parameters?.error_description);
  }
  if (error instanceof UnsupportedOperationError || error instanceof OperationProcessingError) {
    const isAboutToken = ABOUT_TOKEN.test(error.message) || TOKEN_CODES.has(error.code ?? "");
    if (!isAboutToken) return protocolError({ what: WHAT, url: issuer }, error.message);
    return new CosignError(
      "IDENTITY_TOKEN_INVALID",
      `Cannot use the identity token of "${issuer}": ${error.message}`,
      { hint: error.code === JWT_TIMESTAMP_CHECK ? CLOCK_HINT : TOKEN_HINT },
    );
  }
  return error;
}

/** The error for an issuer that says no. */
export function refusedLogIn(
  issuer: string,
  code: string,
  description: string | undefined,
): CosignError {
  const said = description === undefined ? "" : `: ${inOneLine(description)}`;
  const hint = Object.hasOwn(HINTS, code) ? HINTS[code] : undefined;
  return new CosignError(
    "LOGIN_REFUSED",
    `Cannot log in at "${issuer}": it answers "${inOneLine(code)}"${said}`,
    hint === undefined ? {} : { hint },
  );
}

function inOneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, " ").slice(0, MAX_SHOWN);
}
