import { describe, expect, test } from "bun:test";
import {
  base64Length,
  encodeBase64,
  joinBytes,
  parseBase64,
  parseBase64Either,
  parseUtf8,
  utf8,
  utf8Joined,
  utf8Pieces,
  writeBase64,
} from "../../../engine/model/bytes.ts";

const LENGTHS = [0, 1, 2, 3, 4, 0xbffe, 0xbfff, 0xc000, 0xc001, 0x18001];
const bytesOf = (length: number) => new Uint8Array(length).map((_, at) => at * 31 + 7);

describe("base64", () => {
  test.each(LENGTHS)("of %d bytes is what Node makes of them, and back", (length) => {
    const bytes = bytesOf(length);
    const text = Buffer.from(bytes).toString("base64");
    expect(encodeBase64(bytes)).toBe(text);
    expect(base64Length(bytes)).toBe(text.length);
    const target = new Uint8Array(text.length + 2).fill(0x2e);
    expect(writeBase64(bytes, target, 1)).toBe(text.length);
    expect(parseUtf8(target)).toBe(`.${text}.`);
    expect(parseBase64(text)).toEqual(bytes);
    expect(parseBase64(text.replaceAll(/.{64}/g, "$&\r\n"))).toEqual(bytes);
  });

  test.each(["A", "AA", "AAA", "=", "A===", "AA=A", "A A=", "AA==AAAA", "A-_=", "AAAA\u00a0"])(
    "%j is none of the standard alphabet with padding",
    (text) => {
      expect(() => parseBase64(text)).toThrow(SyntaxError);
    },
  );

  test("is read in either alphabet where that is asked for", () => {
    expect(parseBase64Either("-_-_")).toEqual(parseBase64("+/+/"));
  });
});

describe("UTF-8", () => {
  test("utf8Joined() is the bytes of the texts one after another", () => {
    const texts = ["a", "", "é\u2028", "\u{1f600}", "\ud800"];
    expect(utf8Joined(...texts)).toEqual(joinBytes(texts.map(utf8)));
  });

  test.each([0, 1, 2, 3])("utf8Pieces() does not cut a character, %d units in", (shift) => {
    const text = `${"x".repeat(1024 * 1024 - shift)}\u{1f600}\u{1f600}é`;
    const pieces = [...utf8Pieces(text)];
    expect(pieces.length).toBe(2);
    expect(Buffer.compare(joinBytes(pieces), utf8(text))).toBe(0);
  });

  test("utf8Pieces() of no text is no piece", () => {
    expect([...utf8Pieces("")]).toEqual([]);
  });
});
