import { CosignError } from "../model/errors.ts";
import { isMetadataHost } from "./addresses.ts";
import type { Environment } from "./env.ts";
import {
  discardBody,
  type HttpClient,
  type HttpRequest,
  type HttpResponse,
  httpClient,
  readBody,
  redactUrl,
  streamBody,
} from "./http.ts";
import {
  type Attempt,
  isTransientError,
  isTransientStatus,
  parseRetryAfter,
  retry,
} from "./retry.ts";

const ATTEMPTS = 4;
const MAX_REDIRECTS = 5;
const MAX_BODY_BYTES = 16 * 1024 * 1024; // keys, certificates, answers of key services: none is larger

/** What may be demanded of a {@link PlainFetch} beside what a browser knows. */
export interface PlainRequest extends RequestInit {
  /** Of the answer's body. Default 16 MiB, which is also the most. */
  readonly limitBytes?: number;
  /** Time without an answer, in milliseconds. Default 60,000. */
  readonly timeoutMs?: number;
  /** Attempts in all, of `GET` and `HEAD`. Default 4. */
  readonly attempts?: number;
}

/** Fetches as a browser's `fetch` does. */
export type PlainFetch = (url: string, init?: PlainRequest) => Promise<Response>;

/**
 * A `fetch` for keys and plugins: with our proxies, certificate stores, retries and limits.
 * Redirects of `GET` are followed, never from https to http, never to where clouds hand out
 * credentials, and headers stay at the origin they were meant for.
 *
 * @throws {CosignError} `REGISTRY_NETWORK`, `REGISTRY_TLS`, `REGISTRY_TIMEOUT`, `REGISTRY_REDIRECT`,
 * `LIMIT_EXCEEDED`.
 */
export function plainFetch(env: Environment): PlainFetch {
  const client = httpClient({ env });
  return async (url, init = {}) => {
    const { signal } = init;
    const attempts = isRepeatable(init) ? (init.attempts ?? ATTEMPTS) : 1;
    return await retry((attempt) => tryOnce(client, url, init, { attempt, attempts }), {
      attempts,
      ...(signal === undefined || signal === null ? {} : { signal }),
    });
  };
}

/**
 * The bytes at a URL, piece by piece as they come, whatever their number: redirects as
 * {@link plainFetch} follows them, nothing is tried twice.
 *
 * @throws {CosignError} as {@link plainFetch}; `FILE_READ` for an answer other than 2xx.
 */
export async function* streamUrl(
  env: Environment,
  url: string,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const response = await lastResponse(httpClient({ env }), url, signal ? { signal } : {});
  if (response.status < 200 || response.status > 299) {
    discardBody(response);
    throw new CosignError(
      "FILE_READ",
      `loading URL ${redactUrl(url)}: server returned HTTP ${response.status}`,
    );
  }
  yield* streamBody(response);
}

async function tryOnce(
  client: HttpClient,
  url: string,
  init: PlainRequest,
  { attempt, attempts }: { readonly attempt: number; readonly attempts: number },
): Promise<Attempt<Response>> {
  try {
    const response = await followed(client, url, init);
    if (!isTransientStatus(response.status) || attempt >= attempts) return { value: response };
    const afterMs = parseRetryAfter(response.headers.get("retry-after"), Date.now());
    const transient = new CosignError(
      response.status === 429 ? "REGISTRY_RATE_LIMITED" : "REGISTRY_UNAVAILABLE",
      `Cannot read "${redactUrl(url)}": server returned HTTP ${response.status}`,
    );
    return afterMs === undefined ? { transient } : { transient, afterMs };
  } catch (error) {
    if (isTransientError(error, attempt > 1)) return { transient: error };
    throw error;
  }
}

async function followed(client: HttpClient, first: string, init: PlainRequest): Promise<Response> {
  const response = await lastResponse(client, first, init);
  const bytes = await readBody(response, Math.min(init.limitBytes ?? Infinity, MAX_BODY_BYTES));
  const body = [204, 205, 304].includes(response.status) ? null : new Uint8Array(bytes);
  return new Response(body, { status: response.status, headers: response.headers });
}

/** The answer at the end of all redirects; its body is still on its way. */
async function lastResponse(
  client: HttpClient,
  first: string,
  init: PlainRequest,
): Promise<HttpResponse> {
  let url = new URL(first);
  for (let hops = 0; ; hops++) {
    const sameOrigin = url.origin === new URL(first).origin;
    const response = await client(requestOf(url, init, sameOrigin));
    const location = response.headers.get("location");
    const isRedirect = [301, 302, 303, 307, 308].includes(response.status);
    if (!isRedirect || location === null || !isRepeatable(init)) return response;
    discardBody(response);
    url = checkedTarget(url, location, hops);
  }
}

function requestOf(url: URL, init: PlainRequest, sameOrigin: boolean): HttpRequest {
  const headers = sameOrigin ? Object.fromEntries(new Headers(init.headers).entries()) : {};
  const { body, signal, timeoutMs } = init;
  return {
    method: init.method ?? "GET",
    url: url.href,
    headers,
    ...(typeof body === "string" ? { body: new TextEncoder().encode(body) } : {}),
    ...(body instanceof Uint8Array ? { body } : {}),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(signal === undefined || signal === null ? {} : { signal }),
  };
}

function checkedTarget(from: URL, location: string, hops: number): URL {
  const refuse = (why: string): CosignError =>
    new CosignError("REGISTRY_REDIRECT", `Cannot read "${redactUrl(from.href)}": ${why}`);
  if (hops >= MAX_REDIRECTS) throw refuse(`redirected more than ${MAX_REDIRECTS} times`);
  if (!URL.canParse(location, from.href)) throw refuse("redirected to what is no URL");
  const target = new URL(location, from);
  if (!/^https?:$/.test(target.protocol)) throw refuse(`redirected to ${target.protocol}`);
  if (from.protocol === "https:" && target.protocol === "http:") {
    throw refuse("redirected from https to http");
  }
  if (isMetadataHost(target.hostname) && !isMetadataHost(from.hostname)) {
    throw refuse("redirected to an address where clouds hand out credentials");
  }
  return target;
}

function isRepeatable({ method = "GET" }: RequestInit): boolean {
  return method === "GET" || method === "HEAD";
}
