import {
  type AuthorizationServer,
  allowInsecureRequests,
  type Client,
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretPost,
  customFetch,
  discoveryRequest,
  None,
  processDiscoveryResponse,
  type TokenEndpointResponse,
  validateApplicationLevelSignature,
} from "oauth4webapi";
import { isLoopbackHost } from "../../io/addresses.ts";
import { redactUrl } from "../../io/http.ts";
import { utf8 } from "../../model/bytes.ts";
import { CosignError } from "../../model/errors.ts";
import { type IdentityToken, parseIdentityToken } from "../identity_token.ts";
import { protocolError, type ServiceContext } from "../service.ts";
import { ask, refuseOpenUrl } from "./ask.ts";
import { explainOAuth, WHAT } from "./oauth_error.ts";
import type { IdentityOptions } from "./options.ts";

/** Who somebody is, and his address. */
const SCOPE = "openid email";
const OFFLINE = "offline_access";

/** What a log-in comes to. */
export interface LoggedIn {
  readonly token: IdentityToken;
  /** A secret: with it another token is got without a person. Absent where the issuer gives none. */
  readonly refreshToken?: string;
}

/** Requests as the library wants them sent: over our client, within our limits. */
interface Sending {
  readonly [customFetch]: (url: string, options: SentRequest) => Promise<Response>;
  /** Decided by {@link openIssuer} instead: on this machine http will do. */
  readonly [allowInsecureRequests]: true;
}

interface SentRequest {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: URLSearchParams | undefined;
}

/** An issuer whose metadata is known (OpenID Connect Discovery 1.0), and who we are there. */
export interface Issuer {
  readonly server: AuthorizationServer;
  readonly client: Client;
  readonly authentication: ClientAuth;
  /** What is asked for. */
  readonly scope: string;
  /** A refresh token is among that: the person must agree (OpenID Connect Core §11). */
  readonly isOffline: boolean;
  /**
   * How a request is sent.
   *
   * @param once Not again, whatever happens: codes and refresh tokens are good for one use.
   */
  readonly send: (signal: AbortSignal, once?: "once") => Sending;
  /** Runs a step of a log-in: its errors say what the library found. */
  readonly step: <T>(run: () => Promise<T>) => Promise<T>;
  /** Where a browser is sent to. @throws {CosignError} `SERVICE_PROTOCOL` when the metadata has no such address. */
  readonly authorizationEndpoint: () => URL;
}

/**
 * Reads an issuer's metadata.
 *
 * @throws {CosignError} `USAGE` for an address that is neither https nor on this machine, `SERVICE_PROTOCOL` for
 * metadata of another issuer, and as {@link ask}.
 */
export async function openIssuer(
  options: IdentityOptions,
  services: Omit<ServiceContext, "signal">,
  signal: AbortSignal,
): Promise<Issuer> {
  const { issuer, clientId, clientSecret } = options;
  refuseOpenUrl(issuer, "the issuer");
  const url = new URL(issuer);
  const checkAddress = (text: string): void => {
    if (new URL(text).protocol === "https:") return;
    if (isLoopbackHost(url.hostname) && isLoopbackHost(new URL(text).hostname)) return;
    throw protocolError(
      { what: WHAT, url: issuer },
      `it names "${redactUrl(text)}", which is no https URL`,
    );
  };
  const send = (whileWanted: AbortSignal, once?: "once"): Sending => {
    const retry = once === undefined ? services.retry : { ...services.retry, attempts: 1 };
    const context = { ...services, signal: whileWanted, ...(retry && { retry }) };
    return {
      [allowInsecureRequests]: true,
      [customFetch]: async (text, request) => {
        checkAddress(text);
        return await sendRequest(text, request, context);
      },
    };
  };
  const step = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw explainOAuth(error, issuer);
    }
  };
  const server = await step(async () =>
    processDiscoveryResponse(
      url,
      await discoveryRequest(url, { algorithm: "oidc", ...send(signal) }),
    ),
  );
  const isOffline =
    options.renewable === true && server.scopes_supported?.includes(OFFLINE) === true;
  return {
    server,
    client: { client_id: clientId },
    authentication: authenticationOf(server, clientSecret),
    scope: isOffline ? `${SCOPE} ${OFFLINE}` : SCOPE,
    isOffline,
    send,
    step,
    authorizationEndpoint: () => {
      const text = server.authorization_endpoint;
      if (text === undefined || !URL.canParse(text)) {
        throw protocolError({ what: WHAT, url: issuer }, "it does not say where one logs in");
      }
      checkAddress(text);
      return new URL(text);
    },
  };
}

/**
 * Takes the identity out of a token endpoint's answer that the library has checked: issuer, audience,
 * times, nonce. The signature is checked here, by the issuer's keys.
 */
export async function acceptTokens(
  issuer: Issuer,
  response: Response,
  tokens: TokenEndpointResponse,
  signal: AbortSignal,
): Promise<LoggedIn> {
  const { server, client } = issuer;
  if (tokens.id_token === undefined) {
    throw new CosignError(
      "LOGIN_REFUSED",
      `Cannot log in at "${server.issuer}": it gave no identity token`,
      { hint: 'See that the client may have the scope "openid" there' },
    );
  }
  await issuer.step(() => validateApplicationLevelSignature(server, response, issuer.send(signal)));
  return {
    token: parseIdentityToken(tokens.id_token, client.client_id),
    ...(tokens.refresh_token === undefined ? {} : { refreshToken: tokens.refresh_token }),
  };
}

/** In the body where the issuer takes it there, as cosign sends it: nobody needs to agree on escapes then. */
function authenticationOf(server: AuthorizationServer, secret: string | undefined): ClientAuth {
  if (secret === undefined) return None();
  const methods = server.token_endpoint_auth_methods_supported ?? [];
  return methods.includes("client_secret_post")
    ? ClientSecretPost(secret)
    : ClientSecretBasic(secret);
}

async function sendRequest(
  url: string,
  { method, headers, body }: SentRequest,
  context: ServiceContext,
): Promise<Response> {
  const reply = await ask(
    {
      method: method === "GET" ? "GET" : "POST",
      url,
      what: WHAT,
      headers,
      ...(body === undefined ? {} : { body: utf8(body.toString()) }),
    },
    context,
  );
  const hasNone = reply.status === 204 || reply.status === 304;
  return new Response(hasNone ? null : new Uint8Array(reply.body), reply);
}
