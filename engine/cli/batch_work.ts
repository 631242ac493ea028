import { Broker } from "../batch/broker.ts";
import { guardLeases } from "../batch/lease_guard.ts";
import { Pool, SpareThread } from "../batch/pool.ts";
import type { BatchWork } from "../batch/run_batch.ts";
import { PROTOCOL, type RunSetup } from "../batch/run_setup.ts";
import { Budgets, createBudgetMemory } from "../io/budget.ts";
import { processorCount, programUrl } from "../io/program.ts";
import { LocalShared } from "../io/shared.ts";
import type { ErrorReport } from "../model/errors.ts";
import type { BatchCall, BatchKeys } from "./batch_call.ts";
import { contextOf, pluginsOf, type Source } from "./batch_source.ts";
import { openListing } from "./open_listing.ts";

/** Jobs given to a worker beyond those it works on: the places of jobs that pause are lent to them. */
const LENT_PLACES = 4;
const MAX_DEFAULT_WORKERS = 8; // the registry's budget is used up long before

/** What a run opens when there is something to do. Whoever made it disposes of it. */
export class BatchResources {
  /** Is told when no further certificate is to be had. */
  onRefused: (why: ErrorReport) => void = () => {};
  readonly #source: Source;
  readonly #batch: BatchCall;
  readonly #ended: AbortController = new AbortController();
  readonly #spare: SpareThread;
  #keys: BatchKeys | undefined;
  #pool: Pool | undefined;

  /** @param spare From {@link startSpareThread}; disposed of with this. */
  constructor(source: Source, batch: BatchCall, spare: SpareThread) {
    this.#source = source;
    this.#batch = batch;
    this.#spare = spare;
  }

  /** Opens the keys, then what the workers need; one starts at once, others as jobs come. */
  async open(): Promise<BatchWork> {
    const { flags, registry, conventions, call, openKeys, openTrust } = this.#batch;
    const source = this.#source;
    const trust = await openTrust(source, { signal: this.#ended.signal });
    const { setup: ofKeys, keyHost, identity } = await this.#openKeys(openKeys);
    const signers = { keys: ofKeys.keys, ...(identity === undefined ? {} : { identity }) };
    const threads = threadsFor(call.flags.workers, source.total);
    const setup: RunSetup = {
      protocol: PROTOCOL,
      registry,
      conventions,
      ...ofKeys,
      ...trust,
      jobsPerThread: call.flags.concurrency,
      threads,
      budgets: createBudgetMemory(),
    };
    const host = guardLeases(keyHost, (why) => this.onRefused(why));
    const broker = new Broker(new LocalShared(), host);
    const pool = new Pool({
      entry: programUrl(),
      threads,
      setup,
      broker,
      spare: this.#spare,
    });
    this.#pool = pool;
    pool.start();
    const listing = openListing(registry, call, {
      shared: broker.shared,
      budgets: new Budgets(setup.budgets, threads),
    });
    return {
      plan: (signal) => source.plan(contextOf(flags, { ...signers, ...trust }, listing, signal)),
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
    const opened = await openKeys(this.#source, {
      signal: this.#ended.signal,
      stdinIsTaken,
      plugins: pluginsOf(this.#source, this.#batch),
    });
    this.#keys = opened;
    return opened;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool?.close();
    await this.#keys?.close();
  }
}

/** Starts the first worker ahead of everything else. Whoever starts it ends it. */
export function startSpareThread(): SpareThread {
  return new SpareThread(programUrl());
}

function threadsFor(workers: number | undefined, total: number | undefined): number {
  // One processor is left to this thread: it plans, and writes down what comes back.
  const wanted = workers ?? Math.min(processorCount() - 1, MAX_DEFAULT_WORKERS);
  return Math.max(1, Math.min(wanted, total ?? wanted));
}
