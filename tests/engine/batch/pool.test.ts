import { afterEach, describe, expect, test } from "bun:test";
import { Broker } from "../../../engine/batch/broker.ts";
import { Pool } from "../../../engine/batch/pool.ts";
import { LocalShared, type Shared } from "../../../engine/io/shared.ts";
import type { KeyHost } from "../../../engine/keys/key_ring.ts";
import { CosignError } from "../../../engine/model/errors.ts";
import type { Verdict } from "../../../engine/model/verdict.ts";
import { verifyJob } from "../../support/batch_verdict.ts";
import { keyHost } from "../../support/key_host.ts";

const ENTRY = new URL("../../support/fake_worker.ts", import.meta.url);

let pool: Pool | undefined;
afterEach(async () => {
  await pool?.close();
  pool = undefined;
});

function open(
  threads: number,
  host: Partial<KeyHost> = {},
  shared: Shared = new LocalShared(),
  setup = "fake",
): Broker {
  const broker = new Broker(shared, keyHost(host));
  pool = new Pool({ entry: ENTRY, threads, setup, broker });
  return broker;
}

let lastId = 0;
async function run(text: string): Promise<Verdict> {
  if (pool === undefined) throw new Error("no pool");
  lastId += 1;
  return await pool.run(verifyJob(`job.${lastId}`, text));
}

function said(verdict: Verdict): string {
  return verdict.outcome === "passed" ? (verdict.warnings[1] ?? "") : verdict.reason.code;
}

const many = (count: number, text: (i: number) => string) =>
  Promise.all(Array.from({ length: count }, (_, i) => run(text(i))));

describe("Pool", () => {
  test("runs jobs in all of its threads", async () => {
    open(2);
    const verdicts = await many(200, () => "pass");
    expect(verdicts.every(({ outcome }) => outcome === "passed")).toBe(true);
    expect(new Set(verdicts.map(({ warnings }) => warnings[0])).size).toBe(2);
  });

  test("starts no more threads than there are jobs", async () => {
    open(8);
    const first = await run("pass");
    const second = await run("pass");
    expect(first.warnings[0]).toBe(second.warnings[0] ?? "");
  });

  test("start() makes the one thread that the first job goes to", async () => {
    open(8);
    pool?.start();
    pool?.start();
    const verdicts = [await run("pass"), await run("pass")];
    expect(new Set(verdicts.map(({ warnings }) => warnings[0])).size).toBe(1);
  });

  test("makes the open jobs of a thread that died WORKER_LOST, and goes on in another", async () => {
    open(1);
    const [lost, other] = await Promise.all([run("die"), run("hang")]);
    expect([said(lost), said(other)]).toEqual(["WORKER_LOST", "WORKER_LOST"]);
    expect(lost.outcome).toBe("error");
    expect(said(await run("pass"))).toBe("done");
  });

  test("takes a bug in a job for the death of its thread, never for success", async () => {
    open(1);
    expect(said(await run("throw"))).toBe("WORKER_LOST");
    expect(said(await run("pass"))).toBe("done");
  });

  test("answers every job once, however many threads die", async () => {
    open(3);
    const verdicts: Verdict[] = [];
    for (let wave = 0; wave < 10; wave++) {
      verdicts.push(...(await many(30, (i) => (wave % 2 === 1 && i === 15 ? "die" : "pass"))));
    }
    expect(new Set(verdicts.map(({ job }) => job)).size).toBe(300);
    for (const verdict of verdicts) expect(["done", "WORKER_LOST"]).toContain(said(verdict));
    const lost = verdicts.filter((verdict) => said(verdict) === "WORKER_LOST").length;
    expect(lost).toBeGreaterThanOrEqual(5);
    expect(lost).toBeLessThanOrEqual(5 * 10); // no more than what one of three threads had
  });

  test("gives up when threads die before they are ready", async () => {
    open(2, {}, new LocalShared(), "dies at once");
    const failure = await run("pass").then(
      () => undefined,
      (error) => error,
    );
    expect(failure).toBeInstanceOf(CosignError);
    expect(failure.code).toBe("WORKER_LOST");
    expect(failure.message).toContain("Cannot start worker threads");
  });

  test("abort() ends what is in flight with its reason", async () => {
    open(2);
    const hanging = many(6, () => "hang");
    await run("pass");
    pool?.abort({ code: "DEADLINE_EXCEEDED", message: "the time of the run is over" });
    for (const verdict of await hanging) expect(said(verdict)).toBe("DEADLINE_EXCEEDED");
    expect(said(await run("hang"))).toBe("DEADLINE_EXCEEDED");
  });

  test("idle() lends the place of a job to others", async () => {
    open(1); // with four places
    const startedMs = performance.now();
    const idle = many(20, () => "idle 150");
    await run("pass");
    await idle;
    expect(performance.now() - startedMs).toBeLessThan(700); // one after another in fours: 750
  });
});

