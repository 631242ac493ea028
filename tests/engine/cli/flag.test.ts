import { describe, expect, test } from "bun:test";
import {
  type Flag,
  initialValue,
  parseCsvRecord,
  parseFlagValue,
} from "../../../engine/cli/flag.ts";

const flagOf = (flag: Partial<Flag> & { readonly type: Flag["type"] }): Flag =>
  ({ brief: "", values: ["a", "b"], ...flag }) as Flag;

describe("parseFlagValue()", () => {
  test("reads truth values as strconv.ParseBool", () => {
    const bool = flagOf({ type: "bool" });
    for (const text of ["1", "t", "T", "TRUE", "true", "True"]) {
      expect(parseFlagValue(bool, [text])).toBe(true);
    }
    for (const text of ["0", "f", "F", "FALSE", "false", "False"]) {
      expect(parseFlagValue(bool, [text])).toBe(false);
    }
    expect(() => parseFlagValue(bool, ["maybe"])).toThrow(
      'strconv.ParseBool: parsing "maybe": invalid syntax',
    );
  });

  test("takes the last of several texts, but all of a list", () => {
    expect(parseFlagValue(flagOf({ type: "text" }), ["x", "y"])).toBe("y");
    expect(parseFlagValue(flagOf({ type: "bool" }), ["true", "false"])).toBe(false);
    expect(parseFlagValue(flagOf({ type: "list" }), ["a=1,b=2", "c=3"])).toEqual([
      "a=1",
      "b=2",
      "c=3",
    ]);
    expect(parseFlagValue(flagOf({ type: "repeated" }), ["a,b", "c"])).toEqual(["a,b", "c"]);
  });

  test("reads Go durations into milliseconds", () => {
    const duration = flagOf({ type: "duration" });
    for (const [text, ms] of [
      ["3m0s", 180_000],
      ["1h2m3.5s", 3_723_500],
      ["300ms", 300],
      ["0", 0],
      ["+5s", 5000],
      [".5s", 500],
      ["1.h", 3_600_000],
      ["1us", 0.001],
    ] as const) {
      expect(parseFlagValue(duration, [text])).toBeCloseTo(ms, 9);
    }
  });

  test("refuses what is no duration in Go's words", () => {
    const duration = flagOf({ type: "duration" });
    expect(() => parseFlagValue(duration, ["5"])).toThrow('time: missing unit in duration "5"');
    for (const text of ["", "x", "5 s", "5sx", "-", "1d", "-3s", "1000000h", "s"]) {
      expect(() => parseFlagValue(duration, [text])).toThrow(SyntaxError);
    }
  });

  test("reads whole numbers, decimal and hexadecimal", () => {
    const int = flagOf({ type: "int" });
    expect(parseFlagValue(int, ["10"])).toBe(10);
    expect(parseFlagValue(int, ["-1"])).toBe(-1);
    expect(parseFlagValue(int, ["0x10"])).toBe(16);
    for (const text of ["x", "", "1.5", "1e3", "99999999999999999999"]) {
      expect(() => parseFlagValue(int, [text])).toThrow("strconv.ParseInt: parsing");
    }
  });

  test("takes only the words of a choice", () => {
    expect(parseFlagValue(flagOf({ type: "choice" }), ["b"])).toBe("b");
    expect(() => parseFlagValue(flagOf({ type: "choice" }), ["c"])).toThrow(
      'must be one of "a", "b"',
    );
  });
});

test("initialValue() is Go's zero value unless the flag says otherwise", () => {
  expect(initialValue(flagOf({ type: "bool" }))).toBe(false);
  expect(initialValue({ type: "bool", brief: "", initial: true })).toBe(true);
  expect(initialValue(flagOf({ type: "list" }))).toEqual([]);
  expect(initialValue(flagOf({ type: "text" }))).toBeUndefined();
  expect(initialValue({ type: "text", brief: "", initial: "json" })).toBe("json");
  expect(initialValue(flagOf({ type: "choice" }))).toBeUndefined();
});

describe("parseCsvRecord()", () => {
  test("splits at commas, and keeps those in quotes", () => {
    expect(parseCsvRecord("a=1,b=2")).toEqual(["a=1", "b=2"]);
    expect(parseCsvRecord('"a=1,2",b=3')).toEqual(["a=1,2", "b=3"]);
    expect(parseCsvRecord('"say ""hi""=1"')).toEqual(['say "hi"=1']);
    expect(parseCsvRecord("a,")).toEqual(["a", ""]);
    expect(parseCsvRecord("")).toEqual([]);
  });

  test("reads one record: the first line that is not empty", () => {
    expect(parseCsvRecord("\na,b\nc")).toEqual(["a", "b"]);
    expect(parseCsvRecord('"a\nb",c')).toEqual(["a\nb", "c"]);
  });

  test("refuses quotes that Go refuses", () => {
    expect(() => parseCsvRecord('"a')).toThrow('extraneous or missing " in quoted-field');
    expect(() => parseCsvRecord('"a"b')).toThrow('extraneous or missing " in quoted-field');
    expect(() => parseCsvRecord('a"b')).toThrow('bare " in non-quoted field');
  });
});
