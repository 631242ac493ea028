import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ErrorCode } from "../../../engine/model/errors.ts";
import { exitCodeFor } from "../../../engine/model/exit_code.ts";

const root = join(import.meta.dir, "../../..");
const paper = readFileSync(join(root, "docs/exit-codes.md"), "utf8");
const source = readFileSync(join(root, "engine/model/errors.ts"), "utf8");
/** Every code that the source knows: the alternatives of the type. */
const codes = [...source.matchAll(/^ {2}\| "([A-Z0-9_]+)"/gm)].map(([, code]) => code as ErrorCode);

test("docs/exit-codes.md gives every code the number that it has", () => {
  expect(codes.length).toBeGreaterThan(40);
  const rows = paper.matchAll(/^\| (\d+) +\| (`[^|]+`) *\|$/gm);
  const written = new Map(
    [...rows].flatMap(([, number, words = ""]) =>
      [...words.matchAll(/`([A-Z0-9_]+)`/g)].map(([, word]) => [word, Number(number)] as const),
    ),
  );
  for (const code of codes) {
    expect([code, exitCodeFor(code)]).toEqual([code, written.get(code) ?? 1]);
    written.delete(code);
  }
  expect([...written.keys()]).toEqual([]);
});
