import { describe, expect, test } from "bun:test";
import { parsePattern } from "../../../engine/verify/re2.ts";
import recorded from "./re2_cases.json";

interface Case {
  readonly pattern: string;
  readonly matches?: readonly string[];
  readonly error?: string;
}

const CASES: readonly Case[] = recorded.cases;

describe("parsePattern()", () => {
  for (const { pattern, matches, error } of CASES) {
    test(`${JSON.stringify(pattern)} ${error === undefined ? "matches as in Go" : "is refused as in Go"}`, () => {
      if (matches === undefined) {
        expect(() => parsePattern(pattern)).toThrow("error parsing regexp");
        return;
      }
      const compiled = parsePattern(pattern);
      expect(recorded.texts.filter((text) => compiled.test(text))).toEqual([...matches]);
    });
  }

  test("takes no longer for texts that make other engines go back", () => {
    const startedMs = performance.now();
    const text = `${"a".repeat(2000)}!`;
    expect(parsePattern("^(a+)+$").test(text)).toBe(false);
    expect(parsePattern("^(a|a)*$").test(text)).toBe(false);
    expect(parsePattern("(.*)(.*)(.*)(.*)x").test(text)).toBe(false);
    expect(performance.now() - startedMs).toBeLessThan(5000);
  });

  test("refuses patterns that are too large, too long or too deep", () => {
    expect(() => parsePattern("(((a{100}){100}){100})")).toThrow("expression too large");
    expect(() => parsePattern("a".repeat(5000))).toThrow("more than 4096 characters");
    expect(() => parsePattern(`${"(".repeat(1000)}${")".repeat(1000)}`)).toThrow(
      "nests too deeply",
    );
  });

  test("tells patterns that match a whole text from those that match a part", () => {
    const anchored = ["^a$", "\\Aa\\z", "^(a|b)$", "^a$|^b$", "^(?:a$|b$)"];
    const open = ["a", "^a", "a$", "^a|b$", "(?m)^a$", "^a$|b"];
    for (const pattern of anchored) expect(parsePattern(pattern).isAnchored).toBe(true);
    for (const pattern of open) expect(parsePattern(pattern).isAnchored).toBe(false);
  });
});
