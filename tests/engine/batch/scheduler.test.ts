import { describe, expect, test } from "bun:test";
import { schedule } from "../../../engine/batch/scheduler.ts";
import type { Job } from "../../../engine/model/job.ts";
import type { Verdict } from "../../../engine/model/verdict.ts";
import { verdictOn, verifyJob } from "../../support/batch_verdict.ts";

const never = new AbortController().signal;
const start = (items: readonly string[]) => items.map((id) => verifyJob(id));
const run = async (job: Job) => verdictOn(job.id);

async function* ids(
  count: number,
  pulled?: { n: number },
): AsyncGenerator<string, void, undefined> {
  for (let i = 0; i < count; i++) {
    if (pulled !== undefined) pulled.n += 1;
    yield `job${i}`;
  }
}

async function collect(groups: AsyncIterable<readonly Verdict[]>): Promise<string[]> {
  const all: string[] = [];
  for await (const group of groups) all.push(...group.map(({ job }) => job));
  return all;
}

const turnOfTheLoop = () => new Promise((resolve) => setImmediate(resolve));

describe("schedule()", () => {
  test("answers every job once", async () => {
    const answered = await collect(schedule(ids(1000), { limit: 7, start, run, stop: never }));
    expect(answered).toHaveLength(1000);
    expect(new Set(answered).size).toBe(1000);
  });

  test("never has more jobs between plan and consumer than its limit", async () => {
    for (const limit of [1, 3, 10]) {
      const pulled = { n: 0 };
      let consumed = 0;
      let most = 0;
      const groups = schedule(ids(60, pulled), { limit, start, run, stop: never });
      for await (const group of groups) {
        for (let i = 0; i < 5; i++) await turnOfTheLoop(); // a consumer that is slow
        most = Math.max(most, pulled.n - consumed);
        consumed += group.length;
      }
      expect(consumed).toBe(60);
      expect(most).toBeLessThanOrEqual(limit);
    }
  });

  test("tells of jobs before it gives them out, several at a time", async () => {
    const told = new Set<string>();
    const groups: number[] = [];
    await collect(
      schedule(ids(64), {
        limit: 16,
        stop: never,
        start: (items) => {
          groups.push(items.length);
          for (const id of items) told.add(id);
          return start(items);
        },
        run: (job) => {
          expect(told.has(job.id)).toBe(true);
          return run(job);
        },
      }),
    );
    expect(told.size).toBe(64);
    expect(Math.max(...groups)).toBeGreaterThan(1);
  });

  test("goes on past items that need no job", async () => {
    const answered = await collect(
      schedule(ids(500), {
        limit: 4,
        run,
        stop: never,
        start: (items) => start(items).filter(({ id }) => id.endsWith("7")),
      }),
    );
    expect(answered).toHaveLength(50);
  });

  test("finishes what is in flight when it is stopped, and pulls no more", async () => {
    const stop = new AbortController();
    const pulled = { n: 0 };
    const answered: string[] = [];
    const groups = schedule(ids(1000, pulled), { limit: 5, start, run, stop: stop.signal });
    for await (const group of groups) {
      answered.push(...group.map(({ job }) => job));
      stop.abort();
    }
    expect(answered.length).toBe(pulled.n);
    expect(pulled.n).toBeLessThanOrEqual(10);
  });

  test("does not wait for a plan that waits when it is stopped", async () => {
    const stop = new AbortController();
    async function* hanging(): AsyncGenerator<string, void, undefined> {
      yield "job0";
      await new Promise(() => {});
    }
    const groups = schedule(hanging(), { limit: 5, start, run, stop: stop.signal });
    const answered: string[] = [];
    for await (const group of groups) {
      answered.push(...group.map(({ job }) => job));
      stop.abort();
    }
    expect(answered).toEqual(["job0"]);
  });

  test("ends with what the plan, the start or the run throws", async () => {
    async function* faulty(): AsyncGenerator<string, void, undefined> {
      yield "job0";
      throw new Error("the plan");
    }
    const fail = (text: string) => () => {
      throw new Error(text);
    };
    const options = { limit: 3, start, run, stop: never };
    expect(collect(schedule(faulty(), options))).rejects.toThrow("the plan");
    expect(collect(schedule(ids(9), { ...options, start: fail("the start") }))).rejects.toThrow(
      "the start",
    );
    const broken = async () => fail("the run")();
    expect(collect(schedule(ids(9), { ...options, run: broken }))).rejects.toThrow("the run");
  });

  test("starts nothing more when its consumer has gone", async () => {
    const pulled = { n: 0 };
    for await (const group of schedule(ids(1000, pulled), { limit: 4, start, run, stop: never })) {
      expect(group.length).toBeGreaterThan(0);
      break;
    }
    const before = pulled.n;
    for (let i = 0; i < 5; i++) await turnOfTheLoop();
    expect(pulled.n).toBe(before);
  });
});
