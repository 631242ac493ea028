import { dirname, resolve } from "node:path";
import type { Conventions } from "../artifacts/conventions.ts";
import { Broker } from "../batch/broker.ts";
import { Ledger } from "../batch/ledger.ts";
import { defaultLedgerPath } from "../batch/ledger_path.ts";
import { MAX_BATCH_MANIFEST_BYTES, readManifest } from "../batch/manifest.ts";
import {
  checkPlan,
  countTargets,
  keysOf,
  keysOfManifest,
  type PlanContext,
  type PlanItem,
  planLines,
  planManifest,
} from "../batch/plan.ts";
import { Pool } from "../batch/pool.ts";
import { reportFormat } from "../batch/report/report.ts";
import {
  type BatchEvent,
  type BatchResult,
  type BatchWork,
  batchExitCode,
  runBatch,
} from "../batch/run_batch.ts";
import { PROTOCOL, type RunSetup } from "../batch/run_setup.ts";
import { type BatchFlags, settle } from "../batch/settings.ts";
import { sha256 } from "../crypto/hash.ts";
import { Budgets, createBudgetMemory } from "../io/budget.ts";
import { readFileBytes } from "../io/files.ts";
import { stdinLines } from "../io/lines.ts";
import { checkWritable, writePieces } from "../io/pieces.ts";
import { onInterrupt, processorCount, programUrl } from "../io/program.ts";
import { openScreen } from "../io/screen.ts";
import { LocalShared } from "../io/shared.ts";
import type { RunKey } from "../keys/key_ring.ts";
import type { ErrorReport } from "../model/errors.ts";
import { openRegistry } from "../registry/client.ts";
import type { Registry, RegistryOptions } from "../registry/session.ts";
import { Progress } from "./batch_progress.ts";
import { tableLines } from "./batch_table.ts";
import type { Invocation } from "./command.ts";
import type { FlagValues } from "./flag.ts";
import type { BATCH_RUN_FLAGS } from "./flags/batch.ts";
import type { GLOBAL_FLAGS } from "./flags/global.ts";
import { namedGeneration } from "./generation.ts";
import type { SigningKeys } from "./open_keys.ts";
import { usage } from "./parse.ts";
import { printableLine } from "./printable.ts";

/** Jobs given to a worker beyond those it works on: the places of jobs that pause are lent to them. */
const LENT_PLACES = 4;
const MAX_DEFAULT_WORKERS = 8; // the registry's budget is used up long before
const MAX_WORKERS = 64;
const MAX_CONCURRENCY = 1024;
const MAX_SHOWN_WARNINGS = 20;

/** What `batch sign` and `batch verify` have in common. */
export interface BatchCall {
  readonly call: Omit<Invocation<Record<string, never>>, "flags"> & {
    readonly flags: FlagValues<typeof BATCH_RUN_FLAGS & typeof GLOBAL_FLAGS>;
  };
  readonly flags: BatchFlags;
  readonly registry: RegistryOptions;
  readonly conventions: Conventions;
  /** Opens the keys that the targets need: once, before the first worker starts. */
  readonly openKeys: (uris: readonly string[], options: OpenOptions) => Promise<BatchKeys>;
}

/** How the keys of a batch are opened. */
export interface OpenOptions {
  readonly signal: AbortSignal;
  /** Standard input is the list of targets, not a password. */
  readonly stdinIsTaken: boolean;
}

/** The keys of a batch, and what closes them. */
export interface BatchKeys {
  readonly keys: readonly RunKey[];
  readonly signHosted: SigningKeys["signHosted"];
  readonly close: () => Promise<void>;
}

