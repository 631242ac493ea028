import type { BatchEvent } from "../batch/run_batch.ts";
import { onInterrupt } from "../io/program.ts";
import type { ErrorReport } from "../model/errors.ts";
import type { BatchCall } from "./batch_call.ts";
import type { Source } from "./batch_source.ts";
import type { BatchResources } from "./batch_work.ts";
import { printableLine } from "./printable.ts";

/** What can end a run before its last target. */
export interface Endings {
  /** No further target is to be started. */
  readonly stop: AbortSignal;
  /** Why not, where it is not for a target that did not pass. */
  readonly reason: () => ErrorReport | undefined;
  /** The run has ended by itself. */
  readonly clear: () => void;
}

/** Watches the time of a run, its certificates, and Ctrl-C. */
export function endings(
  work: BatchResources,
  deadlineMs: number | undefined,
  say: (text: string) => void,
): Endings {
  const stop = new AbortController();
  let reason: ErrorReport | undefined;
  const timer =
    deadlineMs === undefined || deadlineMs === 0
      ? undefined
      : setTimeout(() => {
          const code = "DEADLINE_EXCEEDED";
          reason = { code, message: "the time of the run is over" };
          stop.abort();
          work.abort({
            code,
            message: `The time of ${deadlineMs} ms for the whole run is over`,
            hint: "Go on with --resume",
          });
        }, deadlineMs);
  work.onRefused = (why) => {
    reason ??= why;
    stop.abort();
  };
  const forget = onInterrupt(() => {
    reason ??= { code: "CANCELLED", message: "the run was interrupted" };
    say("Interrupted: what is in flight is finished; once more ends it at once");
    stop.abort();
  });
  return {
    stop: stop.signal,
    reason: () => reason,
    clear: () => {
      clearTimeout(timer);
      forget();
    },
  };
}

/** Says how a batch began. */
export function tellEvent(
  event: BatchEvent,
  source: Source,
  op: string,
  say: (text: string) => void,
): void {
  const what = source.total === undefined ? "targets" : `${source.total} targets`;
  if (event.type === "begun") {
    const { attempt, startedAtMs } = event.run;
    const since = new Date(startedAtMs).toISOString();
    say(
      event.isResumed
        ? `Going on with the run of ${since} (attempt ${attempt}): ${op} ${what} of ${source.name}`
        : `batch ${op}: ${what} of ${source.name === "-" ? "standard input" : source.name}`,
    );
  } else if (event.type === "changed") {
    say(
      `The manifest ${source.name} has changed since (${event.before.slice(0, 19)}…, now ${event.now.slice(0, 19)}…): answers for targets that it still asks for are kept`,
    );
  } else if (event.type === "complete-already") {
    say("The last run is complete: nothing is left to do. Without --resume a new one begins");
  }
}

/** Says why a batch is not complete, and how to go on. */
export function tellUnfinished(
  reason: ErrorReport | undefined,
  ledgerPath: string | undefined,
  { name }: Source,
  { call, flags }: BatchCall,
  say: (text: string) => void,
): void {
  const why =
    reason === undefined
      ? "The run ended at the first target that did not pass"
      : `${reason.code}: ${printableLine(reason.message)}`;
  say(`${why}; it is not complete`);
  if (ledgerPath === undefined) return;
  const ledger = call.flags.ledger ? ` --ledger ${shellWord(ledgerPath)}` : "";
  say(
    `Go on with the same flags and --resume: cosign-ts batch ${flags.op} ${shellWord(name)}${ledger} --resume`,
  );
}

function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:@=+-]+$/.test(text)
    ? text
    : `'${printableLine(text).replaceAll("'", `'\\''`)}'`;
}
