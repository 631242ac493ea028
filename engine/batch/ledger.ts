import { randomUUID } from "node:crypto";
import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";
import type { Job } from "../model/job.ts";
import type { Verdict } from "../model/verdict.ts";
import { foreignLedger, ledgerFault } from "./_ledger_fault.ts";

/** Marks a file as a ledger of ours: "CoTs" in SQLite's `application_id`. */
const APPLICATION_ID = 0x436f5473;
const SCHEMA_VERSION = 1;
/** 32 MB: each checkpoint waits for the disk. */
const CHECKPOINT_PAGES = 8192;
/** Older runs of the same manifest are forgotten, so that a nightly job does not fill the disk. */
const KEPT_RUNS = 10;

const SCHEMA = `
  create table runs(
    id integer primary key, uuid text not null, op text not null, manifest text not null,
    digest text not null, started_ms integer not null, attempt integer not null,
    complete integer not null default 0) strict;
  create table jobs(
    id integer primary key, run integer not null references runs(id), key text not null,
    ordinal integer not null, attempt integer not null, position integer not null,
    target text not null, started_ms integer not null, outcome text) strict;
  create unique index jobs_by_key on jobs(run, key, ordinal);
  create table verdicts(id integer primary key references jobs(id), json text not null) strict;
  pragma application_id = ${APPLICATION_ID};
  pragma user_version = ${SCHEMA_VERSION};`;

/** What a run is the run of. */
export interface RunStart {
  readonly op: Job["op"];
  /** Absolute path of the manifest; empty for a list from standard input. */
  readonly manifest: string;
  /** `sha256:…` of the manifest's bytes. */
  readonly digest: string;
  readonly nowMs: number;
}

/** A run as the ledger knows it. */
export interface LedgerRun {
  readonly id: number;
  readonly uuid: string;
  readonly startedAtMs: number;
  /** 1 for the first; each `--resume` is one more. */
  readonly attempt: number;
  /** What the manifest was when the run was last started. */
  readonly digest: string;
  /** Every planned target has a verdict. */
  readonly complete: boolean;
}

/** A planned job on its way to the ledger. */
export interface Planned {
  /** Equal for jobs that ask for the same (`jobKey`). */
  readonly key: string;
  readonly target: string;
}

/** What the ledger says of a planned job. */
export interface Claim {
  /** The job's id: its key and which of the equal jobs it is. */
  readonly id: string;
  /** Answered, and no `error`: there is nothing to do. */
  readonly answered: boolean;
}

/** How many verdicts there are of each outcome, and how many jobs have none. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly error: number;
  readonly skipped: number;
  /** Started, but not answered. */
  readonly open: number;
}

/**
 * Runs, started jobs and verdicts in one SQLite file, held by one process at a time: the lock is
 * the operating system's and dies with the process. A job is written down before it is given out,
 * its verdict when it is there, so that a process that is killed at any point loses nothing.
 */
export class Ledger {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #statements: Map<string, StatementSync> = new Map();
  /** Rows of the jobs that were claimed and have no verdict yet, by the ids of the jobs. */
  readonly #open: Map<string, number> = new Map();
  #position = 0;

  private constructor(path: string, database: DatabaseSync) {
    this.#path = path;
    this.#database = database;
  }

  /**
   * Opens or creates a ledger.
   *
   * @param path The file; when absent, a ledger that lives as long as this object (SQLite keeps it
   * in memory and spills it to a temporary file when it grows).
   * @throws {CosignError} `LEDGER_FOREIGN`, `LEDGER_LOCKED`, `LEDGER_CORRUPT`, `LEDGER_FULL` or
   * `LEDGER_UNREADABLE`.
   */
  static open(path?: string): Ledger {
    return guarded(path ?? "", () => {
      const database = new DatabaseSync(path ?? "", { timeout: 0 });
      try {
        prepare(path ?? "", database);
      } catch (error) {
        database.close();
        throw error;
      }
      return new Ledger(path ?? "", database);
    });
  }

