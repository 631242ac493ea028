import { CosignError } from "../model/errors.ts";

/** The error for an `AbortSignal` that fired: its own reason where that is a {@link CosignError}. */
export function abortReason(signal: AbortSignal, what: string): CosignError {
  return signal.reason instanceof CosignError
    ? signal.reason
    : new CosignError("CANCELLED", `${what}: cancelled`, { cause: signal.reason });
}

/** Waits. @throws {CosignError} why `signal` fired. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortReason(signal, "Cannot wait"));
    const onAbort = (): void => {
      clearTimeout(timer);
      if (signal !== undefined) reject(abortReason(signal, "Cannot wait"));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * Waits for `promise`, or until `signal` fires; what goes wrong with it afterwards is nobody's fault any more.
 *
 * @throws {CosignError} why `signal` fired.
 */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(abortReason(signal, "Cannot wait"));
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
