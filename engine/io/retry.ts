import { type CosignError, hasCode } from "../model/errors.ts";
import { networkFault } from "./http.ts";
import { pause } from "./wait.ts";

/** How often and when something is tried again. Defaults in brackets. */
export interface RetryOptions {
  /** Attempts in all [6]. */
  readonly attempts?: number;
  /** Pause after the first attempt, in milliseconds [200]; doubles with each. */
  readonly baseMs?: number;
  /** No pause of ours is longer [10,000]. */
  readonly capMs?: number;
  readonly signal?: AbortSignal;
  /** [`setTimeout`] */
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Evenly between 0 and 1 [`Math.random`]. */
  readonly random?: () => number;
}

/** What an attempt comes to: an answer, or an error that may pass. What is thrown ends everything. */
export type Attempt<T> =
  | { readonly value: T }
  | {
      readonly transient: CosignError;
      /** As the server asked for (`Retry-After`), in milliseconds. */
      readonly afterMs?: number;
    };

const DEFAULT_ATTEMPTS = 6;
const BASE_MS = 200;
const CAP_MS = 10_000;
/** A server may ask for a longer pause; beyond this the attempt is given up as not worth waiting for. */
export const MAX_RETRY_AFTER_MS = 120_000;

/**
 * Tries until there is an answer. The only place that retries.
 *
 * @throws {CosignError} the last attempt's own error, so that it keeps its meaning.
 */
export async function retry<T>(
  attempt: (number: number) => Promise<Attempt<T>>,
  options: RetryOptions = {},
): Promise<T> {
  const { attempts = DEFAULT_ATTEMPTS, baseMs = BASE_MS, capMs = CAP_MS, signal } = options;
  const sleep = options.sleep ?? pause;
  const random = options.random ?? Math.random;
  for (let number = 1; ; number++) {
    const outcome = await attempt(number);
    if ("value" in outcome) return outcome.value;
    const { transient, afterMs } = outcome;
    if (number >= attempts || (afterMs ?? 0) > MAX_RETRY_AFTER_MS) throw transient;
    const ownMs = Math.min(capMs, baseMs * 2 ** (number - 1)) * (0.5 + random() / 2);
    // Whoever was told the same time must not come back at the same moment.
    await sleep(Math.max(ownMs, afterMs === undefined ? 0 : afterMs + random() * baseMs), signal);
  }
}

/** Whether a status means "later perhaps". */
export function isTransientStatus(status: number): boolean {
  return status === 429 || status === 500 || status === 502 || status === 503 || status === 504;
}

/**
 * Whether an error of an HTTP client may pass by itself.
 *
 * @param answeredBefore Whether this server was there a moment ago: a refused connection or an
 * unknown name is final for one that never was.
 */
export function isTransientError(error: unknown, answeredBefore: boolean): error is CosignError {
  if (hasCode(error, "REGISTRY_TIMEOUT")) return true;
  if (!hasCode(error, "REGISTRY_NETWORK")) return false;
  const fault = networkFault(error);
  return fault === "broken" || (answeredBefore && fault !== undefined);
}

/**
 * Reads `Retry-After`: seconds, or an HTTP date (RFC 9110 §10.2.3).
 *
 * @returns milliseconds from `nowMs` on; nothing when the header is absent or says nothing.
 */
export function parseRetryAfter(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const atMs = /[A-Za-z]/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}
