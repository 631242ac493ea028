import { describe, expect, test } from "bun:test";
import { Ledger } from "../../../engine/batch/ledger.ts";
import type { PlanItem } from "../../../engine/batch/plan.ts";
import {
  type BatchEvent,
  type BatchOptions,
  batchExitCode,
  runBatch,
} from "../../../engine/batch/run_batch.ts";
import type { Job } from "../../../engine/model/job.ts";
import type { Verdict } from "../../../engine/model/verdict.ts";
import { verdictOn, verifyJob } from "../../support/batch_verdict.ts";

/** A batch of targets whose verdicts a table knows; one that is not there never answers. */
interface Fake {
  readonly ledger: Ledger;
  readonly events: BatchEvent[];
  readonly jobs: Job[];
  run(
    targets: readonly string[],
    outcomes?: Readonly<Record<string, Verdict["outcome"]>>,
    options?: Partial<BatchOptions>,
  ): ReturnType<typeof runBatch>;
}

function fake(op: "sign" | "verify" = "verify"): Fake {
  const ledger = Ledger.open();
  const events: BatchEvent[] = [];
  const jobs: Job[] = [];
  return {
    ledger,
    events,
    jobs,
    run: (targets, outcomes = {}, options = {}) => {
      events.length = 0;
      jobs.length = 0;
      return runBatch({
        start: { op, manifest: "/m.yaml", digest: "sha256:1", nowMs: 1 },
        ledger,
        resume: false,
        failFast: false,
        stop: new AbortController().signal,
        nowMs: () => 1,
        observe: (event) => events.push(event),
        open: async () => ({
          limit: 4,
          plan: () => planOf(targets, op),
          run: async (job) => {
            jobs.push(job);
            const target = job.target.type === "reference" ? job.target.reference : "";
            return verdictOn(job.id, outcomes[target] ?? "passed", target);
          },
        }),
        ...options,
      });
    },
  };
}

async function* planOf(
  targets: readonly string[],
  op: "sign" | "verify",
): AsyncGenerator<PlanItem> {
  for (const target of targets) {
    if (target.startsWith("unlisted")) {
      const reason = { code: "REGISTRY_DENIED", message: "no" } as const;
      yield { kind: "answer", op, key: `answer-${target}`, target, outcome: "error", reason };
      continue;
    }
    const { id: _id, ...job } = verifyJob("", target);
    if (op === "verify") yield { kind: "job", key: target, target, job };
    else {
      const { keys: _keys, recursivePolicy: _policy, checkClaims: _claims, ...common } = job;
      const sign = { ...common, op, key: "k", formats: ["bundle"], skipSigned: false } as const;
      yield { kind: "job", key: target, target, job: sign };
    }
  }
}

const targetsOf = (batch: Fake) =>
  batch.jobs.map((job) => (job.target.type === "reference" ? job.target.reference : ""));

