import type { AuthorizationServer } from "oauth4webapi";
import { protocolError } from "../service.ts";
import { WHAT } from "./oauth_error.ts";

/** RFC 7636 §4.3: the only one that is used. */
export const CHALLENGE_METHOD = "S256";

/** Azure has it, and does not say so. */
const SILENT = /^https:\/\/login\.microsoftonline\.(?:com|us)\//;

/** Whether an issuer binds a code to whoever asked for it (RFC 7636). */
export function supportsPkce(server: AuthorizationServer): boolean {
  return (
    server.code_challenge_methods_supported?.includes(CHALLENGE_METHOD) === true ||
    SILENT.test(server.authorization_endpoint ?? "")
  );
}

/** Refuses an issuer where a stolen code could be redeemed. @throws {CosignError} `SERVICE_PROTOCOL`. */
export function requirePkce(server: AuthorizationServer): void {
  if (supportsPkce(server)) return;
  throw protocolError(
    { what: WHAT, url: server.issuer },
    `it does not say that it supports PKCE with ${CHALLENGE_METHOD}`,
  );
}
