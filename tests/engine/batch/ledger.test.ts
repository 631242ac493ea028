import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Ledger, type LedgerRun } from "../../../engine/batch/ledger.ts";
import { CosignError, type ErrorCode } from "../../../engine/model/errors.ts";
import type { Verdict } from "../../../engine/model/verdict.ts";
import { verdictOn } from "../../support/batch_verdict.ts";
import { requires } from "../../support/requires.ts";

const WRITER = join(import.meta.dir, "../../support/ledger_writer.ts");
const START = { op: "verify", manifest: "/srv/m.yaml", digest: "sha256:1", nowMs: 1000 } as const;

let dir = "";
let path = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "ledger-"));
  path = join(dir, "a.sqlite");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function codeOf(work: () => unknown): ErrorCode | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof CosignError) return error.code;
    throw error;
  }
  return undefined;
}

function idsOf(ledger: Ledger, run: LedgerRun, ...keys: readonly string[]): string[] {
  const planned = keys.map((key) => ({ key, target: key }));
  return ledger.claim(run, planned, 1).map(({ id }) => id);
}

function jobs(verdicts: Iterable<Verdict>): string[] {
  return [...verdicts].map(({ job }) => job);
}

describe("Ledger", () => {
  test("claim() tells equal jobs apart and finish() records each verdict", () => {
    const ledger = Ledger.open(path);
    const run = ledger.begin(START);
    expect(idsOf(ledger, run, "a", "b", "a")).toEqual(["a.0", "b.0", "a.1"]);
    expect(ledger.tally(run)).toEqual({ passed: 0, failed: 0, error: 0, skipped: 0, open: 3 });
    ledger.finish([verdictOn("a.1", "failed"), verdictOn("a.0")]);
    expect(ledger.tally(run)).toEqual({ passed: 1, failed: 1, error: 0, skipped: 0, open: 1 });
    expect(jobs(ledger.verdicts(run))).toEqual(["a.0", "a.1"]); // in the order of the plan
    ledger.close();
  });

  test("finish() refuses verdicts on jobs that were never started", () => {
    const ledger = Ledger.open(path);
    ledger.begin(START);
    expect(() => ledger.finish([verdictOn("a.0")])).toThrow(RangeError);
    ledger.close();
  });

  test("resume() keeps answers and gives out again what has none, or an error", () => {
    const first = Ledger.open(path);
    const run = first.begin(START);
    idsOf(first, run, "a", "b", "c", "a", "d");
    first.finish([verdictOn("a.0"), verdictOn("b.0", "failed"), verdictOn("c.0", "error")]);
    first.close();

    const again = Ledger.open(path);
    const newest = again.newestRun("verify", START.manifest);
    expect(newest).toMatchObject({ uuid: run.uuid, attempt: 1, complete: false });
    if (newest === undefined) throw new Error("no run");
    const resumed = again.resume(newest, "sha256:1");
    expect(resumed.attempt).toBe(2);
    const planned = ["a", "b", "c", "a", "d", "e"].map((key) => ({ key, target: key }));
    expect(again.claim(resumed, planned, 5)).toEqual([
      { id: "a.0", answered: true },
      { id: "b.0", answered: true },
      { id: "c.0", answered: false },
      { id: "a.1", answered: false },
      { id: "d.0", answered: false },
      { id: "e.0", answered: false },
    ]);
    again.finish([verdictOn("c.0"), verdictOn("a.1"), verdictOn("d.0"), verdictOn("e.0")]);
    expect(again.tally(resumed)).toEqual({ passed: 5, failed: 1, error: 0, skipped: 0, open: 0 });
    expect(jobs(again.verdicts(resumed))).toEqual(["a.0", "b.0", "c.0", "a.1", "d.0", "e.0"]);
    again.close();
  });

  test("verdicts() leaves out what a changed plan no longer has", () => {
    const ledger = Ledger.open(path);
    const run = ledger.begin(START);
    idsOf(ledger, run, "a", "b", "b");
    ledger.finish([verdictOn("a.0"), verdictOn("b.0"), verdictOn("b.1")]);
    const resumed = ledger.resume(run, "sha256:2");
    expect(idsOf(ledger, resumed, "b")).toEqual(["b.0"]);
    expect(jobs(ledger.verdicts(resumed))).toEqual(["b.0"]);
    expect(ledger.dropped(resumed)).toBe(2);
    expect(ledger.newestRun("verify", START.manifest)?.digest).toBe("sha256:2");
    ledger.close();
  });

  test("newestRun() knows runs by operation and manifest, and whether they are complete", () => {
    const ledger = Ledger.open(path);
    ledger.complete(ledger.begin(START));
    const second = ledger.begin(START);
    expect(ledger.newestRun("sign", START.manifest)).toBeUndefined();
    expect(ledger.newestRun("verify", "/other.yaml")).toBeUndefined();
    expect(ledger.newestRun("verify", START.manifest)).toMatchObject({
      id: second.id,
      complete: false,
    });
    ledger.complete(second);
    expect(ledger.newestRun("verify", START.manifest)?.complete).toBe(true);
    ledger.close();
  });

  test("begin() forgets old runs of the same manifest, and no others", () => {
    const ledger = Ledger.open(path);
    const other = ledger.begin({ ...START, manifest: "/other.yaml" });
    idsOf(ledger, other, "a");
    const first = ledger.begin(START);
    idsOf(ledger, first, "a");
    for (let i = 0; i < 10; i++) ledger.begin(START);
    expect(ledger.tally(first).open).toBe(0);
    expect(ledger.tally(other).open).toBe(1);
    ledger.close();
  });

  test("lives without a file, and leaves none", () => {
    const ledger = Ledger.open();
    const run = ledger.begin(START);
    idsOf(ledger, run, "a");
    ledger.finish([verdictOn("a.0")]);
    expect(ledger.tally(run).passed).toBe(1);
    ledger.close();
  });

  test("leaves one file behind when it is closed", () => {
    Ledger.open(path).close();
    expect(existsSync(path)).toBe(true);
    expect(existsSync(`${path}-wal`)).toBe(false);
  });

  test("refuses files that are no ledgers, and does not touch them", () => {
    const text = "This is no database. ".repeat(500);
    writeFileSync(path, text);
    expect(codeOf(() => Ledger.open(path))).toBe("LEDGER_FOREIGN");
    expect(readFileSync(path, "utf8")).toBe(text);

    const other = join(dir, "other.sqlite");
    const database = new DatabaseSync(other);
    database.exec("create table bookmarks(url)");
    database.close();
    const bytes = readFileSync(other);
    expect(codeOf(() => Ledger.open(other))).toBe("LEDGER_FOREIGN");
    expect(readFileSync(other).equals(bytes)).toBe(true);
  });

  test("refuses ledgers of another version", () => {
    Ledger.open(path).close();
    const database = new DatabaseSync(path);
    database.exec("pragma user_version = 99");
    database.close();
    expect(codeOf(() => Ledger.open(path))).toBe("LEDGER_FOREIGN");
  });

  test("says that a file is damaged", () => {
    const ledger = Ledger.open(path);
    const run = ledger.begin(START);
    const keys = Array.from({ length: 2000 }, (_, i) => `key-${i}`);
    idsOf(ledger, run, ...keys);
    ledger.close();
    const bytes = readFileSync(path);
    bytes.fill(0xa5, 8192);
    writeFileSync(path, bytes);
    const read = () => {
      const again = Ledger.open(path);
      again.claim(run, [{ key: "key-5", target: "t" }], 1);
    };
    expect(codeOf(read)).toBe("LEDGER_CORRUPT");
  });

  test("says that a file cannot be opened", () => {
    expect(codeOf(() => Ledger.open(join(dir, "no/such/dir/a.sqlite")))).toBe("LEDGER_UNREADABLE");
    expect(codeOf(() => Ledger.open(dir))).toBe("LEDGER_UNREADABLE");
  });

  test("is held by one at a time, in one process and in two", async () => {
    const ledger = Ledger.open(path);
    expect(codeOf(() => Ledger.open(path))).toBe("LEDGER_LOCKED");
    ledger.close();

    const child = spawn(process.execPath, [WRITER, path, "hold"]);
    for await (const chunk of child.stdout) if (String(chunk).includes("held")) break;
    expect(codeOf(() => Ledger.open(path))).toBe("LEDGER_LOCKED");
    child.kill("SIGKILL");
    await new Promise((resolve) => child.on("exit", resolve));
    Ledger.open(path).close(); // the lock died with its holder
  });

  test("loses no acknowledged verdict when its process is killed", async () => {
    for (const lines of [1, 40, 333]) {
      const file = join(dir, `${lines}.sqlite`);
      const said = await killedAfter(lines, file);
      const ledger = Ledger.open(file);
      const run = ledger.newestRun("verify", "/m.yaml");
      if (run === undefined) throw new Error("no run");
      const recorded = new Set(jobs(ledger.verdicts(run)));
      const done = said.flatMap((line) => (line.startsWith("done ") ? [line.slice(5)] : []));
      for (const id of done) expect(recorded.has(id)).toBe(true);
      const started = said.filter((line) => line.startsWith("started "));
      const { passed, open } = ledger.tally(run);
      expect(passed + open).toBeGreaterThanOrEqual(started.length);
      expect(open).toBeLessThanOrEqual(1);
      ledger.close();
    }
  });

  requires("bash")("says that the disk is full, and keeps what it has", async () => {
    const script = `ulimit -f 300; trap '' XFSZ; exec "$0" "$@"`;
    const child = spawn("bash", ["-c", script, process.execPath, WRITER, path, "fill"]);
    let out = "";
    for await (const chunk of child.stdout) out += chunk;
    const said = out.trim().split("\n");
    expect(said.at(-1)).toBe("fault LEDGER_FULL");
    const ledger = Ledger.open(path);
    const run = ledger.newestRun("verify", "/m.yaml");
    if (run === undefined) throw new Error("no run");
    expect(ledger.tally(run).passed).toBe(said.filter((line) => line.startsWith("done ")).length);
    ledger.close();
  });
});

/** Starts a writer and kills it after so many lines. @returns the lines that it had written. */
async function killedAfter(lines: number, file: string): Promise<readonly string[]> {
  const child = spawn(process.execPath, [WRITER, file]);
  let out = "";
  child.stdout.on("data", (chunk) => {
    out += chunk;
    if (out.split("\n").length > lines) child.kill("SIGKILL");
  });
  await new Promise((resolve) => child.on("close", resolve));
  return out.split("\n").slice(0, -1);
}
