import { discardBody, readBody } from "../io/http.ts";
import { isTransientError, isTransientStatus, parseRetryAfter, retry } from "../io/retry.ts";
import { encodeBase64, parseUtf8, utf8 } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import type { Credentials } from "./credential_files.ts";
import { type HostServices, type Question, tlsOptions } from "./question.ts";
import { MAX_ERROR_BYTES, type Reply, replyError } from "./reply.ts";
import type { RegistryOptions } from "./session.ts";

/** Tokens that list many scopes have some tens of kilobytes. */
const MAX_TOKEN_BYTES = 256 * 1024;
/** What the protocol means when `expires_in` is absent, and the least that clients assume. */
const DEFAULT_LIFE_SECONDS = 60;
/** A day: a longer promise is not worth remembering. */
const MAX_LIFE_SECONDS = 86_400;
/** Requests in flight to one token server. */
const TOKEN_CONCURRENCY = 8;

/** A Bearer token. */
export interface Token {
  readonly token: string;
  /** When it is not used any more, some time before its end; milliseconds since the epoch. */
  readonly expiresAtMs: number;
}

/** What a token is asked for with. */
export interface TokenRequest {
  /** Checked: `checkRealm()`. */
  readonly realm: URL;
  readonly service?: string;
  readonly scope: string;
  readonly credentials: Credentials | undefined;
  /** Whether the realm is the registry itself: then it may see our client certificate. */
  readonly isHome: boolean;
}

/**
 * Fetches a token (distribution's "Token Authentication Specification"): `GET` with Basic credentials or
 * anonymously, `POST` (OAuth 2) with an identity token.
 *
 * @throws {CosignError} `REGISTRY_AUTH` when the credentials are refused, and the registry's other codes.
 */
export async function fetchToken(
  request: TokenRequest,
  options: RegistryOptions,
  services: HostServices,
  { signal, meter }: Pick<Question, "signal" | "meter">,
): Promise<Token> {
  const what = `get a token of "${request.realm.host}"`;
  const reply = await retry(
    async () => {
      try {
        if (meter !== undefined) meter.requests++;
        const answer = await send(request, options, services, signal);
        if (!isTransientStatus(answer.status)) return { value: answer };
        const afterMs = parseRetryAfter(answer.headers.get("retry-after"), Date.now());
        const transient = replyError(answer, what);
        return afterMs === undefined ? { transient } : { transient, afterMs };
      } catch (error) {
        if (isTransientError(error, true)) return { transient: error };
        throw error;
      }
    },
    {
      ...(options.attempts === undefined ? {} : { attempts: options.attempts }),
      ...(signal === undefined ? {} : { signal }),
    },
  );
  if (reply.status >= 300 && reply.status < 400) {
    throw new CosignError(
      "REGISTRY_REDIRECT",
      `Cannot ${what}: it redirects a request for a token`,
    );
  }
  if (reply.status !== 200) throw refusal(reply, what, request.credentials);
  return parseToken(reply.body, what);
}

function send(
  request: TokenRequest,
  options: RegistryOptions,
  services: HostServices,
  signal: AbortSignal | undefined,
): Promise<Reply> {
  const { realm, service, scope, credentials } = request;
  const url = new URL(realm);
  const headers: Record<string, string> = { "user-agent": options.userAgent };
  let body: Uint8Array | undefined;
  if (credentials?.kind === "identity") {
    const form = new URLSearchParams({
      grant_type: "refresh_token",
      client_id: "cosign-ts",
      refresh_token: credentials.token,
      scope,
      ...(service === undefined ? {} : { service }),
    });
    headers["content-type"] = "application/x-www-form-urlencoded";
    body = utf8(form.toString());
  } else {
    if (service !== undefined) url.searchParams.set("service", service);
    for (const part of scope.split(" ")) url.searchParams.append("scope", part);
    if (credentials?.kind === "basic") {
      const pair = `${credentials.username}:${credentials.password}`;
      headers["authorization"] = `Basic ${encodeBase64(utf8(pair))}`;
    }
  }
  return services.budgets.run(
    `token:${realm.host}`,
    TOKEN_CONCURRENCY,
    async (gate) => {
      const response = await services.http({
        method: body === undefined ? "GET" : "POST",
        url: url.href,
        headers,
        tls: tlsOptions(options, request.isHome),
        ...(body === undefined ? {} : { body }),
        ...(signal === undefined ? {} : { signal }),
        ...(options.requestTimeoutMs === undefined ? {} : { timeoutMs: options.requestTimeoutMs }),
      });
      const { status } = response;
      if (status === 429) gate.throttled();
      if (status >= 300 && status < 400) {
        discardBody(response);
        return { status, headers: response.headers, url: url.href, body: new Uint8Array() };
      }
      const limit = status === 200 ? MAX_TOKEN_BYTES : MAX_ERROR_BYTES;
      return {
        status,
        headers: response.headers,
        url: url.href,
        body: await readBody(response, limit),
      };
    },
    signal,
  );
}

/** Token servers say 400 or 403 as well as 401 of credentials that are no good. */
function refusal(reply: Reply, what: string, credentials: Credentials | undefined): CosignError {
  const error = replyError(reply, what);
  if (reply.status !== 400 && reply.status !== 401 && reply.status !== 403) return error;
  return new CosignError(
    reply.status === 403 ? "REGISTRY_DENIED" : "REGISTRY_AUTH",
    error.message,
    {
      hint:
        credentials === undefined
          ? "Log in with docker login or podman login, or give --registry-username and --registry-password"
          : "Check the credentials: log in again",
    },
  );
}

function parseToken(body: Uint8Array, what: string): Token {
  let root: unknown;
  try {
    root = JSON.parse(parseUtf8(body));
  } catch (cause) {
    throw new CosignError("REGISTRY_PROTOCOL", `Cannot ${what}: the answer is no JSON`, { cause });
  }
  const field = (name: string): unknown =>
    typeof root === "object" && root !== null ? Reflect.get(root, name) : undefined;
  const token = field("token") || field("access_token");
  // What is no visible ASCII could break out of the header.
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
    throw new CosignError("REGISTRY_PROTOCOL", `Cannot ${what}: the answer has no token`);
  }
  const expiresIn = field("expires_in");
  const seconds =
    typeof expiresIn === "number" && expiresIn > 0
      ? Math.min(expiresIn, MAX_LIFE_SECONDS)
      : DEFAULT_LIFE_SECONDS;
  // By our clock from now on, not by `issued_at`: clocks differ. A tenth, at most half a minute, is margin.
  const lifeMs = seconds * 1000;
  return { token, expiresAtMs: Date.now() + lifeMs - Math.min(30_000, lifeMs / 10) };
}
