import { describe, expect, test } from "bun:test";
import { LocalShared } from "../../../engine/io/shared.ts";
import { CosignError, type ErrorCode } from "../../../engine/model/errors.ts";

describe("LocalShared.once()", () => {
  test("LocalShared.once() computes once for all who ask at the same time and later", async () => {
    const shared = new LocalShared();
    let computed = 0;
    const ask = () => shared.once("key", async () => ({ value: ++computed }));
    expect(await Promise.all([ask(), ask(), ask()])).toEqual([1, 1, 1]);
    expect(await ask()).toBe(1);
  });

  test("LocalShared.once() computes again when the answer has expired", async () => {
    let nowMs = 1000;
    const shared = new LocalShared(() => nowMs);
    let computed = 0;
    const ask = () => shared.once("key", async () => ({ value: ++computed, expiresAtMs: 2000 }));
    expect(await ask()).toBe(1);
    nowMs = 1999;
    expect(await ask()).toBe(1);
    nowMs = 2000;
    expect(await ask()).toBe(2);
  });

  test("LocalShared.once() with expiresAtMs 0 answers those who wait, and nobody after", async () => {
    const shared = new LocalShared();
    let computed = 0;
    const ask = () => shared.once("key", async () => ({ value: ++computed, expiresAtMs: 0 }));
    expect(await Promise.all([ask(), ask()])).toEqual([1, 1]);
    expect(await ask()).toBe(2);
  });

  test("LocalShared.once() makes a failure everybody's, and computes for the next", async () => {
    const shared = new LocalShared();
    let computed = 0;
    const ask = () =>
      shared.once("key", async () => {
        computed++;
        if (computed === 1) throw new CosignError("REGISTRY_AUTH", "Cannot read: 401");
        return { value: computed };
      });
    const outcomes = await Promise.allSettled([ask(), ask()]);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(computed).toBe(1);
    expect(await ask()).toBe(2);
  });

  test.each(["CANCELLED", "DEADLINE_EXCEEDED", "REGISTRY_TIMEOUT"] as const)(
    "LocalShared.once() lets the next who waits compute after %s",
    async (code: ErrorCode) => {
      const shared = new LocalShared();
      const failing = shared.once("key", () => Promise.reject(new CosignError(code, "Cannot")));
      const waiting = shared.once("key", async () => ({ value: "mine" }));
      await expect(failing).rejects.toMatchObject({ code });
      expect(await waiting).toBe("mine");
    },
  );

  test("LocalShared.once() stops waiting when the signal fires, and leaves the computation alone", async () => {
    const shared = new LocalShared();
    const { promise, resolve } = Promise.withResolvers<{ value: number }>();
    const computing = shared.once("key", () => promise);
    const controller = new AbortController();
    const waiting = shared.once("key", async () => ({ value: 2 }), controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: "CANCELLED" });
    resolve({ value: 1 });
    expect(await computing).toBe(1);
  });
});

describe("LocalShared.forget()", () => {
  test("LocalShared.forget() drops the value it was told, and no newer one", async () => {
    const shared = new LocalShared();
    let computed = 0;
    const ask = () => shared.once("key", async () => ({ value: { token: ++computed } }));
    await ask();
    shared.forget("key", { token: 9 });
    expect(await ask()).toEqual({ token: 1 });
    shared.forget("key", { token: 1 });
    expect(await ask()).toEqual({ token: 2 });
    shared.forget("no such key", 1);
  });
});

describe("LocalShared.turn()", () => {
  test("LocalShared.turn() gives turns one after another, in the order of asking", async () => {
    const shared = new LocalShared();
    const order: string[] = [];
    const work = async (name: string): Promise<void> => {
      const turn = await shared.turn("subject");
      order.push(`${name} begins`);
      await Promise.resolve();
      order.push(`${name} ends`);
      turn.release();
    };
    await Promise.all([work("a"), work("b"), work("c")]);
    expect(order).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  });

  test("LocalShared.turn() of another name does not wait", async () => {
    const shared = new LocalShared();
    await shared.turn("one");
    await shared.turn("two");
  });

  test("LocalShared.turn() whose signal fires gives its place up, and keeps the order", async () => {
    const shared = new LocalShared();
    const first = await shared.turn("subject");
    const controller = new AbortController();
    const second = shared.turn("subject", controller.signal);
    let thirdHasIt = false;
    const third = shared.turn("subject").then((turn) => {
      thirdHasIt = true;
      return turn;
    });
    controller.abort();
    await expect(second).rejects.toMatchObject({ code: "CANCELLED" });
    await Promise.resolve();
    expect(thirdHasIt).toBe(false);
    first.release();
    first.release();
    (await third).release();
    (await shared.turn("subject")).release();
  });
});
