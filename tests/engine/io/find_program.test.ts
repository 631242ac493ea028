import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { findProgram, findPrograms } from "../../../engine/io/find_program.ts";

const folder = mkdtempSync(join(tmpdir(), "programs-"));
const [first, second] = [join(folder, "first"), join(folder, "second")];
for (const place of [first, second]) mkdirSync(place);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function put(place: string, name: string, mode: number): string {
  const path = join(place, name);
  writeFileSync(path, "");
  chmodSync(path, mode);
  return path;
}

describe.skipIf(process.platform === "win32")("findProgram()", () => {
  test("takes the first folder that has it as an executable file", () => {
    put(first, "opa", 0o644);
    mkdirSync(join(first, "cue"));
    const opa = put(second, "opa", 0o755);
    const cue = put(second, "cue", 0o755);
    const path = [first, second].join(delimiter);
    expect([findProgram("opa", path), findProgram("cue", path)]).toEqual([opa, cue]);
    expect(findProgram("none", path)).toBeUndefined();
  });

  test("passes over folders that depend on where one is", () => {
    put(second, "sh2", 0o755);
    for (const path of ["", ".", "second", `.${delimiter}`]) {
      expect(findProgram("sh2", path)).toBeUndefined();
    }
  });
});

describe.skipIf(process.platform === "win32")("findPrograms()", () => {
  test("answers what findProgram() answers, for every name with the prefix", () => {
    const [a, b] = [join(folder, "a"), join(folder, "b")];
    for (const place of [a, b]) mkdirSync(place);
    const one = put(a, "kms-one", 0o755);
    put(b, "kms-one", 0o755);
    const two = put(b, "kms-two", 0o755);
    put(a, "kms-none", 0o644);
    put(a, "other", 0o755);
    mkdirSync(join(a, "kms-folder"));
    const path = [a, "relative", join(folder, "gone"), b].join(delimiter);
    expect([...findPrograms("kms-", path)]).toEqual([
      ["one", one],
      ["two", two],
    ]);
  });
});
