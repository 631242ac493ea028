import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { npmComponents } from "../../.ci/notices.mjs";
import { buildBinary, runBinary } from "../support/binary.ts";

const folder = mkdtempSync(join(tmpdir(), "hostile-"));
const trace = join(folder, "was-run");

beforeAll(async () => {
  await buildBinary();
  const evil = `require("node:fs").writeFileSync(${JSON.stringify(trace)}, "");`;
  writeFileSync(join(folder, "evil.js"), evil);
  writeFileSync(join(folder, "bunfig.toml"), 'preload = ["./evil.js"]\n');
  writeFileSync(join(folder, ".env"), "COSIGN_COMPAT=nonsense\nBUN_OPTIONS=--preload=./evil.js\n");
  writeFileSync(join(folder, "package.json"), '{"imports":{"#x":"./evil.js"},"type":"commonjs"}');
  writeFileSync(join(folder, "tsconfig.json"), '{"compilerOptions":{"paths":{"*":["./evil.js"]}}}');
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the binary reads no bunfig.toml, .env, package.json or tsconfig.json of the directory it is in", async () => {
  const elsewhere = await runBinary(["version"]);
  const here = await runBinary(["version"], { cwd: folder });
  expect(here).toEqual(elsewhere);
  expect(here.code).toBe(0);
  expect(existsSync(trace)).toBe(false);
});

for (const [name, value] of [
  ["BUN_OPTIONS", "--smol"],
  ["NODE_TLS_REJECT_UNAUTHORIZED", "0"],
] as const) {
  test(`the binary refuses to run with ${name}, and says so`, async () => {
    const { code, stdout, stderr } = await runBinary(["version"], { env: { [name]: value } });
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain("ENVIRONMENT_REFUSED");
    expect(stderr).toContain(name);
  });
}

test("an unknown command is a usage error: exit code 2, nothing on stdout", async () => {
  const { code, stdout, stderr } = await runBinary(["veryfi"]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).not.toBe("");
});

test("version --licenses prints the notices of all that is in the binary", async () => {
  const { code, stdout } = await runBinary(["version", "--licenses"]);
  expect(code).toBe(0);
  for (const { name, text } of npmComponents()) {
    expect([name, stdout.includes(`\n${name}\n`), stdout.includes(text)]).toEqual([
      name,
      true,
      true,
    ]);
  }
  // CUE and OPA, and what all of it runs on.
  for (const name of [
    /^cuelang\.org\/go v/m,
    /^github\.com\/open-policy-agent\/opa v/m,
    /^Go 1\./m,
  ]) {
    expect(stdout).toMatch(name);
  }
  expect(stdout).toMatch(/^Bun \d/m);
  expect(stdout).toContain("Redistributions in binary form must reproduce the above copyright");
});