  /** The newest run of a manifest and operation; absent when there is none. */
  newestRun(op: Job["op"], manifest: string): LedgerRun | undefined {
    return this.#guarded(() => {
      const row = this.#sql(
        "select id, uuid, started_ms, attempt, digest, complete from runs where op = ? and manifest = ? order by id desc limit 1",
      ).get(op, manifest);
      return row === undefined ? undefined : runOf(row);
    });
  }

  /** Begins a new run, and forgets all but the newest runs of the same manifest. */
  begin(start: RunStart): LedgerRun {
    return this.#durably(() => {
      this.#position = 0;
      const uuid = randomUUID();
      const { lastInsertRowid } = this.#sql(
        "insert into runs(uuid, op, manifest, digest, started_ms, attempt) values(?, ?, ?, ?, ?, 1)",
      ).run(uuid, start.op, start.manifest, start.digest, start.nowMs);
      this.#forgetOldRuns(start);
      return {
        id: Number(lastInsertRowid),
        uuid,
        startedAtMs: start.nowMs,
        attempt: 1,
        digest: start.digest,
        complete: false,
      };
    });
  }

  /** Takes a run up again: what is claimed from now on belongs to its next attempt. */
  resume(run: LedgerRun, digest: string): LedgerRun {
    return this.#durably(() => {
      this.#position = 0;
      this.#sql("update runs set attempt = attempt + 1, digest = ?, complete = 0 where id = ?").run(
        digest,
        run.id,
      );
      return { ...run, attempt: run.attempt + 1, digest, complete: false };
    });
  }

  /**
   * Writes planned jobs down as started, in one transaction. Of equal jobs the first planned gets
   * the first row of former attempts, the second the second, and so on.
   */
  claim(run: LedgerRun, planned: readonly Planned[], nowMs: number): readonly Claim[] {
    return this.#transaction(() => {
      const first = this.#position;
      this.#position += planned.length;
      const isNew = run.attempt === 1 ? this.#insertAll(run, planned, first, nowMs) : undefined;
      return planned.map((one, i) => {
        const row = isNew?.get(first + i);
        return row === undefined
          ? this.#claimOne(run, one, first + i, nowMs)
          : this.#opened(`${one.key}.0`, row);
      });
    });
  }

  /**
   * Writes the verdicts of claimed jobs down, in one transaction.
   *
   * @throws {RangeError} for a job that was not claimed, or has its verdict.
   */
  finish(verdicts: readonly Verdict[]): void {
    const rows = verdicts.map((verdict) => [this.#rowOf(verdict), JSON.stringify(verdict)]);
    const outcomes = rows.map(([id], i) => [id, verdicts[i]?.outcome]);
    // One call for all: each costs more than what it does.
    this.#transaction(() => {
      this.#sql(
        `insert or replace into verdicts(id, json)
         select value ->> 0, value ->> 1 from json_each(?1)`,
      ).run(JSON.stringify(rows));
      this.#sql(
        `update jobs set outcome = given.outcome
         from (select value ->> 0 as id, value ->> 1 as outcome from json_each(?1)) as given
         where jobs.id = given.id`,
      ).run(JSON.stringify(outcomes));
    });
    for (const { job } of verdicts) this.#open.delete(job);
  }

  /** Says that every planned target of a run has its verdict. */
  complete(run: LedgerRun): void {
    this.#transaction(() => this.#sql("update runs set complete = 1 where id = ?").run(run.id));
  }

  /** The counts of the jobs of the run's latest attempt. */
  tally(run: LedgerRun): Tally {
    return this.#guarded(() => {
      const counts = { passed: 0, failed: 0, error: 0, skipped: 0, open: 0 };
      const rows = this.#sql(
        "select coalesce(outcome, 'open') as outcome, count(*) as n from jobs where run = ? and attempt = ? group by 1",
      ).all(run.id, run.attempt);
      for (const row of rows) {
        const outcome = text(row, "outcome");
        if (isOutcome(outcome)) counts[outcome] = integer(row, "n");
      }
      return counts;
    });
  }

  /** The verdicts of the run's latest attempt in the order of its plan, one at a time. */
  verdicts(run: LedgerRun): Generator<Verdict, void, undefined> {
    return this.#verdicts(run, "outcome is not null");
  }

  /** {@link verdicts} without those that passed. */
  notPassed(run: LedgerRun): Generator<Verdict, void, undefined> {
    return this.#verdicts(run, "outcome <> 'passed'");
  }

  /** How many jobs of a former attempt are no longer in the plan. */
  dropped(run: LedgerRun): number {
    return this.#guarded(() => {
      const row = this.#sql("select count(*) as n from jobs where run = ? and attempt < ?").get(
        run.id,
        run.attempt,
      );
      return integer(row ?? {}, "n");
    });
  }

  /** Closes the file and gives its lock up. */
  close(): void {
    this.#guarded(() => this.#database.close());
  }

  *#verdicts(run: LedgerRun, condition: string): Generator<Verdict, void, undefined> {
    // Only numbers are sorted. A statement of its own: nobody else may use it while it is iterated.
    const ids = this.#guarded(() =>
      this.#database
        .prepare(
          `select id from jobs where run = ? and attempt = ? and ${condition} order by position`,
        )
        .iterate(run.id, run.attempt),
    );
    const verdict = this.#sql("select json from verdicts where id = ?");
    for (;;) {
      const next = this.#guarded(() => ids.next());
      if (next.done === true) return;
      const id = integer(next.value, "id");
      yield parseVerdict(text(this.#guarded(() => verdict.get(id)) ?? {}, "json"));
    }
  }

  /** Rows by the positions of those that none stood for yet, and now does. */
  #insertAll(
    run: LedgerRun,
    planned: readonly Planned[],
    first: number,
    nowMs: number,
  ): ReadonlyMap<number, number> {
    const rows = planned.map(({ key, target }, i) => [key, first + i, target]);
    const inserted = this.#sql(
      `insert into jobs(run, key, ordinal, attempt, position, target, started_ms)
       select ?2, value ->> 0, 0, 1, value ->> 1, value ->> 2, ?3 from json_each(?1) where true
       on conflict do nothing returning position, id`,
    ).all(JSON.stringify(rows), run.id, nowMs);
    return new Map(inserted.map((row) => [integer(row, "position"), integer(row, "id")]));
  }

  #claimOne(run: LedgerRun, planned: Planned, position: number, nowMs: number): Claim {
    if (run.attempt > 1) {
      const row = this.#sql(
        `update jobs set attempt = ?1, position = ?2, started_ms = case when outcome is null or outcome = 'error' then ?3 else started_ms end
         where run = ?4 and key = ?5 and ordinal =
           (select min(ordinal) from jobs where run = ?4 and key = ?5 and attempt < ?1)
         returning id, ordinal, outcome`,
      ).get(run.attempt, position, nowMs, run.id, planned.key);
      if (row !== undefined) {
        const id = `${planned.key}.${integer(row, "ordinal")}`;
        const outcome = row["outcome"];
        if (outcome !== null && outcome !== "error") return { id, answered: true };
        return this.#opened(id, integer(row, "id"));
      }
    }
    let ordinal = 0; // nearly always free, and far quicker than asking first
    for (;;) {
      const id = this.#insert(run, planned, ordinal, position, nowMs);
      if (id !== undefined) return this.#opened(`${planned.key}.${ordinal}`, id);
      const row = this.#sql(
        "select max(ordinal) + 1 as next from jobs where run = ? and key = ?",
      ).get(run.id, planned.key);
      ordinal = integer(row ?? {}, "next");
    }
  }

  #opened(id: string, row: number): Claim {
    this.#open.set(id, row);
    return { id, answered: false };
  }

  #rowOf({ job }: Verdict): number {
    const row = this.#open.get(job);
    if (row === undefined) throw new RangeError(`Cannot record a verdict: "${job}" is not started`);
    return row;
  }

  #insert(
    run: LedgerRun,
    { key, target }: Planned,
    ordinal: number,
    position: number,
    nowMs: number,
  ): number | undefined {
    const { changes, lastInsertRowid } = this.#sql(
      `insert into jobs(run, key, ordinal, attempt, position, target, started_ms)
       values(?, ?, ?, ?, ?, ?, ?) on conflict do nothing`,
    ).run(run.id, key, ordinal, run.attempt, position, target, nowMs);
    return Number(changes) === 1 ? Number(lastInsertRowid) : undefined;
  }

  #forgetOldRuns(start: RunStart): void {
    const old =
      "select id from runs where op = ?1 and manifest = ?2 order by id desc limit -1 offset ?3";
    const gone = `select id from jobs where run in (${old})`;
    this.#sql(`delete from verdicts where id in (${gone})`).run(
      start.op,
      start.manifest,
      KEPT_RUNS,
    );
    this.#sql(`delete from jobs where run in (${old})`).run(start.op, start.manifest, KEPT_RUNS);
    this.#sql(`delete from runs where id in (${old})`).run(start.op, start.manifest, KEPT_RUNS);
  }

  #sql(source: string): StatementSync {
    let statement = this.#statements.get(source);
    if (statement === undefined) {
      statement = this.#database.prepare(source);
      this.#statements.set(source, statement);
    }
    return statement;
  }

  #transaction<T>(work: () => T): T {
    return this.#guarded(() => {
      this.#sql("begin").run();
      try {
        const result = work();
        this.#sql("commit").run();
        return result;
      } catch (error) {
        // A full disk may have rolled back already; then there is nothing to roll back.
        if (this.#database.isTransaction) this.#sql("rollback").run();
        throw error;
      }
    });
  }

  /**
   * A transaction that survives a loss of power. The others survive the death of the process: what
   * the power takes of them is done again, and a resumed `sign` looks before it signs.
   */
  #durably<T>(work: () => T): T {
    this.#guarded(() => this.#database.exec("pragma synchronous = full"));
    const result = this.#transaction(work);
    this.#guarded(() => this.#database.exec("pragma synchronous = normal"));
    return result;
  }

  #guarded<T>(work: () => T): T {
    return guarded(this.#path, work);
  }
}

