import { describe, expect, test } from "bun:test";
import { parseDurationMs } from "../../../engine/model/duration.ts";

describe("parseDurationMs()", () => {
  test.each([
    ["0", 0],
    ["90s", 90_000],
    ["3m0s", 180_000],
    ["1h2m3.5s", 3_723_500],
    ["250ms", 250],
    ["1.5h", 5_400_000],
    [".5s", 500],
  ])("reads %p as Go does", (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
  });

  test.each(["", "5", "5 minutes", "s", "1d", "1h-2m", "99999h", "1e3s", "1_000s"])(
    "refuses %p",
    (text) => {
      expect(() => parseDurationMs(text)).toThrow(SyntaxError);
    },
  );
});
