import { Ledger } from "../batch/ledger.ts";
import { defaultLedgerPath } from "../batch/ledger_path.ts";
import type { SpareThread } from "../batch/pool.ts";
import { reportFormat } from "../batch/report/report.ts";
import { type BatchResult, batchExitCode, runBatch } from "../batch/run_batch.ts";
import { checkWritable, writePieces } from "../io/pieces.ts";
import { openScreen } from "../io/screen.ts";
import type { BatchCall } from "./batch_call.ts";
import { endings, tellEvent, tellUnfinished } from "./batch_ending.ts";
import { Progress } from "./batch_progress.ts";
import { dryRun, openSource, pluginsOf, type Source } from "./batch_source.ts";
import { tableLines } from "./batch_table.ts";
import { BatchResources, startSpareThread } from "./batch_work.ts";
import { namedGeneration } from "./generation.ts";
import { usage } from "./parse.ts";
import { printableLine } from "./printable.ts";

const MAX_WORKERS = 64;
const MAX_CONCURRENCY = 1024;
const MAX_SHOWN_WARNINGS = 20;

/**
 * Runs a batch from its command line to its exit code.
 *
 * @throws {CosignError} for everything that ends it before its first target, and for its ledger.
 */
export async function runBatchCommand(batch: BatchCall): Promise<number> {
  const { call } = batch;
  const { flags } = call;
  checkNumbers(call.flags);
  for (const report of flags.report) {
    reportFormat(report);
    if (report !== "-") checkWritable(report);
  }
  const spare = startSpareThread();
  try {
    const source = await openSource(call.args[0] ?? "-", batch.flags);
    for (const text of source.warnings) call.stderr.write(`WARNING: ${printableLine(text)}\n`);
    await checkPlugins(source, batch);
    if (flags["dry-run"]) return await dryRun(source, batch);
    const path = placeOfLedger(source, batch);
    const ledger = Ledger.open(path);
    try {
      return await runWithLedger({ ledger, path, source, spare }, batch);
    } finally {
      ledger.close();
    }
  } finally {
    await spare.worker.terminate();
  }
}

/** What a run stands on. */
interface Opened {
  readonly ledger: Ledger;
  /** Absent for a ledger that is no file. */
  readonly path: string | undefined;
  readonly source: Source;
  readonly spare: SpareThread;
}

/**
 * Looks at what the manifest wants of plugins, before anything is started.
 *
 * @throws {CosignError} `PLUGIN_MANIFEST_INVALID`, `PLUGIN_UNAVAILABLE`, `PLUGIN_UNKNOWN`.
 */
async function checkPlugins(source: Source, batch: BatchCall): Promise<void> {
  if (source.kinds.length === 0 && source.plugins.length === 0) return;
  const plugins = await pluginsOf(source, batch)();
  for (const kind of source.kinds) await plugins.artifactHandler(kind);
}

async function runWithLedger(
  { ledger, path: ledgerPath, source, spare }: Opened,
  batch: BatchCall,
): Promise<number> {
  const { call } = batch;
  const { flags, stderr } = call;
  const startedMs = Date.now();
  const seen = { requests: 0, warnings: new Set<string>() };
  const progress = new Progress({
    op: batch.flags.op,
    screen: openScreen(call.env),
    stderr,
    nowMs: Date.now,
    ...(source.total === undefined ? {} : { total: source.total }),
  });
  const say = (text: string) => {
    progress.clear();
    stderr.write(`${text}\n`);
  };
  await using work = new BatchResources(source, batch, spare);
  const ending = endings(work, flags.deadline, say);
  let result: BatchResult;
  try {
    result = await runBatch({
      start: {
        op: batch.flags.op,
        manifest: source.path,
        digest: source.digest,
        nowMs: startedMs,
      },
      ledger,
      resume: flags.resume,
      failFast: flags["fail-fast"],
      stop: ending.stop,
      nowMs: Date.now,
      open: () => work.open(),
      observe: (event) => {
        tellEvent(event, source, batch.flags.op, say);
        progress.observe(event);
        if (event.type !== "verdicts") return;
        for (const { requests, warnings } of event.verdicts) {
          seen.requests += requests;
          for (const text of warnings) {
            if (seen.warnings.size < MAX_SHOWN_WARNINGS) seen.warnings.add(text);
          }
        }
      },
    });
  } finally {
    ending.clear();
    progress.clear();
  }
  for (const text of seen.warnings) say(`WARNING: ${printableLine(text)}`);
  writeReports(result, ledger, source, batch, startedMs);
  const table = tableLines({
    result,
    verdicts: ledger.notPassed(result.run),
    op: batch.flags.op,
    elapsedMs: Date.now() - startedMs,
    requests: seen.requests,
    hasColor: openScreen(call.env).hasColor,
  });
  for (const line of table) say(line);
  if (result.dropped > 0) {
    say(
      `${result.dropped} targets of before are no longer in the manifest, and no longer reported`,
    );
  }
  const why = ending.reason();
  if (!result.complete || (why !== undefined && result.tally.error > 0)) {
    tellUnfinished(why, ledgerPath, source, batch, say);
  }
  return exitCode(result, batch, say);
}

function placeOfLedger({ path }: Source, { call }: BatchCall): string | undefined {
  const { ledger, resume } = call.flags;
  if (ledger !== undefined && ledger !== "") return ledger;
  if (path !== "") return defaultLedgerPath(path, call.env);
  if (resume) throw usage("--resume of a list from standard input needs --ledger");
  return undefined;
}

function exitCode(result: BatchResult, { call }: BatchCall, say: (text: string) => void): number {
  const { passed, failed, error, skipped } = result.tally;
  if (result.complete && passed + failed + error === 0) {
    say(`NOTHING_TO_DO: ${skipped === 0 ? "there was no target" : "every target was skipped"}`);
  }
  return batchExitCode(result, namedGeneration(call.flags.compat));
}

/** Writes every report, whole, from the ledger: also of what former attempts have answered. */
function writeReports(
  result: BatchResult,
  ledger: Ledger,
  source: Source,
  { call, flags }: BatchCall,
  startedMs: number,
): void {
  const run = {
    id: result.run.uuid,
    op: flags.op,
    startedAtMs: Math.min(result.run.startedAtMs, startedMs),
    finishedAtMs: Date.now(),
    tally: result.tally,
    complete: result.complete,
    ...(source.path === "" ? {} : { manifest: source.name }),
  };
  for (const path of call.flags.report) {
    const pieces = reportFormat(path)(run, ledger.verdicts(result.run));
    if (path !== "-") writePieces(path, pieces);
    else for (const piece of pieces) call.stdout.write(piece);
  }
}

function checkNumbers({ workers, concurrency }: BatchCall["call"]["flags"]): void {
  if (workers !== undefined && (workers < 1 || workers > MAX_WORKERS)) {
    throw usage(`--workers must be 1 to ${MAX_WORKERS}, got ${workers}`);
  }
  if (concurrency < 1 || concurrency > MAX_CONCURRENCY) {
    throw usage(`--concurrency must be 1 to ${MAX_CONCURRENCY}, got ${concurrency}`);
  }
}
