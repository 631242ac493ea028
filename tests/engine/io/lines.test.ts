import { describe, expect, test } from "bun:test";
import { splitLines } from "../../../engine/io/lines.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import { hasCode } from "../../../engine/model/errors.ts";

async function* pieces(...all: readonly (string | Uint8Array)[]) {
  yield* all;
}
const linesOf = (...all: readonly (string | Uint8Array)[]) =>
  Array.fromAsync(splitLines(pieces(...all)));

describe("splitLines()", () => {
  test("finds lines wherever the pieces are cut", async () => {
    expect(await linesOf("a\nb", "c\r\n", "", "d")).toEqual(["a", "bc", "d"]);
    expect(await linesOf("a\r", "\nb\n")).toEqual(["a", "b"]);
    expect(await linesOf("a\n\nb\n")).toEqual(["a", "", "b"]);
    expect(await linesOf()).toEqual([]);
    const bytes = utf8("ä\nö\n");
    expect(await linesOf(...Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(["ä", "ö"]);
  });

  test("refuses a line without end", async () => {
    const endless = Array.from({ length: 5 }, () => "x".repeat(20_000));
    const error = await linesOf(...endless).catch((thrown) => thrown);
    expect(hasCode(error, "LIMIT_EXCEEDED")).toBe(true);
  });

  test("says that the input cannot be read", async () => {
    async function* broken() {
      yield "a\n";
      throw new Error("the pipe broke");
    }
    const error = await Array.fromAsync(splitLines(broken())).catch((thrown) => thrown);
    expect(hasCode(error, "FILE_READ")).toBe(true);
  });
});
