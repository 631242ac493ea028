import { processRefreshTokenResponse, refreshTokenGrantRequest } from "oauth4webapi";
import { acceptTokens, type Issuer, type LoggedIn } from "./issuer.ts";

/**
 * Gets another token without a person (RFC 6749 §6, OpenID Connect Core §12).
 *
 * @returns with the refresh token that counts from now on.
 * @throws {CosignError} `LOGIN_REFUSED` when the issuer wants the person again, `IDENTITY_TOKEN_INVALID`, `SERVICE_…`.
 */
export async function logInAgain(
  issuer: Issuer,
  refreshToken: string,
  signal: AbortSignal,
): Promise<LoggedIn> {
  const { server, client, authentication, send, step } = issuer;
  const [response, tokens] = await step(async () => {
    const response = await refreshTokenGrantRequest(
      server,
      client,
      authentication,
      refreshToken,
      send(signal, "once"),
    );
    return [response, await processRefreshTokenResponse(server, client, response)] as const;
  });
  return { refreshToken, ...(await acceptTokens(issuer, response, tokens, signal)) };
}
