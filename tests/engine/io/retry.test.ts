import { describe, expect, test } from "bun:test";
import {
  type Attempt,
  isTransientStatus,
  MAX_RETRY_AFTER_MS,
  parseRetryAfter,
  retry,
} from "../../../engine/io/retry.ts";
import { CosignError } from "../../../engine/model/errors.ts";

const LATER = new CosignError("REGISTRY_UNAVAILABLE", "Cannot read: status 503");

function recorder() {
  const pauses: number[] = [];
  const sleep = async (ms: number): Promise<void> => void pauses.push(ms);
  return { pauses, sleep, random: () => 1 };
}

describe("retry()", () => {
  test("retry() answers with the first value and does not pause", async () => {
    const { pauses, ...clock } = recorder();
    expect(await retry(async () => ({ value: 7 }), clock)).toBe(7);
    expect(pauses).toEqual([]);
  });

  test("retry() doubles its pauses up to the cap", async () => {
    const { pauses, ...clock } = recorder();
    const attempt = async (number: number): Promise<Attempt<number>> =>
      number < 6 ? { transient: LATER } : { value: number };
    expect(await retry(attempt, { ...clock, baseMs: 100, capMs: 500 })).toBe(6);
    expect(pauses).toEqual([100, 200, 400, 500, 500]);
  });

  test("retry() shortens its pauses by chance, to half at most", async () => {
    const { pauses, sleep } = recorder();
    const attempt = async (number: number): Promise<Attempt<number>> =>
      number < 2 ? { transient: LATER } : { value: number };
    await retry(attempt, { sleep, random: () => 0, baseMs: 100 });
    expect(pauses).toEqual([50]);
  });

  test("retry() ends with the last error itself", async () => {
    const { sleep, random } = recorder();
    let attempts = 0;
    const failing = retry(
      async () => {
        attempts++;
        return { transient: LATER };
      },
      { attempts: 3, sleep, random },
    );
    await expect(failing).rejects.toBe(LATER);
    expect(attempts).toBe(3);
  });

  test("retry() does not repeat what was thrown", async () => {
    const { pauses, ...clock } = recorder();
    const denied = new CosignError("REGISTRY_DENIED", "Cannot read: denied");
    await expect(retry(() => Promise.reject(denied), clock)).rejects.toBe(denied);
    expect(pauses).toEqual([]);
  });

  test("retry() waits at least as long as the server asked for", async () => {
    const { pauses, sleep } = recorder();
    const attempt = async (number: number): Promise<Attempt<number>> =>
      number < 2 ? { transient: LATER, afterMs: 3000 } : { value: number };
    await retry(attempt, { sleep, random: () => 0.5, baseMs: 100 });
    expect(pauses).toEqual([3050]);
  });

  test("retry() gives up when the server wants to be left alone for long", async () => {
    const { pauses, ...clock } = recorder();
    const attempt = async () => ({ transient: LATER, afterMs: MAX_RETRY_AFTER_MS + 1 });
    await expect(retry(attempt, clock)).rejects.toBe(LATER);
    expect(pauses).toEqual([]);
  });

  test("retry() stops waiting when its signal fires", async () => {
    const controller = new AbortController();
    const waiting = retry(async () => ({ transient: LATER }), {
      baseMs: 60_000,
      capMs: 60_000,
      signal: controller.signal,
    });
    controller.abort(new CosignError("DEADLINE_EXCEEDED", "Cannot go on: out of time"));
    await expect(waiting).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  });
});

describe("isTransientStatus()", () => {
  test("isTransientStatus() takes 429 and the passing ones of 5xx only", () => {
    const transient = Array.from({ length: 500 }, (_, index) => index + 100).filter(
      isTransientStatus,
    );
    expect(transient).toEqual([429, 500, 502, 503, 504]);
  });
});

describe("parseRetryAfter()", () => {
  const NOW = Date.parse("Wed, 21 Oct 2026 07:28:00 GMT");
  test.each([
    ["120", 120_000],
    [" 1 ", 1000],
    ["0", 0],
    ["Wed, 21 Oct 2026 07:28:30 GMT", 30_000],
    ["Wed, 21 Oct 2026 07:27:00 GMT", 0],
    ["soon", undefined],
    ["-5", undefined],
    ["1.5", undefined],
    ["", undefined],
    [null, undefined],
  ] as const)("parseRetryAfter(%j) is %j", (header, expected) => {
    expect(parseRetryAfter(header, NOW)).toBe(expected);
  });
});
