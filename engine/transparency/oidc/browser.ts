import {
  authorizationCodeGrantRequest,
  calculatePKCECodeChallenge,
  generateRandomCodeVerifier,
  generateRandomNonce,
  generateRandomState,
  processAuthorizationCodeResponse,
  validateAuthResponse,
} from "oauth4webapi";
import { CosignError, describeError, hasCode } from "../../model/errors.ts";
import { listenForCallback } from "./callback.ts";
import { acceptTokens, type Issuer, type LoggedIn } from "./issuer.ts";
import type { FullContext } from "./options.ts";
import { CHALLENGE_METHOD, requirePkce } from "./pkce.ts";

/** One log-in: what binds the answer, the code and the token to this very question. */
interface Attempt {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

/** Says to the issuer that nobody listens: it shows the code to the person instead. */
const OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob";

/**
 * Lets somebody log in by his browser, which comes back to this machine (RFC 8252, RFC 7636, OpenID Connect
 * Core §3.1); where there is none, he copies the code.
 *
 * @throws {CosignError} `LOGIN_REFUSED`, `LOGIN_FORGED` when what came was not the issuer's answer to us,
 * `IDENTITY_TOKEN_INVALID`, `IDENTITY_UNAVAILABLE` when nobody brings a code, `SERVICE_…`.
 */
export async function logInByBrowser(
  issuer: Issuer,
  redirectUrl: string | undefined,
  context: FullContext,
  signal: AbortSignal,
): Promise<LoggedIn> {
  requirePkce(issuer.server);
  const { person, env, logInTimeoutMs } = context;
  const attempt = {
    state: generateRandomState(),
    nonce: generateRandomNonce(),
    verifier: generateRandomCodeVerifier(),
  };
  await using listener = await listenForCallback(redirectUrl, attempt.state);
  const url = await authorizationUrl(issuer, listener.redirectUri, attempt);
  try {
    await person.openUrl(url, env);
  } catch (error) {
    if (!hasCode(error, "FEATURE_UNAVAILABLE")) throw error;
    person.tell(`error opening browser: ${describeError(error)}\n`);
    return await logInByCode(issuer, attempt, context, signal);
  }
  person.tell(`Your browser will now be opened to:\n${url}\n`);
  const callback = await listener.answer(logInTimeoutMs, signal);
  if (callback === undefined) {
    if (listener.foreignAnswers() > 0) throw onlyForeign(issuer, listener.foreignAnswers());
    person.tell("error getting code from local server: timeout\n");
    return await logInByCode(issuer, attempt, context, signal);
  }
  try {
    const loggedIn = await redeem(
      issuer,
      callback.parameters,
      listener.redirectUri,
      attempt,
      signal,
    );
    await callback.respond("done");
    return loggedIn;
  } catch (error) {
    await callback.respond("failed");
    throw error;
  }
}

async function authorizationUrl(
  issuer: Issuer,
  redirectUri: string,
  { state, nonce, verifier }: Attempt,
): Promise<string> {
  const url = issuer.authorizationEndpoint();
  const parameters = {
    response_type: "code",
    client_id: issuer.client.client_id,
    redirect_uri: redirectUri,
    scope: issuer.scope,
    state,
    nonce,
    ...(issuer.isOffline ? { prompt: "consent" } : {}),
    code_challenge: await calculatePKCECodeChallenge(verifier),
    code_challenge_method: CHALLENGE_METHOD,
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

/** The person copies a link and brings a code back. */
async function logInByCode(
  issuer: Issuer,
  attempt: Attempt,
  { person }: FullContext,
  signal: AbortSignal,
): Promise<LoggedIn> {
  if (person.stdinKind() === "nothing") {
    throw new CosignError(
      "IDENTITY_UNAVAILABLE",
      `Cannot log in at "${issuer.server.issuer}": there is neither a browser nor somebody to bring a code`,
      {
        hint: "Log in on another device: --fulcio-auth-flow device; or give a token: --identity-token",
      },
    );
  }
  const url = await authorizationUrl(issuer, OUT_OF_BAND, attempt);
  person.tell(`Go to the following link in a browser:\n\n\t ${url}\n`);
  const answer = await person.promptLine("Enter verification code: ");
  person.tell("\n");
  const [code] = (answer ?? "").trim().split(/\s/);
  if (!code) {
    throw new CosignError(
      "IDENTITY_UNAVAILABLE",
      `Cannot log in at "${issuer.server.issuer}": no code was entered`,
      { hint: "Open the link, log in, and enter the code that is shown" },
    );
  }
  const { state } = attempt;
  const typed = new URLSearchParams({ code, state, iss: issuer.server.issuer });
  return await redeem(issuer, typed, OUT_OF_BAND, attempt, signal);
}

/** Changes the code for a token. */
async function redeem(
  issuer: Issuer,
  parameters: URLSearchParams,
  redirectUri: string,
  { state, nonce, verifier }: Attempt,
  signal: AbortSignal,
): Promise<LoggedIn> {
  const { server, client, authentication, send, step } = issuer;
  refuseMixUp(issuer, parameters);
  const [response, tokens] = await step(async () => {
    const checked = validateAuthResponse(server, client, parameters, state);
    const response = await authorizationCodeGrantRequest(
      server,
      client,
      authentication,
      checked,
      redirectUri,
      verifier,
      send(signal, "once"),
    );
    const tokens = await processAuthorizationCodeResponse(server, client, response, {
      expectedNonce: nonce,
    });
    return [response, tokens] as const;
  });
  return await acceptTokens(issuer, response, tokens, signal);
}

/** RFC 9207 §2.4: an answer of another issuer, whose code must not be shown to this one. */
function refuseMixUp({ server }: Issuer, parameters: URLSearchParams): void {
  const named = parameters.getAll("iss");
  const isNeeded = server.authorization_response_iss_parameter_supported === true;
  if (named.length === 0 && !isNeeded) return;
  if (named.length === 1 && named[0] === server.issuer) return;
  throw new CosignError(
    "LOGIN_FORGED",
    `Cannot log in at "${server.issuer}": the browser came back ${
      named[0] === undefined ? "without an issuer's name" : "from another issuer"
    }`,
    { hint: "Close the browser, and log in again; somebody may have tried to mix two issuers up" },
  );
}

function onlyForeign({ server }: Issuer, count: number): CosignError {
  return new CosignError(
    "LOGIN_FORGED",
    `Cannot log in at "${server.issuer}": what the browser brought back (${count} times) was not the answer to this log-in`,
    { hint: "Close old pages of log-ins, and log in again" },
  );
}
