import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { policyKind, readPolicies } from "../../../engine/conditions/policy.ts";

const folder = mkdtempSync(join(tmpdir(), "policies-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("policyKind()", () => {
  test("goes by the extension, also of a file that has no other name", () => {
    expect(policyKind("policies/a.cue")).toBe("cue");
    expect(policyKind("/x.cue/a.b.rego")).toBe("rego");
    expect(policyKind(".rego")).toBe("rego");
  });

  for (const path of ["policy", "a.json", "a.CUE", "a.rego.txt", "x.cue/policy", "rego"]) {
    test(`refuses "${path}" in cosign's words`, () => {
      expect(() => policyKind(path)).toThrow(
        expect.objectContaining({
          code: "USAGE",
          message: expect.stringContaining("invalid policy format, expected .cue or .rego"),
        }),
      );
    });
  }
});

describe("readPolicies()", () => {
  test("reads files in the order they are named, their text as it is", async () => {
    const [a, b] = [join(folder, "a.rego"), join(folder, "b.cue")];
    writeFileSync(a, "package signature\r\n");
    writeFileSync(b, '\uFEFFname: "é"');
    expect(await readPolicies([b, a])).toEqual([
      { path: b, kind: "cue", text: '\uFEFFname: "é"' },
      { path: a, kind: "rego", text: "package signature\r\n" },
    ]);
  });

  test("looks at the extensions before it reads anything", async () => {
    const paths = [join(folder, "missing.cue"), join(folder, "policy.txt")];
    await expect(readPolicies(paths)).rejects.toMatchObject({ code: "USAGE" });
  });

  test("says FILE_READ for a file that is not there and LIMIT_EXCEEDED for one without an end", async () => {
    await expect(readPolicies([join(folder, "missing.cue")])).rejects.toMatchObject({
      code: "FILE_READ",
    });
    const large = join(folder, "large.cue");
    writeFileSync(large, new Uint8Array(8 * 1024 * 1024 + 1));
    await expect(readPolicies([large])).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  });
});
