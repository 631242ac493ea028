import type { Job } from "../model/job.ts";
import type { Verdict } from "../model/verdict.ts";

/** How {@link schedule} works. */
export interface ScheduleOptions<Item> {
  /** Jobs that may be started and not yet taken by the consumer. */
  readonly limit: number;
  /**
   * Told of items before their jobs are given out, several at a time where they come fast.
   *
   * @returns the jobs to run; none for items that need none.
   */
  readonly start: (items: readonly Item[]) => readonly Job[];
  /** Runs one job. It answers a verdict for every fault of the world; what it throws ends the run. */
  readonly run: (job: Job) => Promise<Verdict>;
  /** When it is aborted, no further item is pulled; what is in flight is finished. */
  readonly stop: AbortSignal;
}

/** Verdicts that come within this time are taken together: a ledger writes once for all of them. */
const GROUP_MS = 15;
/** The part of `limit` that is taken at once, however fast it came: the workers must not run dry. */
const GROUP_PART = 4;

/**
 * Pulls items from a plan as jobs may be started, and yields verdicts as they come, all that came
 * since the last time. A consumer that is slow slows the plan: at most `limit` jobs are ever between
 * plan and consumer. Nothing is repeated.
 */
export async function* schedule<Item>(
  plan: AsyncIterable<Item>,
  options: ScheduleOptions<Item>,
): AsyncGenerator<readonly Verdict[], void, undefined> {
  const { limit, start, run, stop } = options;
  const items = plan[Symbol.asyncIterator]();
  const waiting: Item[] = []; // pulled, not started
  let done: Verdict[] = []; // finished, not taken
  let running = 0;
  let pulling = false;
  let ended = stop.aborted;
  let flushing = false;
  let closed = false; // the consumer has gone
  let fault: { readonly error: unknown } | undefined;
  let wake = () => {};
  let isGroupOld = false; // the first of `done` has waited long enough
  let groupTimer: ReturnType<typeof setTimeout> | undefined;

  const fail = (error: unknown) => {
    fault ??= { error };
    ended = true;
    wake();
  };
  const isGroupFull = () =>
    isGroupOld || running + waiting.length === 0 || done.length >= limit / GROUP_PART;
  const endGroup = () => {
    isGroupOld = true;
    wake();
  };
  const flush = () => {
    flushing = false;
    if (closed || fault !== undefined) return;
    try {
      for (const job of start(waiting.splice(0))) {
        running += 1;
        run(job).then(
          (verdict) => {
            running -= 1;
            done.push(verdict);
            if (isGroupFull()) wake();
            else groupTimer ??= setTimeout(endGroup, GROUP_MS);
          },
          (error) => {
            running -= 1;
            fail(error);
          },
        );
      }
    } catch (error) {
      fail(error);
    }
    wake(); // items that need no job have made room
  };
  const pull = () => {
    if (pulling || ended || running + waiting.length + done.length >= limit) return;
    pulling = true;
    items.next().then(
      (next) => {
        pulling = false;
        if (next.done === true) ended = true;
        else if (!closed) {
          waiting.push(next.value); // pulled is pulled: also when a stop came meanwhile
          if (!flushing) setImmediate(flush);
          flushing = true;
        }
        pull();
        wake();
      },
      (error) => {
        pulling = false;
        if (stop.aborted) ended = true;
        else fail(error);
        wake();
      },
    );
  };
  const stopPulling = () => {
    ended = true;
    wake();
  };
  stop.addEventListener("abort", stopPulling, { once: true });
  try {
    for (;;) {
      pull();
      if (fault !== undefined) throw fault.error;
      if (done.length > 0 && isGroupFull()) {
        const taken = done;
        done = [];
        clearTimeout(groupTimer);
        groupTimer = undefined;
        isGroupOld = false;
        running += taken.length; // theirs until the consumer comes back
        try {
          yield taken;
        } finally {
          running -= taken.length;
        }
      } else if (ended && running + waiting.length + done.length === 0) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    stop.removeEventListener("abort", stopPulling);
    clearTimeout(groupTimer);
    ended = true;
    closed = true;
    // A plan that waits for a registry is not waited for: its own signal ends it.
    items.return?.(undefined).catch(() => {});
  }
}