describe("BrokeredShared", () => {
  test("once() computes in one thread and answers all of them", async () => {
    open(3);
    const verdicts = await many(60, () => "once key");
    const values = verdicts.map(said);
    expect(values.filter((value) => value.startsWith("led"))).toHaveLength(1);
    expect(new Set(values.map((value) => value.slice(4))).size).toBe(1);
    expect(new Set(verdicts.map(({ warnings }) => warnings[0])).size).toBe(3);
  });

  test("once() answers what the main thread has computed, and the other way round", async () => {
    const broker = open(2);
    await broker.shared.once("main", async () => ({ value: "by main" }));
    expect((await many(4, () => "once main")).map(said)).toEqual(Array(4).fill("got by main"));
    const led = said(await run("once worker"));
    const inMain = await broker.shared.once("worker", async () => ({ value: "never" }));
    expect(led).toBe(`led ${inMain}`);
  });

  test("once() keeps no answer that is not to be kept", async () => {
    open(1);
    expect(said(await run("once key 0"))).toStartWith("led");
    expect(said(await run("once key 0"))).toStartWith("led");
  });

  test("once() hands the failure of a computation to all who wait, and keeps none", async () => {
    open(2);
    const failed = await many(10, () => "once key fails");
    expect(failed.map(said)).toEqual(Array(10).fill("REGISTRY_DENIED"));
    expect(said(await run("once key"))).toStartWith("led");
  });

  test("forget() is heard in every thread", async () => {
    const broker = open(2);
    await many(20, () => "once key");
    await run("forget key");
    const again = await many(20, () => "once key");
    expect(again.map(said).filter((value) => value.startsWith("led"))).toHaveLength(1);
    broker.shared.forget("key", said(again[0] ?? (await run("pass"))).slice(4));
    const third = await many(20, () => "once key");
    expect(third.map(said).filter((value) => value.startsWith("led"))).toHaveLength(1);
  });

  test("once() is computed by another when the thread that computed it dies", async () => {
    const asked = Promise.withResolvers<void>();
    const local = new LocalShared();
    const broker = open(
      1,
      {},
      {
        once: (key, compute, signal) => {
          asked.resolve();
          return local.once(key, compute, signal);
        },
        forget: (key, value) => local.forget(key, value),
        turn: (name, signal) => local.turn(name, signal),
      },
    );
    const dying = run("once key dies");
    await asked.promise;
    const waiting = broker.shared.once("key", async () => ({ value: "by main" }));
    expect(said(await dying)).toBe("WORKER_LOST");
    expect(await waiting).toBe("by main");
    expect(said(await run("once key"))).toBe("got by main");
  });

  test("turn() is had by one at a time, over all threads", async () => {
    open(3);
    const verdicts = await many(12, () => "turn subject 4");
    const spans = verdicts.map((verdict) => said(verdict).split(" ").map(Number));
    spans.sort(([a = 0], [b = 0]) => a - b);
    for (const [i, [from = 0]] of spans.entries()) {
      expect(from).toBeGreaterThanOrEqual(spans[i - 1]?.[1] ?? 0);
    }
  });

  test("turn() goes on to the next when the thread that has it dies", async () => {
    open(2);
    const [dying, next] = await Promise.all([run("turn subject dies"), run("turn subject 1")]);
    expect(said(dying)).toBe("WORKER_LOST");
    expect(said(next)).toMatch(/^\d+ \d+$|^WORKER_LOST$/);
    expect(said(await run("turn subject 1"))).toMatch(/^\d+ \d+$/);
  });

  test("sign() asks the main thread", async () => {
    open(2, {
      sign: async (uri, message) => {
        if (uri !== "token:1") throw new CosignError("KEY_SIGN_FAILED", "the token is gone");
        return new TextEncoder().encode(`${uri} signed ${new TextDecoder().decode(message)}`);
      },
    });
    expect(said(await run("sign token:1 payload"))).toBe("token:1 signed payload");
    expect(said(await run("sign token:2 payload"))).toBe("KEY_SIGN_FAILED");
  });
});
