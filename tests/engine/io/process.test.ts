import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProcess } from "../../../engine/io/process.ts";
import { hasCode } from "../../../engine/model/errors.ts";

const options = {
  timeoutMs: 10_000,
  maxOutputBytes: 1_000_000,
  env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", GREETING: "hello" },
  failure: "CREDENTIALS_INVALID",
} as const;

async function thrown(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

test("runProcess() gives input, takes both outputs and the exit code", async () => {
  const result = await runProcess("sh", ["-c", "cat; echo err >&2; exit 3"], {
    ...options,
    stdin: "in\0put",
  });
  expect(result.code).toBe(3);
  expect(new TextDecoder().decode(result.stdout)).toBe("in\0put");
  expect(new TextDecoder().decode(result.stderr)).toBe("err\n");
});

test("runProcess() passes the given environment and nothing else", async () => {
  process.env["RUN_PROCESS_TEST_SECRET"] = "x";
  try {
    const result = await runProcess("env", [], options);
    const text = new TextDecoder().decode(result.stdout);
    expect(text).toContain("GREETING=hello");
    expect(text).not.toContain("RUN_PROCESS_TEST_SECRET");
  } finally {
    delete process.env["RUN_PROCESS_TEST_SECRET"];
  }
});

test("runProcess() does not go through a shell", async () => {
  const result = await runProcess("echo", ["$GREETING; id"], options);
  expect(new TextDecoder().decode(result.stdout)).toBe("$GREETING; id\n");
});

test("runProcess() throws the caller's code for a program that is not there", async () => {
  const error = await thrown(runProcess("no-such-program-here", [], options));
  expect(hasCode(error, "CREDENTIALS_INVALID")).toBe(true);
});

test("runProcess() kills a program that takes too long, grandchildren holding its pipes or not", async () => {
  const started = performance.now();
  const error = await thrown(
    runProcess("sh", ["-c", "sleep 60 & sleep 60"], { ...options, timeoutMs: 100 }),
  );
  expect(hasCode(error, "CREDENTIALS_INVALID")).toBe(true);
  expect(performance.now() - started).toBeLessThan(5_000);
});

test("runProcess() stops a program that writes too much", async () => {
  const error = await thrown(
    runProcess("sh", ["-c", "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxx; done"], {
      ...options,
      maxOutputBytes: 10_000,
    }),
  );
  expect(hasCode(error, "CREDENTIALS_INVALID")).toBe(true);
});

test("runProcess() does not mind a program that leaves its input unread", async () => {
  const result = await runProcess("true", [], { ...options, stdin: new Uint8Array(1_000_000) });
  expect(result.code).toBe(0);
});

test("runProcess() ends with CANCELLED when the signal fires, before or during the run", async () => {
  expect(
    hasCode(
      await thrown(runProcess("sleep", ["60"], { ...options, signal: AbortSignal.abort() })),
      "CANCELLED",
    ),
  ).toBe(true);
  const controller = new AbortController();
  const running = thrown(runProcess("sleep", ["60"], { ...options, signal: controller.signal }));
  controller.abort();
  expect(hasCode(await running, "CANCELLED")).toBe(true);
});

test("runProcess() lets a program that takes too long end by itself, and not for ever", async () => {
  const slow = { ...options, timeoutMs: 300, graceMs: 5000 };
  const dir = mkdtempSync(join(tmpdir(), "process-"));
  const polite = `trap 'touch ${join(dir, "bye")}; exit 0' TERM; sleep 60 & wait`;
  const error = await thrown(runProcess("sh", ["-c", polite], slow));
  expect(hasCode(error, "CREDENTIALS_INVALID")).toBe(true);
  expect(existsSync(join(dir, "bye"))).toBe(true);
  rmSync(dir, { recursive: true });
  const rude = "trap '' TERM; while :; do sleep 0.1; done";
  const killed = await thrown(runProcess("sh", ["-c", rude], { ...slow, graceMs: 300 }));
  expect(hasCode(killed, "CREDENTIALS_INVALID")).toBe(true);
});

test("runProcess() tells what is written to standard error while the program works", async () => {
  const told: string[] = [];
  const onStderr = (bytes: Uint8Array) => told.push(new TextDecoder().decode(bytes));
  await runProcess("sh", ["-c", "echo one >&2; read line; echo two >&2"], {
    ...options,
    stdin: "go\n",
    onStderr,
  });
  expect(told.join("")).toBe("one\ntwo\n");
});
