import { describe, expect, test } from "bun:test";
import { encodePem, parsePem } from "../../../engine/crypto/pem.ts";
import { utf8 } from "../../../engine/model/bytes.ts";

const BLOCK = "-----BEGIN A-----\nQUJD\n-----END A-----\n";
const ABC = "414243";

describe("encodePem()", () => {
  test("breaks lines at 64 columns and ends with a line break", () => {
    const lines = encodePem("PUBLIC KEY", new Uint8Array(100)).split("\n");
    expect(lines[0]).toBe("-----BEGIN PUBLIC KEY-----");
    expect(lines.slice(1, -2).map((line) => line.length)).toEqual([64, 64, 8]);
    expect(lines.slice(-2)).toEqual(["-----END PUBLIC KEY-----", ""]);
  });

  test("writes what parsePem() reads, whatever the length", () => {
    for (let size = 0; size < 200; size++) {
      const bytes = new Uint8Array(size).map((_, i) => (i * 7 + size) % 256);
      expect(parsePem(encodePem("X Y", bytes))).toEqual({ type: "X Y", bytes, rest: "" });
    }
  });
});

describe("parsePem()", () => {
  test.each([
    ["text before and after it", `hello\n${BLOCK}bye`, "bye"],
    ["Windows line ends", BLOCK.replaceAll("\n", "\r\n"), ""],
    ["no line break at the end", BLOCK.trimEnd(), ""],
    ["blanks at the ends of lines", "-----BEGIN A----- \t\nQU JD\t\n-----END A-----  \n", ""],
    ["broken lines in the body", "-----BEGIN A-----\nQ\nU\nJ\n\nD\n-----END A-----\n", ""],
    ["an unfinished block before it", `-----BEGIN A-----\nQUJD\n${BLOCK}`, ""],
    [
      "a block with another end before it",
      `-----BEGIN A-----\nQUJD\n-----END B-----\n${BLOCK}`,
      "",
    ],
    [
      "a block that is not base64 before it",
      `-----BEGIN A-----\n**\n-----END A-----\n${BLOCK}`,
      "",
    ],
    ["a begin line without dashes before it", `-----BEGIN A\n${BLOCK}`, ""],
  ])("takes a block with %s, as Go's pem.Decode does", (_what, text, rest) => {
    const block = parsePem(text);
    expect([block.type, block.bytes.toHex(), block.rest]).toEqual(["A", ABC, rest]);
  });

  test("takes an empty block", () => {
    expect(parsePem("-----BEGIN A-----\n-----END A-----").bytes.length).toBe(0);
  });

  test("gives the blocks one after another by what is left", () => {
    const first = parsePem(`${BLOCK}${BLOCK.replaceAll(" A-", " B-")}`);
    expect([first.type, parsePem(first.rest).type]).toEqual(["A", "B"]);
  });

  test.each([
    ["nothing", ""],
    ["no PEM", "hello\n"],
    ["a begin that is not at the beginning of a line", ` ${BLOCK}`],
    ["no end", "-----BEGIN A-----\nQUJD\n"],
    ["an end that is not at the beginning of a line", "-----BEGIN A-----\nQUJD-----END A-----\n"],
    ["text behind the end", "-----BEGIN A-----\nQUJD\n-----END A-----x\n"],
    ["base64 without padding", "-----BEGIN A-----\nQUI\n-----END A-----\n"],
    ["four dashes", BLOCK.replaceAll("-----", "----")],
  ])("refuses %s", (_what, text) => {
    expect(() => parsePem(text)).toThrow("no block");
  });

  test("refuses headers, which announce an encryption of their own", () => {
    const text = "-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\n\nQUJD\n-----END A-----\n";
    expect(() => parsePem(text)).toThrow("it has headers");
  });

  test("takes time in proportion to the length of hostile text", () => {
    const hostile = `${"-----BEGIN A-----\nQQ==\n".repeat(40_000)}-----END B-----\n`;
    const startMs = performance.now();
    expect(() => parsePem(hostile)).toThrow("no block");
    expect(performance.now() - startMs).toBeLessThan(2000);
    expect(utf8(hostile).length).toBeGreaterThan(900_000);
  });
});
