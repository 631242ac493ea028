import { describe, expect, test } from "bun:test";
import {
  derElements,
  encodeDer,
  parseDer,
  parseDerBitString,
  parseDerOid,
  parseDerSequence,
  parseDerUnsigned,
  TAG,
} from "../../../engine/crypto/der.ts";

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text.replaceAll(" ", ""));
const integer = (text: string) => parseDer(hex(text), TAG.integer);

describe("parseDer()", () => {
  test("takes lengths in their shortest form (CVE-2020-13822, CVE-2024-42459)", () => {
    for (const size of [0, 1, 127, 128, 255, 256, 65_000]) {
      const encoded = encodeDer(TAG.octetString, new Uint8Array(size));
      expect(parseDer(encoded, TAG.octetString).content.length).toBe(size);
    }
  });

  test.each([
    ["nothing", ""],
    ["a tag alone", "04"],
    ["contents that are cut off", "04 02 00"],
    ["a length that is cut off", "04 82 01"],
    ["bytes after the end", "04 01 00 00"],
    ["a long form for a short length", "04 81 01 00"],
    ["a length with a leading zero", `04 82 00 80 ${"00".repeat(128)}`],
    ["an indefinite length", "30 80 00 00"],
    ["a length of four octets", "04 84 00 00 00 01 00"],
    ["a length of 127 octets", "04 ff 00"],
    ["an identifier of two octets", "1f 81 00"],
    ["another type", "05 00"],
  ])("refuses %s", (_what, text) => {
    expect(() => parseDer(hex(text), TAG.octetString)).toThrow(SyntaxError);
  });

  test("refuses more than 64 KiB before it looks at them", () => {
    const huge = encodeDer(TAG.octetString, new Uint8Array(65_536));
    expect(() => parseDer(huge, TAG.octetString)).toThrow("longer than 65536 bytes");
  });
});

test("derElements() refuses more elements than any key has", () => {
  expect(derElements(new Uint8Array(128).fill(5).map((b, i) => (i % 2 ? 0 : b))).length).toBe(64);
  expect(() => derElements(hex("0500".repeat(65)))).toThrow("more than 64 elements");
});

test("derElements() does not look into elements, so depth costs nothing (CVE-2025-66031)", () => {
  let nested = hex("0500");
  for (let depth = 0; depth < 5000; depth++) nested = encodeDer(TAG.sequence, nested);
  expect(parseDerSequence(nested).length).toBe(1);
});

describe("parseDerUnsigned()", () => {
  test.each([
    ["0", "02 01 00", ""],
    ["1", "02 01 01", "01"],
    ["127", "02 01 7f", "7f"],
    ["128", "02 02 00 80", "80"],
    ["65537", "02 03 01 00 01", "010001"],
  ])("reads %s", (_what, text, magnitude) => {
    expect(parseDerUnsigned(integer(text)).toHex()).toBe(magnitude);
  });

  test.each([
    ["no contents", "02 00"],
    ["-1", "02 01 ff"],
    ["-128", "02 01 80"],
    ["0 in two octets", "02 02 00 00"],
    ["1 in two octets", "02 02 00 01"],
    ["-1 in two octets", "02 02 ff ff"],
  ])("refuses %s", (_what, text) => {
    expect(() => parseDerUnsigned(integer(text))).toThrow(SyntaxError);
  });

  test("refuses a missing element and another type", () => {
    expect(() => parseDerUnsigned(undefined)).toThrow("missing");
    expect(() => parseDerUnsigned(parseDer(hex("0500"), TAG.null))).toThrow("expected 0x02");
  });
});

test("parseDerBitString() takes whole octets only", () => {
  expect(parseDerBitString(parseDer(hex("03 02 00 aa"), TAG.bitString)).toHex()).toBe("aa");
  for (const text of ["03 00", "03 02 01 aa"]) {
    expect(() => parseDerBitString(parseDer(hex(text), TAG.bitString))).toThrow(SyntaxError);
  }
});

test("parseDerOid() compares object identifiers as they are encoded (CVE-2025-66030)", () => {
  const [oid] = parseDerSequence(hex("30 0a 06 08 2a 86 48 ce 3d 03 01 07"));
  expect(parseDerOid(oid)).toBe("2a8648ce3d030107");
});