/** Where the targets come from. */
interface Source {
  /** As the user wrote it; `-` for standard input. */
  readonly name: string;
  /** Absolute; empty for standard input. */
  readonly path: string;
  readonly digest: string;
  readonly total?: number;
  readonly keys: readonly string[];
  readonly plan: (context: PlanContext) => AsyncIterable<PlanItem>;
}

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
  const source = await openSource(call.args[0] ?? "-", batch.flags);
  if (flags["dry-run"]) return await dryRun(source, batch);
  const ledgerPath = placeOfLedger(source, batch);
  const ledger = Ledger.open(ledgerPath);
  try {
    return await runWithLedger(ledger, ledgerPath, source, batch);
  } finally {
    ledger.close();
  }
}

async function runWithLedger(
  ledger: Ledger,
  ledgerPath: string | undefined,
  source: Source,
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
  await using work = new BatchResources(source, batch);
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
  if (!result.complete) tellUnfinished(ending.reason(), ledgerPath, source, batch, say);
  return exitCode(result, batch, say);
}

/** What a run opens when there is something to do, and closes again. */
class BatchResources {
  readonly #source: Source;
  readonly #batch: BatchCall;
  readonly #ended: AbortController = new AbortController();
  #keys: BatchKeys | undefined;
  #pool: Pool | undefined;

  constructor(source: Source, batch: BatchCall) {
    this.#source = source;
    this.#batch = batch;
  }

  /** Opens the keys, then what the workers need; they start with the first job. */
  async open(): Promise<BatchWork> {
    const { flags, registry, conventions, call, openKeys } = this.#batch;
    const source = this.#source;
    const { keys, signHosted } = await this.#openKeys(openKeys);
    const threads = threadsFor(call.flags.workers, source.total);
    const setup: RunSetup = {
      protocol: PROTOCOL,
      registry,
      conventions,
      keys,
      jobsPerThread: call.flags.concurrency,
      threads,
      budgets: createBudgetMemory(),
    };
    const broker = new Broker(new LocalShared(), signHosted);
    const pool = new Pool({ entry: programUrl(), threads, setup, broker });
    this.#pool = pool;
    const listing = openRegistry(registry, {
      shared: broker.shared,
      budgets: new Budgets(setup.budgets, threads),
      env: call.env,
    });
    return {
      plan: (signal) => source.plan(contextOf(flags, keys, listing, signal)),
      run: (job) => pool.run(job),
      limit: threads * call.flags.concurrency * LENT_PLACES,
    };
  }

  /** Ends what is in flight. */
  abort(reason: ErrorReport): void {
    this.#ended.abort();
    this.#pool?.abort(reason);
  }

  async #openKeys(openKeys: BatchCall["openKeys"]): Promise<BatchKeys> {
    const stdinIsTaken = this.#source.path === "";
    const opened = await openKeys(this.#source.keys, {
      signal: this.#ended.signal,
      stdinIsTaken,
    });
    this.#keys = opened;
    return opened;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool?.close();
    await this.#keys?.close();
  }
}

async function openSource(name: string, flags: BatchFlags): Promise<Source> {
  if (name === "-") {
    return {
      name,
      path: "",
      digest: "",
      keys: keysForLines(flags),
      plan: (context) => planLines(stdinLines(), context),
    };
  }
  const bytes = await readFileBytes(name, MAX_BATCH_MANIFEST_BYTES);
  const { manifest, digest } = readManifest(bytes, name, (read) => checkPlan(read, flags));
  const base = dirname(name);
  const total = countTargets(manifest);
  return {
    name,
    path: resolve(name),
    digest,
    ...(total === undefined ? {} : { total }),
    keys: keysOfManifest(manifest, flags, base),
    plan: (context) => planManifest(manifest, base, context),
  };
}

function keysForLines(flags: BatchFlags): readonly string[] {
  try {
    return keysOf(settle({ target: {}, flags, defaults: {}, policies: {} }));
  } catch (error) {
    if (error instanceof SyntaxError) throw usage("A list of references needs --key");
    throw error;
  }
}

