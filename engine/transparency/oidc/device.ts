import {
  calculatePKCECodeChallenge,
  type DeviceAuthorizationResponse,
  deviceAuthorizationRequest,
  deviceCodeGrantRequest,
  generateRandomCodeVerifier,
  processDeviceAuthorizationResponse,
  processDeviceCodeResponse,
  ResponseBodyError,
} from "oauth4webapi";
import { CosignError, hasCode } from "../../model/errors.ts";
import { protocolError } from "../service.ts";
import { acceptTokens, type Issuer, type LoggedIn } from "./issuer.ts";
import { refusedLogIn, WHAT } from "./oauth_error.ts";
import type { FullContext } from "./options.ts";
import { CHALLENGE_METHOD, supportsPkce } from "./pkce.ts";

const DEFAULT_INTERVAL_SECONDS = 5; // RFC 8628 §3.2
/** RFC 8628 §3.5: what every "slow_down" adds. */
const SLOWER_SECONDS = 5;
const MAX_INTERVAL_SECONDS = 60;
/** Nobody types a code after this, whatever the issuer says. */
const MAX_LIFE_SECONDS = 1800;
/** What a person can read and type, and no terminal takes for something else. */
const USER_CODE = /^[\x21-\x7e]{1,64}$/;

/**
 * Lets somebody log in on another device (RFC 8628).
 *
 * @throws {CosignError} `LOGIN_REFUSED`, `LOGIN_EXPIRED` when nobody came in time, `IDENTITY_TOKEN_INVALID`, `SERVICE_…`.
 */
export async function logInByDevice(
  issuer: Issuer,
  redirectUrl: string | undefined,
  context: FullContext,
  signal: AbortSignal,
): Promise<LoggedIn> {
  const { server, client, authentication, send, step } = issuer;
  // It binds the code to us where the issuer knows it; RFC 8628 itself has no such thing.
  const verifier = supportsPkce(server) ? generateRandomCodeVerifier() : undefined;
  const parameters = {
    scope: issuer.scope,
    ...(redirectUrl === undefined ? {} : { redirect_uri: redirectUrl }),
    ...(verifier === undefined
      ? {}
      : {
          code_challenge: await calculatePKCECodeChallenge(verifier),
          code_challenge_method: CHALLENGE_METHOD,
        }),
  };
  const granted = await step(async () =>
    processDeviceAuthorizationResponse(
      server,
      client,
      await deviceAuthorizationRequest(server, client, authentication, parameters, send(signal)),
    ),
  );
  invite(granted, server.issuer, context);
  const additionalParameters = verifier === undefined ? {} : { code_verifier: verifier };
  const poll = async (): Promise<LoggedIn> => {
    const response = await deviceCodeGrantRequest(
      server,
      client,
      authentication,
      granted.device_code,
      { additionalParameters, ...send(signal, "once") },
    );
    const tokens = await processDeviceCodeResponse(server, client, response);
    return await acceptTokens(issuer, response, tokens, signal);
  };
  const loggedIn = await step(() => pollUntilDone(poll, granted, server.issuer, context, signal));
  context.person.tell("Token received!\n");
  return loggedIn;
}

/** Says where to go and what to type. Both are the issuer's words. */
function invite(
  {
    user_code,
    verification_uri,
    verification_uri_complete,
    expires_in,
  }: DeviceAuthorizationResponse,
  issuer: string,
  { person }: FullContext,
): void {
  const text = verification_uri_complete || verification_uri;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!USER_CODE.test(user_code) || url === undefined || !/^https?:$/.test(url.protocol)) {
    throw protocolError(
      { what: WHAT, url: issuer },
      "it gives no code and page that could be shown",
    );
  }
  person.tell(`Enter the verification code ${user_code} in your browser at: ${url.href}\n`);
  person.tell(`Code will be valid for ${Math.floor(expires_in)} seconds\n`);
}

async function pollUntilDone(
  poll: () => Promise<LoggedIn>,
  { interval, expires_in }: DeviceAuthorizationResponse,
  issuer: string,
  { clock }: FullContext,
  signal: AbortSignal,
): Promise<LoggedIn> {
  const endsAtMs = clock.now().getTime() + Math.min(expires_in, MAX_LIFE_SECONDS) * 1000;
  let pauseSeconds = interval === undefined || interval <= 0 ? DEFAULT_INTERVAL_SECONDS : interval;
  for (;;) {
    await clock.sleep(Math.min(pauseSeconds, MAX_INTERVAL_SECONDS) * 1000, signal);
    if (clock.now().getTime() >= endsAtMs) throw nobodyCame(issuer);
    try {
      return await poll();
    } catch (error) {
      // RFC 8628 §3.5: a connection that fails is a reason to come less often.
      if (hasCode(error, "SERVICE_UNAVAILABLE")) pauseSeconds *= 2;
      else if (!(error instanceof ResponseBodyError)) throw error;
      else if (error.error === "expired_token") throw nobodyCame(issuer);
      else if (error.error === "slow_down") pauseSeconds += SLOWER_SECONDS;
      else if (error.error !== "authorization_pending") {
        throw refusedLogIn(issuer, error.error, error.error_description);
      }
    }
  }
}

function nobodyCame(issuer: string): CosignError {
  return new CosignError(
    "LOGIN_EXPIRED",
    `Cannot log in at "${issuer}": nobody entered the code in time`,
    { hint: "Run it again, and enter the new code" },
  );
}
