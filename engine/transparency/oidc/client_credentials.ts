import { clientCredentialsGrantRequest, processClientCredentialsResponse } from "oauth4webapi";
import { acceptTokens, type Issuer, type LoggedIn } from "./issuer.ts";

/**
 * Logs in as a client that is nobody's (RFC 6749 §4.4); the issuer must give an identity token for it.
 *
 * @throws {CosignError} `LOGIN_REFUSED`, `IDENTITY_TOKEN_INVALID`, `SERVICE_…`.
 */
export async function logInAsClient(
  issuer: Issuer,
  redirectUrl: string | undefined,
  signal: AbortSignal,
): Promise<LoggedIn> {
  const { server, client, authentication, scope, send, step } = issuer;
  const parameters = {
    scope,
    ...(redirectUrl === undefined ? {} : { redirect_uri: redirectUrl }),
  };
  const [response, tokens] = await step(async () => {
    const response = await clientCredentialsGrantRequest(
      server,
      client,
      authentication,
      parameters,
      send(signal),
    );
    return [response, await processClientCredentialsResponse(server, client, response)] as const;
  });
  return await acceptTokens(issuer, response, tokens, signal);
}
