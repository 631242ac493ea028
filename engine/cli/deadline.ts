import { CosignError } from "../model/errors.ts";

/** A signal that fires when the time is over. */
export interface Deadline {
  readonly signal: AbortSignal;
  [Symbol.dispose](): void;
}

/** Starts the time of `--timeout`. @param timeoutMs 0 for any. */
export function startDeadline(timeoutMs: number, what: string): Deadline {
  const controller = new AbortController();
  const over = (): void =>
    controller.abort(
      new CosignError("DEADLINE_EXCEEDED", `${what}: not done after ${timeoutMs} ms`, {
        hint: "Give more time with --timeout",
      }),
    );
  const timer = timeoutMs > 0 ? setTimeout(over, timeoutMs) : undefined;
  return { signal: controller.signal, [Symbol.dispose]: () => clearTimeout(timer) };
}
