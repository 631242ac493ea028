import { EXIT, exitCodeFor, type Generation } from "../model/exit_code.ts";
import type { Job } from "../model/job.ts";
import type { Verdict } from "../model/verdict.ts";
import type { Claim, Ledger, LedgerRun, RunStart, Tally } from "./ledger.ts";
import type { PlanItem } from "./plan.ts";
import { schedule } from "./scheduler.ts";
import type { RunOne } from "./thread.ts";

/** What a batch is made of. */
export interface BatchOptions {
  readonly start: RunStart;
  readonly ledger: Ledger;
  /** Goes on with the newest run of the same manifest and operation, where there is one. */
  readonly resume: boolean;
  /** Opens what the work needs, once it is known that there is some. */
  readonly open: () => Promise<BatchWork>;
  /** No further target is started after the first that did not pass. */
  readonly failFast: boolean;
  /** When it is aborted, no further target is started; what is in flight is finished. */
  readonly stop: AbortSignal;
  readonly observe: (event: BatchEvent) => void;
  readonly nowMs: () => number;
}

/** What a batch works with. */
export interface BatchWork {
  /** @param signal Ends listings when no further target is wanted. */
  readonly plan: (signal: AbortSignal) => AsyncIterable<PlanItem>;
  readonly run: RunOne;
  /** Jobs that may be in flight. */
  readonly limit: number;
}

/** What happens in a batch, for progress. */
export type BatchEvent =
  | { readonly type: "begun"; readonly run: LedgerRun; readonly isResumed: boolean }
  /** The manifest is another one than when the run was last started. */
  | { readonly type: "changed"; readonly before: string; readonly now: string }
  /** There was nothing to go on with: the newest run has all of its answers. */
  | { readonly type: "complete-already" }
  | { readonly type: "started"; readonly count: number }
  /** Targets that have their verdicts from before. */
  | { readonly type: "kept"; readonly count: number }
  | { readonly type: "verdicts"; readonly verdicts: readonly Verdict[] };

/** How a batch ended. Its verdicts are in the ledger. */
export interface BatchResult {
  readonly run: LedgerRun;
  readonly tally: Tally;
  /** Every planned target has its verdict. */
  readonly complete: boolean;
  /** Targets of former attempts that are no longer planned, and no longer reported. */
  readonly dropped: number;
}

/**
 * Runs a plan to its end, or until it is stopped: each job is in the ledger before it is given out,
 * its verdict when it is there.
 *
 * @throws {CosignError} of the ledger's codes; whatever the plan throws.
 */
export async function runBatch(options: BatchOptions): Promise<BatchResult> {
  const { ledger, start, observe } = options;
  const former = options.resume ? ledger.newestRun(start.op, start.manifest) : undefined;
  if (former !== undefined && isAnswered(former, ledger) && former.digest === start.digest) {
    observe({ type: "complete-already" });
    return { run: former, tally: ledger.tally(former), complete: true, dropped: 0 };
  }
  if (former !== undefined && former.digest !== start.digest) {
    observe({ type: "changed", before: former.digest, now: start.digest });
  }
  const work = await options.open();
  const run = former === undefined ? ledger.begin(start) : ledger.resume(former, start.digest);
  observe({ type: "begun", run, isResumed: former !== undefined });
  const complete = await workOff(work, run, options);
  if (complete) ledger.complete(run);
  const tally = ledger.tally(run);
  return { run, tally, complete, dropped: complete ? ledger.dropped(run) : 0 };
}

/**
 * The exit code of a batch: any failed → 12, else any error or an end before the last target → 20;
 * 0 only when something passed. cosign has no batches: an explicit generation 1 knows only 1, and 2
 * and 3 have no number for "no answer".
 */
export function batchExitCode(
  { tally, complete }: Pick<BatchResult, "tally" | "complete">,
  generation?: Generation,
): number {
  if (tally.failed > 0) return exitCodeFor("NO_MATCHING_SIGNATURES", generation);
  if (tally.error > 0 || !complete) return exitCodeFor("CANCELLED", generation);
  return tally.passed > 0 ? EXIT.ok : exitCodeFor("NOTHING_TO_DO", generation);
}

/** Whether a run has nothing that is worth another attempt: an `error` is no answer. */
function isAnswered(run: LedgerRun, ledger: Ledger): boolean {
  return run.complete && ledger.tally(run).error === 0;
}

/** Whether the plan was worked off to its end. */
async function workOff(work: BatchWork, run: LedgerRun, options: BatchOptions): Promise<boolean> {
  const { ledger, observe } = options;
  const failed = new AbortController();
  const stop = AbortSignal.any([options.stop, failed.signal]);
  const progress = { isExhausted: false };
  const verdictGroups = schedule(untilItsEnd(work.plan(stop), progress), {
    limit: work.limit,
    stop,
    run: work.run,
    start: (items) => startItems(items, run, options),
  });
  for await (const verdicts of verdictGroups) {
    ledger.finish(verdicts);
    observe({ type: "verdicts", verdicts });
    if (options.failFast && verdicts.some(isBad)) failed.abort();
  }
  return progress.isExhausted;
}

function isBad({ outcome }: Verdict): boolean {
  return outcome === "failed" || outcome === "error";
}

async function* untilItsEnd<T>(
  plan: AsyncIterable<T>,
  progress: { isExhausted: boolean },
): AsyncGenerator<T, void, undefined> {
  yield* plan;
  progress.isExhausted = true;
}

/** Writes items down and makes jobs of those that are not answered. */
function startItems(
  items: readonly PlanItem[],
  run: LedgerRun,
  { ledger, observe, nowMs }: BatchOptions,
): readonly Job[] {
  const claims = ledger.claim(run, items, nowMs());
  const jobs: Job[] = [];
  const answers: Verdict[] = [];
  for (const [i, item] of items.entries()) {
    const claim = claims[i];
    if (claim === undefined || claim.answered) continue;
    if (item.kind === "job") jobs.push(jobOf(item, claim, run));
    else answers.push(answerOf(item, claim));
  }
  const kept = claims.filter(({ answered }) => answered).length;
  if (kept > 0) observe({ type: "kept", count: kept });
  observe({ type: "started", count: jobs.length + answers.length });
  if (answers.length > 0) {
    ledger.finish(answers);
    observe({ type: "verdicts", verdicts: answers });
  }
  return jobs;
}

function jobOf(item: Extract<PlanItem, { kind: "job" }>, { id }: Claim, run: LedgerRun): Job {
  const { job } = item;
  if (job.op === "verify") return { ...job, id };
  // What a killed attempt has written may not be in the ledger, and may be named by another tag
  // than the one it was written for: whoever goes on looks for our own signature first.
  return { ...job, id, skipSigned: job.skipSigned || run.attempt > 1 };
}

function answerOf(item: Extract<PlanItem, { kind: "answer" }>, { id }: Claim): Verdict {
  return {
    job: id,
    op: item.op,
    target: item.target,
    subjects: [],
    elapsedMs: 0,
    requests: 0,
    warnings: [],
    outcome: item.outcome,
    reason: item.reason,
  };
}
