import type { Budgets, Gate } from "../io/budget.ts";
import { type HttpClient, readBody, redactUrl } from "../io/http.ts";
import {
  type Attempt,
  isTransientError,
  isTransientStatus,
  MAX_RETRY_AFTER_MS,
  parseRetryAfter,
  type RetryOptions,
  retry,
} from "../io/retry.ts";
import { utf8 } from "../model/bytes.ts";
import { CosignError, type ErrorCode } from "../model/errors.ts";
import type { PluginAnswer, PluginContext, PluginRequest } from "./contract.ts";

/** What services that keep keys are spoken to with. */
export interface ServiceAccess {
  readonly http: HttpClient;
  readonly budgets: Budgets;
  /** Pauses between attempts. Defaults as {@link retry} has them. */
  readonly retry?: Omit<RetryOptions, "signal">;
}

/** Requests in flight to one service: far below what clouds allow in a second. */
const CONCURRENCY = 32;
const TIMEOUT_MS = 20_000;
/** Keys, signatures and secrets are small: none is larger. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;
/** Faults of the connection, which the client names as those of registries. */
const NETWORK_CODES: ReadonlySet<ErrorCode> = new Set([
  "REGISTRY_NETWORK",
  "REGISTRY_TLS",
  "REGISTRY_TIMEOUT",
]);

/**
 * Makes the `fetch` of a plugin: see `PluginContext`.
 *
 * @param signal Ends requests that have no signal of their own.
 */
export function pluginFetch(access: ServiceAccess, signal: AbortSignal): PluginContext["fetch"] {
  const seen = new Set<string>(); // hosts that were there once: a refused connection to another is final
  return async (url, request = {}) => {
    const host = hostOf(url);
    const ends = request.signal ?? signal;
    try {
      const answer = await retry(() => tryOnce(url, request, host, ends, access, seen), {
        ...access.retry,
        signal: ends,
      });
      return responseOf(answer);
    } catch (error) {
      if (error instanceof LastAnswer) return responseOf(error.answer);
      if (!(error instanceof CosignError) || !NETWORK_CODES.has(error.code)) throw error;
      throw new CosignError("KEY_SERVICE_UNAVAILABLE", error.message, {
        cause: error,
        hint: `Check that ${host} can be reached from here, and the proxies and certificates of the environment`,
      });
    }
  };
}

/** Makes the `exchange` of a plugin: see `PluginContext`. */
export function pluginExchange(
  { budgets, retry: pauses }: ServiceAccess,
  signal: AbortSignal,
): PluginContext["exchange"] {
  return async (service, attempt, options = {}) => {
    const { atOnce = CONCURRENCY, signal: ends = signal } = options;
    const tryOnce = (gate: Gate) =>
      attempt().then((outcome) => {
        if ("transient" in outcome && outcome.transient.code === "KEY_SERVICE_RATE_LIMITED") {
          gate.throttled(outcome.afterMs && Math.min(outcome.afterMs, MAX_RETRY_AFTER_MS));
        }
        return outcome;
      });
    return await retry(() => budgets.run(`kms:${service}`, atOnce, tryOnce, ends), {
      ...pauses,
      signal: ends,
    });
  };
}

async function tryOnce(
  url: string,
  request: PluginRequest,
  host: string,
  signal: AbortSignal,
  { budgets, http }: ServiceAccess,
  seen: Set<string>,
): Promise<Attempt<PluginAnswer>> {
  const { repeatable = true, isThrottled = isTooMany } = request;
  try {
    return await budgets.run(
      `kms:${host}`,
      CONCURRENCY,
      async (gate) => {
        const answer = await exchange(url, request, signal, http);
        seen.add(host);
        const afterMs = parseRetryAfter(answer.headers.get("retry-after"), Date.now());
        const after = afterMs === undefined ? {} : { afterMs };
        if (isThrottled(answer)) {
          gate.throttled(afterMs && Math.min(afterMs, MAX_RETRY_AFTER_MS));
          return { transient: throttledBy(url), ...after };
        }
        if (!repeatable || !isTransientStatus(answer.status)) return { value: answer };
        return { transient: new LastAnswer(url, answer), ...after };
      },
      signal,
    );
  } catch (error) {
    if (repeatable && isTransientError(error, seen.has(host))) return { transient: error };
    throw error;
  }
}

async function exchange(
  url: string,
  { method = "GET", headers, body, tls, direct, timeoutMs = TIMEOUT_MS }: PluginRequest,
  signal: AbortSignal,
  http: HttpClient,
): Promise<PluginAnswer> {
  const response = await http({
    method,
    url,
    signal,
    timeoutMs,
    ...(headers === undefined ? {} : { headers }),
    ...(body === undefined ? {} : { body: typeof body === "string" ? utf8(body) : body }),
    ...(tls === undefined ? {} : { tls }),
    ...(direct === undefined ? {} : { direct }),
  });
  const { status } = response;
  return { status, headers: response.headers, body: await readBody(response, MAX_BODY_BYTES) };
}

/** An answer whose trouble did not pass: the plugin knows best what the service says of it. */
class LastAnswer extends CosignError {
  readonly answer: PluginAnswer;

  constructor(url: string, answer: PluginAnswer) {
    super(
      "KEY_SERVICE_UNAVAILABLE",
      `Cannot ask "${redactUrl(url)}": it answers HTTP ${answer.status}`,
    );
    this.answer = answer;
  }
}

function throttledBy(url: string): CosignError {
  return new CosignError(
    "KEY_SERVICE_RATE_LIMITED",
    `Cannot ask "${redactUrl(url)}": it asks for fewer requests`,
    { hint: "Try again later, or with less at once: --workers, --concurrency" },
  );
}

function responseOf({ status, headers, body }: PluginAnswer): Response {
  const isEmpty = [204, 205, 304].includes(status);
  return new Response(isEmpty ? null : new Uint8Array(body), { status, headers });
}

function isTooMany({ status }: PluginAnswer): boolean {
  return status === 429;
}

function hostOf(url: string): string {
  if (/^https?:\/\//i.test(url) && URL.canParse(url)) return new URL(url).host;
  throw new CosignError("USAGE", `Cannot ask "${url.slice(0, 200)}": it is no URL`);
}