function contextOf(
  flags: BatchFlags,
  keys: readonly RunKey[],
  registry: Registry,
  signal: AbortSignal,
): PlanContext {
  const digests = new Map(keys.map(({ uri, spki }) => [uri, sha256(spki).toHex()]));
  return { flags, registry, signal, keyDigest: (uri) => digests.get(uri) ?? uri };
}

/** Prints a line a target; nothing is signed, verified or written. */
async function dryRun(source: Source, { call, flags, registry }: BatchCall): Promise<number> {
  const listing = openRegistry(registry, {
    shared: new LocalShared(),
    budgets: new Budgets(createBudgetMemory(), 1),
    env: call.env,
  });
  const counts = { targets: 0, faults: 0 };
  for await (const item of source.plan(
    contextOf(flags, [], listing, new AbortController().signal),
  )) {
    if (item.kind === "job") {
      counts.targets += 1;
      const { job } = item;
      const how =
        job.op === "sign" ? `${job.key}, ${job.formats.join(" and ")}` : job.keys.join(", ");
      call.stdout.write(`${printableLine(`${job.op} ${item.target} (${how})`)}\n`);
    } else {
      if (item.outcome === "error") counts.faults += 1;
      const { code, message } = item.reason;
      call.stderr.write(
        `${printableLine(`${item.outcome} ${item.target}: ${code}: ${message}`)}\n`,
      );
    }
  }
  call.stderr.write(`${counts.targets} targets, ${counts.faults} errors; nothing was done\n`);
  const tally = { passed: counts.targets, failed: 0, error: counts.faults, skipped: 0, open: 0 };
  return batchExitCode({ tally, complete: true }, namedGeneration(call.flags.compat));
}

function placeOfLedger({ path }: Source, { call }: BatchCall): string | undefined {
  const { ledger, resume } = call.flags;
  if (ledger !== undefined && ledger !== "") return ledger;
  if (path !== "") return defaultLedgerPath(path, call.env);
  if (resume) throw usage("--resume of a list from standard input needs --ledger");
  return undefined;
}

/** What can end a run before its last target: its time, or the user. */
function endings(
  work: BatchResources,
  deadlineMs: number | undefined,
  say: (text: string) => void,
) {
  const stop = new AbortController();
  let reason: "CANCELLED" | "DEADLINE_EXCEEDED" | undefined;
  const timer =
    deadlineMs === undefined || deadlineMs === 0
      ? undefined
      : setTimeout(() => {
          reason = "DEADLINE_EXCEEDED";
          stop.abort();
          work.abort({
            code: reason,
            message: `The time of ${deadlineMs} ms for the whole run is over`,
            hint: "Go on with --resume",
          });
        }, deadlineMs);
  const forget = onInterrupt(() => {
    reason ??= "CANCELLED";
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

function tellEvent(
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

function tellUnfinished(
  reason: "CANCELLED" | "DEADLINE_EXCEEDED" | undefined,
  ledgerPath: string | undefined,
  { name }: Source,
  { call, flags }: BatchCall,
  say: (text: string) => void,
): void {
  const why = {
    CANCELLED: "CANCELLED: the run was interrupted",
    DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED: the time of the run is over",
    first: "The run ended at the first target that did not pass",
  }[reason ?? "first"];
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

function threadsFor(workers: number | undefined, total: number | undefined): number {
  const wanted = workers ?? Math.min(processorCount(), MAX_DEFAULT_WORKERS);
  return Math.max(1, Math.min(wanted, total ?? wanted));
}

function checkNumbers({ workers, concurrency }: BatchCall["call"]["flags"]): void {
  if (workers !== undefined && (workers < 1 || workers > MAX_WORKERS)) {
    throw usage(`--workers must be 1 to ${MAX_WORKERS}, got ${workers}`);
  }
  if (concurrency < 1 || concurrency > MAX_CONCURRENCY) {
    throw usage(`--concurrency must be 1 to ${MAX_CONCURRENCY}, got ${concurrency}`);
  }
}
