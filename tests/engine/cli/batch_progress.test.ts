import { describe, expect, test } from "bun:test";
import { formatSeconds, Progress } from "../../../engine/cli/batch_progress.ts";
import { tableLines } from "../../../engine/cli/batch_table.ts";
import type { Verdict } from "../../../engine/model/verdict.ts";
import { verdictOn } from "../../support/batch_verdict.ts";

function watch(isTerminal: boolean, total?: number) {
  const clock = { nowMs: 0 };
  const written: string[] = [];
  const progress = new Progress({
    op: "verify",
    screen: { isTerminal, hasColor: false, columns: () => 80 },
    stderr: { write: (text) => written.push(text) },
    nowMs: () => clock.nowMs,
    ...(total === undefined ? {} : { total }),
  });
  const finish = (count: number, outcome: Verdict["outcome"] = "passed") =>
    progress.observe({
      type: "verdicts",
      verdicts: Array.from({ length: count }, () => verdictOn("k", outcome)),
    });
  return { clock, written, progress, finish };
}

describe("Progress", () => {
  test("draws a bar with rate, failures and the time left on a terminal", () => {
    const { clock, written, finish, progress } = watch(true, 200);
    clock.nowMs = 1000;
    finish(40);
    clock.nowMs = 2000;
    finish(8);
    finish(2, "failed");
    progress.show();
    expect(written.at(-1)).toBe(
      "\r\x1b[2K[######..................] verifying 50/200, 25/s, 2 failed, 6.0 s left",
    );
  });

  test("redraws no more than ten times a second, and never more than a line", () => {
    const { clock, written, finish } = watch(true, 100_000);
    for (let i = 0; i < 1000; i++) {
      clock.nowMs += 1;
      finish(1, "error");
    }
    expect(written.length).toBeLessThanOrEqual(10);
    for (const text of written) expect(text.slice(5).length).toBeLessThan(80);
  });

  test("writes plain lines now and then where nobody looks", () => {
    const { clock, written, finish } = watch(false);
    for (let i = 0; i < 35; i++) {
      clock.nowMs += 1000;
      finish(20);
    }
    expect(written).toHaveLength(3);
    expect(written[0]).toBe("verifying 200, 20/s\n");
  });

  test("does not take what was kept from before for speed", () => {
    const { clock, written, progress, finish } = watch(false, 1000);
    progress.observe({ type: "kept", count: 900 });
    clock.nowMs = 1000;
    finish(10);
    progress.show();
    expect(written).toEqual(["verifying 910/1000, 10/s, 9.0 s left\n"]);
  });
});

test.each([
  [0.04, "0.0 s"],
  [9.94, "9.9 s"],
  [59.4, "59 s"],
  [200, "3 min 20 s"],
  [7500, "2 h 5 min"],
])("formatSeconds(%p) is %p", (seconds, text) => {
  expect(formatSeconds(seconds)).toBe(text);
});

describe("tableLines()", () => {
  const tally = { passed: 2, failed: 1, error: 1, skipped: 0, open: 0 };
  const options = {
    result: { tally, complete: true },
    op: "sign",
    elapsedMs: 1234,
    requests: 17,
    hasColor: false,
  } as const;

  test("has a row for each target that did not pass, hints once, and the counts", () => {
    const hinted: Verdict = {
      ...verdictOn("a", "error", "r/a:1"),
      outcome: "error",
      reason: { code: "REGISTRY_AUTH", message: "denied\n  twice", hint: "log in" },
    };
    const lines = [
      ...tableLines({ ...options, verdicts: [hinted, hinted, verdictOn("b", "failed", "r/b:1")] }),
    ];
    expect(lines).toEqual([
      "error   r/a:1",
      "        REGISTRY_AUTH: denied; twice",
      "error   r/a:1",
      "        REGISTRY_AUTH: denied; twice",
      "failed  r/b:1",
      "        NO_SIGNATURES: it is failed",
      "hint: REGISTRY_AUTH: log in",
      "4 targets: 2 signed, 1 failed, 1 errors",
      "1.2 s, 17 requests",
    ]);
  });

  test("shows no more rows than can be read", () => {
    const verdicts = Array.from({ length: 500 }, (_, i) => verdictOn("k", "failed", `r/a:${i}`));
    const lines = [...tableLines({ ...options, verdicts })];
    expect(lines).toHaveLength(50 * 2 + 3);
    expect(lines.at(-3)).toContain("450 more");
  });

  test("lets no registry write to the terminal", () => {
    const evil = `r/a:1\x1b]0;owned\x07\r\nfailed  r/b:1`;
    const verdict: Verdict = {
      ...verdictOn("k", "failed", evil),
      outcome: "failed",
      reason: { code: "NO_SIGNATURES", message: evil, hint: evil },
    };
    const text = [...tableLines({ ...options, verdicts: [verdict], hasColor: false })].join("");
    expect(text).not.toMatch(/[\x00-\x1f]/);
  });

  test("is painted only where there is colour", () => {
    const verdicts = [verdictOn("k", "failed")];
    expect([...tableLines({ ...options, verdicts })].join("")).not.toContain("\x1b");
    expect([...tableLines({ ...options, verdicts, hasColor: true })].join("")).toContain(
      "\x1b[31m",
    );
  });
});
