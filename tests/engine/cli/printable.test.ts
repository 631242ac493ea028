import { expect, test } from "bun:test";
import { printableJson, printableLine, printableText } from "../../../engine/cli/printable.ts";

test("printableLine() spells out controls and marks that reorder text, and nothing else", () => {
  expect(printableLine("a\u0000\u001b[31m\u007f\u0085\u202e\u2066b")).toBe(
    "a\\u0000\\u001b[31m\\u007f\\u0085\\u202e\\u2066b",
  );
  expect(printableLine("one\ntwo\tthree")).toBe("one\\u000atwo\\u0009three");
  expect(printableLine("Grüße 🍒 日本")).toBe("Grüße 🍒 日本");
});

test("printableText() keeps lines, but indents all behind the first", () => {
  expect(printableText("a\nb\r\nc\u001b\n")).toBe("a\n  b\n  c\\u001b");
});

test("printableJson() keeps the value", () => {
  const value = { "k\u202e\u0085": "\u001b[2J\u2028\u009b" };
  const json = printableJson(JSON.stringify(value));
  expect(json).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/);
  expect(JSON.parse(json)).toEqual(value);
});
