import type { Evidence } from "../formats/evidence.ts";
import { type ErrorReport, reportError } from "../model/errors.ts";

/** What a place was found to hold: what could be read, and why the rest could not. */
export interface Gathered {
  readonly evidence: readonly Evidence[];
  readonly failures: readonly ErrorReport[];
}

/**
 * Reads several things at once. What cannot be read is a failure beside the rest; an aborted signal
 * ends all.
 *
 * @param read Answers nothing where there is no evidence.
 */
export async function gatherEach<T>(
  items: readonly T[],
  read: (item: T) => Promise<Evidence | undefined>,
  signal?: AbortSignal,
): Promise<Gathered> {
  const evidence: Evidence[] = [];
  const failures: ErrorReport[] = [];
  for (const result of await Promise.allSettled(items.map(read))) {
    if (result.status === "rejected") {
      if (signal?.aborted) throw result.reason;
      failures.push(reportError(result.reason));
    } else if (result.value !== undefined) evidence.push(result.value);
  }
  return { evidence, failures };
}
