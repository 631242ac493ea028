import { beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readVerdicts } from "../support/batch.ts";
import { buildBinary, runBinary } from "../support/binary.ts";

const LIMIT_MS = 60_000;

beforeAll(async () => {
  await buildBinary();
}, LIMIT_MS);

test(
  "demo finds what was tampered with and what is unsigned, and cleans up after itself",
  async () => {
    const temporary = mkdtempSync(join(tmpdir(), "demo-"));
    try {
      const result = await runBinary(["demo"], { env: { TMPDIR: temporary }, timeoutMs: LIMIT_MS });
      expect(result.code).toBe(0);
      expect(result.stderr).toContain("105 targets: 105 signed, 0 failed, 0 errors");
      expect(result.stderr).toContain("105 targets: 105 verified, 0 failed, 0 errors");
      expect(result.stderr).toContain("demo/app-3:v4\n        NO_MATCHING_SIGNATURES");
      expect(result.stderr).toContain("demo/app-7:v1\n        NO_SIGNATURES");
      for (const command of [
        "generate-key-pair",
        "batch sign manifest.yaml",
        "batch verify manifest.yaml",
      ]) {
        expect(result.stderr).toContain(`cosign-ts ${command}`);
      }
      expect(readdirSync(temporary).filter((name) => name.startsWith("cosign-ts-demo"))).toEqual(
        [],
      );
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  },
  LIMIT_MS,
);

test(
  "demo --keep leaves everything that one needs to go on",
  async () => {
    const parent = mkdtempSync(join(tmpdir(), "demo-"));
    const folder = join(parent, "kept");
    try {
      const result = await runBinary(["demo", "--keep", folder], { timeoutMs: LIMIT_MS });
      expect(result.code).toBe(0);
      for (const name of ["cosign.key", "cosign.pub", "manifest.yaml", "report.xml", "registry"]) {
        expect(existsSync(join(folder, name))).toBe(true);
      }
      expect(readVerdicts(join(folder, "report.jsonl"))).toHaveLength(105);
      const again = await runBinary(["demo", "--keep", folder], { timeoutMs: LIMIT_MS });
      expect(again.code).toBe(1);
      expect(again.stderr).toContain("code: FILE_WRITE");
    } finally {
      rmSync(parent, { recursive: true, force: true });
    }
  },
  LIMIT_MS,
);
