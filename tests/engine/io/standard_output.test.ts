import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { requires } from "../../support/requires.ts";

const child = join(import.meta.dir, "standard_output_child.ts");
const BYTES = 1_000_000; // far more than a pipe holds
const TEXT_BYTES = new TextEncoder().encode("first line: ä\n").length;

/** Runs the child in a pipeline of bash: `$0` is the runtime, `$1` the child. */
async function inShell(script: string) {
  const shell = Bun.spawn(["bash", "-c", script, process.execPath, child], { stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([shell.stdout.text(), shell.stderr.text()]);
  return { stdout: stdout.trim(), stderr: stderr.trim() };
}

describe("standardOutput()", () => {
  test("writes text and bytes, all of them", async () => {
    const done = Bun.spawn([process.execPath, child, `${BYTES}`], { stderr: "pipe" });
    const [written, said] = await Promise.all([done.stdout.bytes(), done.stderr.text()]);
    expect(written.length).toBe(TEXT_BYTES + BYTES);
    expect(new TextDecoder().decode(written.subarray(0, TEXT_BYTES))).toBe("first line: ä\n");
    expect(said).toBe("written\n");
  });

  requires("bash")("waits for a reader who is slow", async () => {
    const script = `"$0" "$1" ${BYTES} | (sleep 0.2; wc -c)`;
    expect(await inShell(script)).toEqual({ stdout: `${TEXT_BYTES + BYTES}`, stderr: "written" });
  });

  requires("bash")("goes on in silence when nobody reads any more", async () => {
    const script = `"$0" "$1" ${BYTES} | head -c 5`;
    expect(await inShell(script)).toEqual({ stdout: "first", stderr: "written" });
  });

  requires("bash")("says FILE_WRITE when the disk is full", async () => {
    const { stderr } = await inShell(`"$0" "$1" ${BYTES} > /dev/full`);
    expect(stderr).toBe("FILE_WRITE");
  });
});