function prepare(path: string, database: DatabaseSync): void {
  // One process at a time, from the first read on, without files beside it that could stay behind.
  database.prepare("pragma locking_mode = exclusive").get();
  const id = integer(database.prepare("pragma application_id").get() ?? {}, "application_id");
  const tables = integer(
    database.prepare("select count(*) as n from sqlite_schema").get() ?? {},
    "n",
  );
  const version = integer(database.prepare("pragma user_version").get() ?? {}, "user_version");
  if (id !== APPLICATION_ID && (id !== 0 || tables !== 0 || version !== 0)) {
    throw foreignLedger(path, "it is a database of another program");
  }
  if (id === APPLICATION_ID && version !== SCHEMA_VERSION) {
    throw foreignLedger(path, `its version is ${version}, expected ${SCHEMA_VERSION}`);
  }
  if (path !== "") database.prepare("pragma journal_mode = wal").get();
  database.exec("pragma synchronous = full");
  database.exec(`pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  database.exec("begin immediate"); // takes the lock now, not at the first verdict
  if (id !== APPLICATION_ID) database.exec(SCHEMA);
  database.exec("commit");
}

function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw ledgerFault(path, error);
  }
}

type Row = Readonly<Record<string, SQLOutputValue>>;

function runOf(row: Row): LedgerRun {
  return {
    id: integer(row, "id"),
    uuid: text(row, "uuid"),
    startedAtMs: integer(row, "started_ms"),
    attempt: integer(row, "attempt"),
    digest: text(row, "digest"),
    complete: integer(row, "complete") === 1,
  };
}

function isOutcome(name: string): name is keyof Tally {
  return ["passed", "failed", "error", "skipped", "open"].includes(name);
}

function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw new SyntaxError(`Cannot read ledger: ${column} is no text`);
  return value;
}

function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== "number")
    throw new SyntaxError(`Cannot read ledger: ${column} is no number`);
  return value;
}

function parseVerdict(json: string): Verdict {
  return JSON.parse(json) as Verdict; // written by finish()
}
