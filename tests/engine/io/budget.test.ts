import { describe, expect, test } from "bun:test";
import { Budgets, createBudgetMemory, MAX_IN_FLIGHT } from "../../../engine/io/budget.ts";

/** Tasks that end when the test says so. */
function tasks(budgets: Budgets, service = "registry-read:a", limit = 4) {
  const running: (() => void)[] = [];
  const ended: Promise<void>[] = [];
  return {
    running,
    start: (count: number, throttle?: number | "plain"): void => {
      for (let i = 0; i < count; i++) {
        ended.push(
          budgets.run(service, limit, async (gate) => {
            const { promise, resolve } = Promise.withResolvers<void>();
            running.push(resolve);
            await promise;
            if (throttle === "plain") gate.throttled();
            else if (throttle !== undefined) gate.throttled(throttle);
          }),
        );
      }
    },
    finish: async (count: number): Promise<void> => {
      for (const resolve of running.splice(0, count)) resolve();
      await settle();
    },
    all: () => Promise.all(ended),
  };
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

function clockOf(start = 1_000_000) {
  let nowMs = start;
  const sleepers: { untilMs: number; wake: () => void }[] = [];
  return {
    now: () => nowMs,
    sleep: (ms: number) =>
      new Promise<void>((wake) => void sleepers.push({ untilMs: nowMs + ms, wake })),
    sleepers,
    advance: async (ms: number): Promise<void> => {
      nowMs += ms;
      for (const sleeper of sleepers.splice(0)) {
        if (sleeper.untilMs <= nowMs) sleeper.wake();
        else sleepers.push(sleeper);
      }
      await settle();
    },
  };
}

describe("Budgets.run()", () => {
  test("Budgets.run() never has more in flight than the limit", async () => {
    const work = tasks(new Budgets(createBudgetMemory(), 1));
    work.start(10);
    await settle();
    expect(work.running).toHaveLength(4);
    await work.finish(1);
    expect(work.running).toHaveLength(4);
    while (work.running.length > 0) await work.finish(4);
    await work.all();
  });

  test("Budgets.run() gives each thread its part, and at least one", async () => {
    const memory = createBudgetMemory();
    for (const [threads, expected] of [
      [2, 2],
      [3, 2],
      [8, 1],
    ] as const) {
      const work = tasks(new Budgets(memory, threads));
      work.start(5);
      await settle();
      expect(work.running).toHaveLength(expected);
      while (work.running.length > 0) await work.finish(4);
      await work.all();
    }
  });

  test("Budgets.run() keeps one process below what the runtime can have in flight", async () => {
    const budgets = new Budgets(createBudgetMemory(), 1);
    const one = tasks(budgets, "registry-read:a", 500);
    const two = tasks(budgets, "registry-read:b", 500);
    one.start(150);
    two.start(150);
    await settle();
    expect(one.running.length + two.running.length).toBe(MAX_IN_FLIGHT);
    await one.finish(150);
    expect(two.running.length).toBe(150);
    while (one.running.length + two.running.length > 0) {
      await one.finish(200);
      await two.finish(200);
    }
  });

  test("Budgets.run() lets a busy service keep no other one waiting", async () => {
    const budgets = new Budgets(createBudgetMemory(), 1);
    const busy = tasks(budgets, "registry-read:a", 1);
    const other = tasks(budgets, "registry-read:b", 1);
    busy.start(5);
    other.start(1);
    await settle();
    expect(other.running).toHaveLength(1);
    await other.finish(1);
    await other.all();
    while (busy.running.length > 0) await busy.finish(1);
  });

  test("Budgets.run() halves what is allowed in all threads after a 429, once per burst", async () => {
    const clock = clockOf();
    const memory = createBudgetMemory(clock.now());
    const here = tasks(new Budgets(memory, 2, clock), "registry-read:a", 16);
    const there = tasks(new Budgets(memory, 2, clock), "registry-read:a", 16);
    here.start(8, "plain");
    await settle();
    expect(here.running).toHaveLength(8);
    await here.finish(8);
    there.start(8);
    await settle();
    expect(there.running).toHaveLength(4);
    await clock.advance(2000);
    here.start(1, "plain");
    await settle();
    await here.finish(1);
    await there.finish(3);
    expect(there.running).toHaveLength(2);
    while (there.running.length > 0) await there.finish(4);
  });

  test("Budgets.run() grows back while requests succeed, up to the limit", async () => {
    const clock = clockOf();
    const budgets = new Budgets(createBudgetMemory(clock.now()), 1, clock);
    const work = tasks(budgets, "registry-read:a", 4);
    work.start(1, "plain");
    await settle();
    await work.finish(1);
    const width = async (): Promise<number> => {
      work.start(8);
      await settle();
      const widest = work.running.length;
      while (work.running.length > 0) await work.finish(1);
      return widest;
    };
    expect(await width()).toBe(2);
    await width();
    expect(await width()).toBe(4);
  });

  test("Budgets.run() pauses all threads for as long as the service asked for", async () => {
    const clock = clockOf();
    const memory = createBudgetMemory(clock.now());
    const here = tasks(new Budgets(memory, 2, clock), "registry-read:a", 8);
    const there = tasks(new Budgets(memory, 2, clock), "registry-read:a", 8);
    const elsewhere = tasks(new Budgets(memory, 2, clock), "registry-read:b", 8);
    here.start(1, 5000);
    await settle();
    await here.finish(1);
    there.start(2);
    elsewhere.start(1);
    await settle();
    expect(there.running).toHaveLength(0);
    expect(elsewhere.running).toHaveLength(1);
    await clock.advance(4999);
    expect(there.running).toHaveLength(0);
    await clock.advance(1);
    expect(there.running).toHaveLength(2);
    await there.finish(2);
    await there.all();
    await elsewhere.finish(1);
  });

  test("Budgets.run() takes a request that does not wait any longer out of the queue", async () => {
    const budgets = new Budgets(createBudgetMemory(), 1);
    const work = tasks(budgets, "registry-read:a", 1);
    work.start(1);
    const controller = new AbortController();
    let hasRun = false;
    const waiting = budgets.run(
      "registry-read:a",
      1,
      async () => {
        hasRun = true;
      },
      controller.signal,
    );
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: "CANCELLED" });
    await work.finish(1);
    await work.all();
    expect(hasRun).toBe(false);
    await budgets.run("registry-read:a", 1, async () => {});
  });

  test("Budgets.run() frees the place of a task that throws", async () => {
    const budgets = new Budgets(createBudgetMemory(), 1);
    for (let i = 0; i < 3; i++) {
      const failing = budgets.run("registry-read:a", 1, () => Promise.reject(new Error("no")));
      await expect(failing).rejects.toThrow("no");
    }
  });

  test("Budgets.run() works with more services than there are counters", async () => {
    const budgets = new Budgets(createBudgetMemory(), 1);
    for (let i = 0; i < 200; i++) {
      expect(await budgets.run(`registry-read:host-${i}`, 4, async () => i)).toBe(i);
    }
  });
});
