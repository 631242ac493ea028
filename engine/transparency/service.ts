import type { Budgets } from "../io/budget.ts";
import { discardBody, type HttpClient, readBody, redactUrl } from "../io/http.ts";
import {
  isTransientError,
  isTransientStatus,
  MAX_RETRY_AFTER_MS,
  parseRetryAfter,
  type RetryOptions,
  retry,
} from "../io/retry.ts";
import { parseUtf8 } from "../model/bytes.ts";
import { CosignError, type ErrorCode } from "../model/errors.ts";

/** The services that have a budget each. */
export type ServiceName = "fulcio" | "rekor" | "timestamp" | "oidc" | "tuf";

/** One thing that is asked of a service of Sigstore's. All of them can be asked again without harm. */
export interface ServiceCall {
  readonly service: ServiceName;
  readonly method: "GET" | "POST";
  readonly url: string;
  /** What the answer is for, as it stands in a message behind "Cannot": `get a certificate`. */
  readonly what: string;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Past every proxy. Default false. */
  readonly direct?: boolean;
  /** Of the answer's body. */
  readonly limitBytes: number;
}

/** What all services of a run are spoken to with. */
export interface ServiceContext {
  readonly http: HttpClient;
  readonly budgets: Budgets;
  readonly signal?: AbortSignal;
  /** Sent with every request. */
  readonly userAgent?: string;
  /** Defaults as {@link retry} has them. */
  readonly retry?: Omit<RetryOptions, "signal">;
  /** Time without an answer, in milliseconds. Default 60,000. */
  readonly timeoutMs?: number;
}

/** An answer whose status is no passing trouble: success or refusal. */
export interface ServiceReply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** Requests in flight to one service, over all threads; public instances ask for less with 429. */
const CONCURRENCY: Readonly<Record<ServiceName, number>> = {
  fulcio: 4,
  rekor: 32,
  timestamp: 32,
  oidc: 4,
  tuf: 8,
};
/** What can be read of a refusal: services explain themselves in a line. */
const MAX_ERROR_BYTES = 64 * 1024;
const MAX_SHOWN = 300;
/** Faults of the connection, which the client names as those of registries. */
const NETWORK_CODES: ReadonlySet<ErrorCode> = new Set([
  "REGISTRY_NETWORK",
  "REGISTRY_TLS",
  "REGISTRY_TIMEOUT",
]);

/** Hosts that were there once, by the budgets of their run: a refused connection to another is final. */
const answered: WeakMap<Budgets, Set<string>> = new WeakMap();

/**
 * Asks a service, within its budget, again where the trouble may pass. Redirects are refused: what is
 * sent may be an identity token.
 *
 * @returns every answer but 3xx, 429 and 5xx: what a refusal means, the caller knows.
 * @throws {CosignError} `SERVICE_UNAVAILABLE`, `SERVICE_PROTOCOL`, `LIMIT_EXCEEDED`, or why the signal fired.
 */
export async function callService(
  call: ServiceCall,
  context: ServiceContext,
): Promise<ServiceReply> {
  const { signal } = context;
  const host = hostOf(call);
  const seen = answered.get(context.budgets) ?? new Set<string>();
  answered.set(context.budgets, seen);
  try {
    return await retry(
      async () => {
        try {
          const reply = await exchange(call, context);
          seen.add(host);
          if (!isTransientStatus(reply.status)) return { value: reply };
          const transient = unavailable(call, `it answers ${describeReply(reply)}`);
          const afterMs = parseRetryAfter(reply.headers.get("retry-after"), Date.now());
          return afterMs === undefined ? { transient } : { transient, afterMs };
        } catch (error) {
          if (isTransientError(error, seen.has(host))) return { transient: error };
          throw error;
        }
      },
      { ...context.retry, ...(signal === undefined ? {} : { signal }) },
    );
  } catch (error) {
    if (!(error instanceof CosignError) || !NETWORK_CODES.has(error.code)) throw error;
    throw unavailable(call, error.message, error);
  }
}

/** What a service says of a refusal: the status, and its words in one line. */
export function describeReply({ status, body }: ServiceReply): string {
  let text: string;
  try {
    text = parseUtf8(body.subarray(0, MAX_ERROR_BYTES));
    const json: unknown = JSON.parse(text);
    const message =
      typeof json === "object" && json !== null
        ? (Reflect.get(json, "message") ?? Reflect.get(json, "error"))
        : json;
    if (typeof message === "string") text = message;
  } catch {
    text = new TextDecoder().decode(body);
  }
  const line = text.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, " ").trim();
  return line === "" ? `${status}` : `${status}: ${line.slice(0, MAX_SHOWN)}`;
}

/** The error for an answer that is none. */
export function protocolError(
  { what, url }: Pick<ServiceCall, "what" | "url">,
  why: string,
  cause?: unknown,
): CosignError {
  return new CosignError("SERVICE_PROTOCOL", `Cannot ${what} from "${redactUrl(url)}": ${why}`, {
    cause,
  });
}

/** Puts a service's path behind its URL, which may have a path of its own. */
export function serviceUrl(base: string, path: string): string {
  return `${base.replace(/\/+$/, "")}${path}`;
}

async function exchange(call: ServiceCall, context: ServiceContext): Promise<ServiceReply> {
  const { method, url, headers, body, service, direct } = call;
  const { budgets, http, signal, userAgent, timeoutMs } = context;
  return await budgets.run(
    `${service}:${hostOf(call)}`,
    CONCURRENCY[service],
    async (gate) => {
      const response = await http({
        method,
        url,
        headers: { ...(userAgent === undefined ? {} : { "user-agent": userAgent }), ...headers },
        ...(body === undefined ? {} : { body }),
        ...(direct === undefined ? {} : { direct }),
        ...(signal === undefined ? {} : { signal }),
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      });
      const { status } = response;
      if (status >= 300 && status < 400) {
        discardBody(response);
        throw protocolError(call, `it redirects (${status}), which is not followed`);
      }
      if (status === 429 || status === 503) {
        const afterMs = parseRetryAfter(response.headers.get("retry-after"), Date.now());
        if (status === 429 || afterMs !== undefined) {
          gate.throttled(afterMs && Math.min(afterMs, MAX_RETRY_AFTER_MS));
        }
      }
      const limit = status >= 200 && status < 300 ? call.limitBytes : MAX_ERROR_BYTES;
      return { status, headers: response.headers, body: await readBody(response, limit) };
    },
    signal,
  );
}

function hostOf({ url, what }: ServiceCall): string {
  if (/^https?:\/\//i.test(url) && URL.canParse(url)) return new URL(url).host;
  throw new CosignError("USAGE", `Cannot ${what}: "${url.slice(0, 200)}" is no URL`);
}

function unavailable(call: ServiceCall, why: string, cause?: unknown): CosignError {
  return new CosignError(
    "SERVICE_UNAVAILABLE",
    `Cannot ${call.what} from "${redactUrl(call.url)}": ${why}`,
    { cause, hint: "Try again later, or name another service: see signing-config create" },
  );
}