describe("runBatch()", () => {
  test("gives each target one verdict, equal ones too", async () => {
    const batch = fake();
    const result = await batch.run(["a", "b", "a", "c"], { b: "failed", c: "error" });
    expect(result.complete).toBe(true);
    expect(result.tally).toEqual({ passed: 2, failed: 1, error: 1, skipped: 0, open: 0 });
    expect([...batch.ledger.verdicts(result.run)].map(({ target }) => target)).toEqual([
      "a",
      "b",
      "a",
      "c",
    ]);
  });

  test("records what could not be listed as a verdict", async () => {
    const batch = fake();
    const result = await batch.run(["a", "unlisted"]);
    expect(result.tally).toMatchObject({ passed: 1, error: 1 });
    const [, fault] = batch.ledger.verdicts(result.run);
    expect(fault).toMatchObject({
      target: "unlisted",
      outcome: "error",
      reason: { code: "REGISTRY_DENIED" },
    });
  });

  test("stops when it is told to, and goes on from there", async () => {
    const batch = fake();
    const stop = new AbortController();
    const targets = Array.from({ length: 50 }, (_, i) => `t${i}`);
    const first = await batch.run(
      targets,
      {},
      {
        stop: stop.signal,
        observe: (event) => {
          if (event.type === "verdicts") stop.abort();
        },
      },
    );
    expect(first.complete).toBe(false);
    const done = targetsOf(batch);
    expect(done.length).toBeLessThan(20);

    const second = await batch.run(targets, {}, { resume: true });
    expect(second.complete).toBe(true);
    expect(second.run.uuid).toBe(first.run.uuid);
    expect(second.tally.passed).toBe(50);
    expect(targetsOf(batch).some((target) => done.includes(target))).toBe(false);
    expect([...batch.ledger.verdicts(second.run)].map(({ target }) => target)).toEqual(targets);
  });

  test("says that a complete run has nothing left, and opens nothing for it", async () => {
    const batch = fake();
    await batch.run(["a", "b"], { b: "failed" });
    const again = await batch.run(
      ["a", "b"],
      {},
      {
        resume: true,
        open: () => Promise.reject(new Error("keys were opened")),
      },
    );
    expect(batch.events).toEqual([{ type: "complete-already" }]);
    expect(again.tally).toMatchObject({ passed: 1, failed: 1 });
    expect(batchExitCode(again)).toBe(12);
  });

  test("tries errors again when it is resumed, and no answers", async () => {
    const batch = fake();
    await batch.run(["a", "b", "c", "unlisted"], { b: "failed", c: "error" });
    const again = await batch.run(["a", "b", "c"], {}, { resume: true });
    expect(targetsOf(batch)).toEqual(["c"]);
    expect(again.tally).toEqual({ passed: 2, failed: 1, error: 0, skipped: 0, open: 0 });
    expect(again.dropped).toBe(1); // what could not be listed can be now
  });

  test("begins a new run without --resume, and a first one with it", async () => {
    const batch = fake();
    const first = await batch.run(["a"], {}, { resume: true });
    expect(batch.events[0]).toMatchObject({ type: "begun", isResumed: false });
    const second = await batch.run(["a"]);
    expect(targetsOf(batch)).toEqual(["a"]);
    expect(second.run.uuid).not.toBe(first.run.uuid);
  });

  test("names a manifest that has changed, keeps its answers and drops what it no longer has", async () => {
    const batch = fake();
    const first = await batch.run(["a", "b"]);
    const start = { op: "verify", manifest: "/m.yaml", digest: "sha256:2", nowMs: 1 } as const;
    const again = await batch.run(["a", "c"], {}, { resume: true, start });
    expect(batch.events[0]).toEqual({ type: "changed", before: "sha256:1", now: "sha256:2" });
    expect(targetsOf(batch)).toEqual(["c"]);
    expect(again.run.uuid).toBe(first.run.uuid);
    expect(again.dropped).toBe(1);
    expect([...batch.ledger.verdicts(again.run)].map(({ target }) => target)).toEqual(["a", "c"]);
  });

  test("looks for our own signature first in every job of a run that is resumed", async () => {
    const batch = fake("sign");
    const stop = new AbortController();
    await batch.run(
      ["a", "b", "c", "d", "e", "f", "g", "h"],
      {},
      {
        stop: stop.signal,
        observe: () => stop.abort(),
      },
    );
    expect(batch.jobs.every((job) => job.op === "sign" && !job.skipSigned)).toBe(true);
    await batch.run(["a", "b", "c", "d", "e", "f", "g", "h"], {}, { resume: true });
    expect(batch.jobs.length).toBeGreaterThan(0);
    expect(batch.jobs.every((job) => job.op === "sign" && job.skipSigned)).toBe(true);
  });

  test("starts nothing more after the first failure with fail-fast", async () => {
    const batch = fake();
    const targets = Array.from({ length: 100 }, (_, i) => `t${i}`);
    const result = await batch.run(targets, { t3: "failed" }, { failFast: true });
    expect(result.complete).toBe(false);
    expect(batch.jobs.length).toBeLessThan(20);
    expect(result.tally.open).toBe(0);
  });

  test("keeps what is started and not answered when a run breaks off", async () => {
    const batch = fake("sign");
    const broken = batch.run(
      ["a", "b"],
      {},
      {
        open: async () => ({
          limit: 4,
          plan: () => planOf(["a", "b"], "sign"),
          run: () => Promise.reject(new Error("no thread")),
        }),
      },
    );
    expect(broken).rejects.toThrow("no thread");
    await broken.catch(() => undefined);
    const run = batch.ledger.newestRun("sign", "/m.yaml");
    if (run === undefined) throw new Error("no run");
    expect(batch.ledger.tally(run).open).toBe(2);
    const again = await batch.run(["a", "b"], {}, { resume: true });
    expect(again.tally.passed).toBe(2);
    expect(batch.jobs.every((job) => job.op === "sign" && job.skipSigned)).toBe(true);
  });
});

describe("batchExitCode()", () => {
  const none = { passed: 0, failed: 0, error: 0, skipped: 0, open: 0 };
  test.each([
    [{ passed: 5 }, true, 0],
    [{ passed: 5, skipped: 1 }, true, 0],
    [{ passed: 5, failed: 1, error: 1 }, true, 12],
    [{ passed: 5, error: 1 }, true, 20],
    [{ passed: 5 }, false, 20],
    [{ failed: 1 }, false, 12],
    [{ skipped: 2 }, true, 1],
    [{}, true, 1],
  ])("%p, complete %p: %p", (tally, complete, code) => {
    expect(batchExitCode({ tally: { ...none, ...tally }, complete })).toBe(code);
  });

  test("gives the numbers of an explicit generation", () => {
    const failed = { tally: { ...none, failed: 1 }, complete: true };
    const error = { tally: { ...none, error: 1 }, complete: true };
    expect([1, 2, 3].map((n) => batchExitCode(failed, n === 1 ? 1 : n === 2 ? 2 : 3))).toEqual([
      1, 12, 12,
    ]);
    expect([1, 2, 3].map((n) => batchExitCode(error, n === 1 ? 1 : n === 2 ? 2 : 3))).toEqual([
      1, 1, 1,
    ]);
    expect(batchExitCode({ tally: { ...none, passed: 1 }, complete: true }, 1)).toBe(0);
  });
});
