import { describe, expect, test } from "bun:test";
import { parseTile, parseTiledEntry, tilePath } from "../../../engine/formats/tile.ts";
import { concatBytes, utf8 } from "../../../engine/model/bytes.ts";

describe("tilePath()", () => {
  test.each([
    // c2sp.org/tlog-tiles: "1234067 will be encoded as x001/x234/067"
    [0, 1_234_067, 256, "tile/0/x001/x234/067"],
    [0, 0, 256, "tile/0/000"],
    [1, 5, 112, "tile/1/005.p/112"],
    ["entries", 999, 1, "tile/entries/999.p/1"],
    ["entries", 1000, 256, "tile/entries/x001/000"],
  ] as const)("of level %s, index %d and width %d is %s", (level, index, width, path) => {
    expect(tilePath(level, index, width)).toBe(path);
  });
});

describe("parseTile()", () => {
  test("reads as many hashes as were asked for, also from a fuller tile", () => {
    const bytes = Uint8Array.from({ length: 96 }, (_, i) => i);
    expect(parseTile(bytes, 2)).toEqual([bytes.subarray(0, 32), bytes.subarray(32, 64)]);
  });

  test("throws for fewer hashes, and for what is cut inside of one", () => {
    expect(() => parseTile(new Uint8Array(32), 2)).toThrow(SyntaxError);
    expect(() => parseTile(new Uint8Array(65), 2)).toThrow(SyntaxError);
  });
});

describe("parseTiledEntry()", () => {
  const bundle = (...entries: readonly string[]): Uint8Array =>
    concatBytes(...entries.map((text) => concatBytes(Uint8Array.of(0, text.length), utf8(text))));

  test("reads one entry behind the others", () => {
    const bytes = bundle("one", "", "three");
    expect(parseTiledEntry(bytes, 0)).toEqual(utf8("one"));
    expect(parseTiledEntry(bytes, 1)).toEqual(utf8(""));
    expect(parseTiledEntry(bytes, 2)).toEqual(utf8("three"));
    const long = utf8("x".repeat(65_535));
    expect(parseTiledEntry(concatBytes(Uint8Array.of(255, 255), long), 0)).toEqual(long);
  });

  test("throws when there are fewer, or the last one is cut", () => {
    expect(() => parseTiledEntry(bundle("one"), 1)).toThrow(SyntaxError);
    expect(() => parseTiledEntry(bundle("one").slice(0, 4), 0)).toThrow(SyntaxError);
    expect(() => parseTiledEntry(Uint8Array.of(0), 0)).toThrow(SyntaxError);
    expect(() => parseTiledEntry(new Uint8Array(), 0)).toThrow(SyntaxError);
  });
});
