import { Worker } from "node:worker_threads";
import { CosignError, describeError, type ErrorReport } from "../model/errors.ts";
import type { Job } from "../model/job.ts";
import type { Verdict } from "../model/verdict.ts";
import type { Broker, Connection } from "./broker.ts";
import { type FromWorker, Outbox, type ToWorker } from "./messages.ts";
import { targetName } from "./plan.ts";
import { PROTOCOL } from "./run_setup.ts";

/** Threads that may die before they are ready, one after another, until the run is given up. */
const MAX_FAILED_STARTS = 3;
/** What an aborted job may still take to say so; then its thread is ended. */
const ABORT_GRACE_MS = 10_000;

/** What a {@link Pool} is made of. */
export interface PoolOptions {
  /** The file that workers run: the program itself, which sees that it is no main thread. */
  readonly entry: URL;
  readonly threads: number;
  /** What every worker is given: `RunSetup`. */
  readonly setup: unknown;
  /** A thread that runs already: the first of the pool, which ends it. */
  readonly spare?: SpareThread;
  readonly broker: Broker;
}

/** What a thread tells its owner. */
interface ThreadOwner {
  readonly message: (message: FromWorker) => void;
  /** It has ended. @param error Why, where that is known. */
  readonly end: (error?: unknown) => void;
}

/**
 * A thread that has no owner yet: what it says is kept for the one that comes. It is started while
 * the manifest is read, because both take as long.
 */
export class SpareThread {
  readonly worker: Worker;
  readonly #kept: ((owner: ThreadOwner) => void)[] = [];
  #owner: ThreadOwner | undefined;

