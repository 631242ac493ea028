import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzip, gzip } from "../../../engine/formats/gzip.ts";
import { encodeTarFile, readTar } from "../../../engine/formats/tar.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (content: Uint8Array | undefined) => new TextDecoder().decode(content);
let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "tar-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** Runs the system's `tar` in the directory. */
function tar(...argv: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["tar", ...argv], { cwd: dir });
  if (exitCode !== 0) throw new Error(stderr.toString());
  return stdout.toString();
}

describe("encodeTarFile()", () => {
  test("writes what tar reads, long names too", () => {
    for (const name of ["build", "n".repeat(100), "n".repeat(101), "n".repeat(253)]) {
      writeFileSync(join(dir, "a.tar"), encodeTarFile(name, bytes("hello\n")));
      expect(tar("tf", "a.tar")).toBe(`${name}\n`);
      expect(tar("xOf", "a.tar")).toBe("hello\n");
    }
  });

  test("takes no name that leads elsewhere", () => {
    for (const name of ["", "../x", "a/b", "ü", "a\n"]) {
      expect(() => encodeTarFile(name, bytes(""))).toThrow(RangeError);
    }
  });
});

describe("readTar()", () => {
  test("reads what tar writes, in each of its forms", () => {
    const long = `dir/${"x".repeat(150)}`;
    mkdirSync(join(dir, "dir"));
    writeFileSync(join(dir, long), "long");
    writeFileSync(join(dir, "dir", "b"), "b".repeat(1000));
    for (const form of ["gnu", "pax", "posix"]) {
      tar("--sort=name", `--format=${form}`, "-cf", "b.tar", "dir");
      const entries = readTar(new Uint8Array(readFileSync(join(dir, "b.tar"))));
      const seen = entries.map(({ name, type, content }) => [name, type, text(content)]);
      expect(seen).toEqual([
        ["dir/", "directory", ""],
        ["dir/b", "file", "b".repeat(1000)],
        [long, "file", "long"],
      ]);
    }
  });

  test("refuses what is cut off, changed, without an end or followed by more", () => {
    const whole = encodeTarFile("a", bytes("content"));
    const changed = Uint8Array.from(whole);
    changed[0] = 0x62;
    const followed = new Uint8Array([...whole, 1]);
    for (const archive of [
      new Uint8Array(),
      bytes("no archive"),
      whole.subarray(0, 512),
      whole.subarray(0, 600),
      whole.subarray(0, 1024),
      changed,
      followed,
    ]) {
      expect(() => readTar(archive)).toThrow(SyntaxError);
    }
  });
});

describe("gzip()", () => {
  test("tells neither a time nor a system, and gzip reads it", () => {
    const packed = gzip(bytes("hello\n"));
    // ID, method, flags, time, "fastest", unknown system (RFC 1952 §2.3.1).
    expect([...packed.subarray(0, 10)]).toEqual([31, 139, 8, 0, 0, 0, 0, 0, 4, 255]);
    expect(Bun.spawnSync(["gzip", "-dc"], { stdin: packed }).stdout.toString()).toBe("hello\n");
  });
});

describe("gunzip()", () => {
  test("ends at its limit, whatever the input would become", () => {
    const bomb = gzip(new Uint8Array(20_000_000));
    expect(bomb.length).toBeLessThan(200_000);
    expect(() => gunzip(bomb, 1000)).toThrow("longer than 1000 bytes");
    expect(text(gunzip(gzip(bytes("x")), 1))).toBe("x");
  });

  test("refuses what is none, cut off, or followed by something else", () => {
    const whole = gzip(bytes("hello"));
    for (const wrong of [bytes("hello"), whole.subarray(0, 12), new Uint8Array([...whole, 7])]) {
      expect(() => gunzip(wrong, 1000)).toThrow(SyntaxError);
    }
  });
});
