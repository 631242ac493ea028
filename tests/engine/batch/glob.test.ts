import { describe, expect, test } from "bun:test";
import { matchesGlob } from "../../../engine/batch/_glob.ts";

describe("matchesGlob()", () => {
  test.each([
    ["v*", "v1.2.3", true],
    ["v*", "1.2.3", false],
    ["*-rc*", "v1-rc1", true],
    ["*-rc*", "v1", false],
    ["*", "", true],
    ["*", "team/api", false],
    ["**", "team/api", true],
    ["team/*", "team/api", true],
    ["team/*", "team/api/v2", false],
    ["team/**", "team/api/v2", true],
    ["**/api", "a/b/api", true],
    ["v?", "v1", true],
    ["v?", "v12", false],
    ["?", "/", false],
    ["v1.2", "v1x2", false],
    ["[a]", "a", false],
    ["", "", true],
    ["", "a", false],
    ["*a*b", "xaybzb", true],
  ])("%p and %p: %p", (glob, name, matches) => {
    expect(matchesGlob(glob, name)).toBe(matches);
  });

  test("is not slowed down by many stars", () => {
    const startedMs = performance.now();
    expect(matchesGlob("*a".repeat(60), "a".repeat(59) + "b".repeat(200))).toBe(false);
    expect(performance.now() - startedMs).toBeLessThan(200);
  });
});