  /** @param entry The file that workers run: the program itself. */
  constructor(entry: URL) {
    this.worker = new Worker(entry);
    this.worker.on("message", (messages: readonly FromWorker[]) => {
      for (const message of messages) this.#tell((owner) => owner.message(message));
    });
    // Not every runtime lets `exit` follow at once.
    this.worker.on("error", (error) => this.#tell((owner) => owner.end(error)));
    this.worker.on("exit", () => this.#tell((owner) => owner.end()));
  }

  /** Takes the thread over, with what it has said so far. */
  adopt(owner: ThreadOwner): void {
    this.#owner = owner;
    queueMicrotask(() => {
      for (const tell of this.#kept.splice(0)) tell(owner);
    });
  }

  #tell(say: (owner: ThreadOwner) => void): void {
    if (this.#owner === undefined || this.#kept.length > 0) this.#kept.push(say);
    else say(this.#owner);
  }
}

interface OpenJob {
  readonly job: Job;
  readonly sinceMs: number;
  readonly resolve: (verdict: Verdict) => void;
  readonly reject: (error: unknown) => void;
}

interface Member {
  readonly worker: Worker;
  readonly outbox: Outbox<ToWorker>;
  readonly connection: Connection;
  readonly open: Map<string, OpenJob>;
  isReady: boolean;
  lastError?: unknown;
}

/**
 * Worker threads that each take whole jobs, several at once. Threads are started as jobs come, and
 * replaced when they die: their open jobs become errors `WORKER_LOST`. Whoever made it closes it.
 */
export class Pool {
  readonly #options: PoolOptions;
  readonly #members: Set<Member> = new Set();
  #spare: SpareThread | undefined;
  #failedStarts = 0;
  #isClosed = false;
  #aborted: ErrorReport | undefined;
  #grace: ReturnType<typeof setTimeout> | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#spare = options.spare;
  }

  /** Starts the first thread ahead of the first job. */
  start(): void {
    if (this.#members.size === 0) this.#start();
  }

  /** Runs a job in the thread that has the fewest. Rejects only when no thread can be started. */
  run(job: Job): Promise<Verdict> {
    return new Promise((resolve, reject) => {
      this.#give({ job, sinceMs: performance.now(), resolve, reject });
    });
  }

  /** Ends what is in flight: its verdicts will say why. */
  abort(reason: ErrorReport): void {
    this.#aborted = reason;
    for (const member of this.#members) {
      if (member.isReady) member.outbox.send({ type: "abort", reason });
    }
    this.#grace ??= setTimeout(() => this.#endHanging(), ABORT_GRACE_MS);
  }

  /** Ends all threads. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#grace);
    const workers = [...this.#members].map(({ worker }) => worker);
    if (this.#spare !== undefined) workers.push(this.#spare.worker);
    await Promise.all(workers.map((worker) => worker.terminate()));
    for (const member of this.#members) member.connection.close();
    this.#members.clear();
  }

  #give(open: OpenJob): void {
    const member = this.#leastBusy();
    member.open.set(open.job.id, open);
    // What is sent before a thread is ready may be lost; its jobs are sent then.
    if (member.isReady) member.outbox.send({ type: "run", job: open.job });
  }

  #leastBusy(): Member {
    let best: Member | undefined;
    for (const member of this.#members) {
      if (best === undefined || member.open.size < best.open.size) best = member;
    }
    const isBusy = best === undefined || best.open.size > 0;
    return isBusy && this.#members.size < this.#options.threads
      ? this.#start()
      : (best ?? this.#start());
  }

  #start(): Member {
    const spare = this.#spare ?? new SpareThread(this.#options.entry);
    this.#spare = undefined;
    const { worker } = spare;
    const outbox = new Outbox<ToWorker>(worker);
    const member: Member = {
      worker,
      outbox,
      connection: this.#options.broker.connect((message) => outbox.send(message)),
      open: new Map(),
      isReady: false,
    };
    this.#members.add(member);
    spare.adopt({
      message: (message) => this.#receive(member, message),
      end: (error) => {
        if (error !== undefined) member.lastError = error;
        this.#lost(member);
      },
    });
    return member;
  }

  #receive(member: Member, message: FromWorker): void {
    if (!this.#members.has(member)) return; // late words of a thread that was given up
    if (message.type === "hello") {
      member.outbox.send({ type: "setup", setup: this.#options.setup });
    } else if (message.type === "ready") {
      if (message.protocol !== PROTOCOL) {
        member.lastError = new TypeError("it speaks another protocol");
        this.#lost(member);
        return;
      }
      member.isReady = true;
      this.#failedStarts = 0;
      if (this.#aborted !== undefined) {
        member.outbox.send({ type: "abort", reason: this.#aborted });
      }
      for (const { job } of member.open.values()) member.outbox.send({ type: "run", job });
    } else if (message.type === "done") {
      const open = member.open.get(message.verdict.job);
      member.open.delete(message.verdict.job);
      open?.resolve(message.verdict);
    } else member.connection.receive(message);
  }

  #lost(member: Member): void {
    if (this.#isClosed || !this.#members.delete(member)) return;
    member.connection.close();
    member.worker.terminate();
    const detail =
      member.lastError === undefined ? "it ended by itself" : describeError(member.lastError);
    if (member.isReady) {
      for (const open of member.open.values()) open.resolve(lostVerdict(open, detail));
      return; // the next job starts another thread
    }
    // It never saw its jobs: they are given to another.
    this.#failedStarts += 1;
    for (const open of member.open.values()) {
      if (this.#failedStarts < MAX_FAILED_STARTS) this.#give(open);
      else {
        open.reject(new CosignError("WORKER_LOST", `Cannot start worker threads: ${detail}`));
      }
    }
  }

  #endHanging(): void {
    for (const member of [...this.#members]) {
      if (member.open.size === 0) continue;
      member.isReady = true; // its jobs are not given to another
      member.lastError = new Error("it did not stop when the run ended");
      this.#lost(member);
    }
  }
}

function lostVerdict({ job, sinceMs }: OpenJob, detail: string): Verdict {
  return {
    job: job.id,
    op: job.op,
    target: targetName(job.target),
    subjects: [],
    elapsedMs: Math.round(performance.now() - sinceMs),
    requests: 0,
    warnings: [],
    outcome: "error",
    reason: {
      code: "WORKER_LOST",
      message: `Cannot ${job.op} "${targetName(job.target)}": its worker thread was lost: ${detail}`,
      hint:
        job.op === "sign"
          ? "Whether it was signed is not known; --resume looks before it signs again"
          : "Run again with --resume",
    },
  };
}
