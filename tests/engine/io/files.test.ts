import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readFileBytes, writeWholeFile } from "../../../engine/io/files.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import { requires } from "../../support/requires.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "cosign-files-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function thrown(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error("no error was thrown");
}

describe("readFileBytes()", () => {
  test("reads up to the limit and not a byte more", async () => {
    const path = join(folder, "ten");
    writeFileSync(path, "0123456789");
    expect(await readFileBytes(path, 10)).toEqual(utf8("0123456789"));
    expect(await thrown(readFileBytes(path, 9))).toHaveProperty("code", "LIMIT_EXCEEDED");
  });

  test("stops reading what has no end", async () => {
    expect(await thrown(readFileBytes("/dev/zero", 100_000))).toHaveProperty(
      "code",
      "LIMIT_EXCEEDED",
    );
  });

  requires("bash")("reads what a pipe gives", async () => {
    const script = `const { readFileBytes } = await import(${JSON.stringify(import.meta.resolve("../../../engine/io/files.ts"))});
      process.stdout.write(await readFileBytes(process.argv[1], 100));`;
    const child = Bun.spawn([
      "bash",
      "-c",
      '"$0" -e "$1" <(printf one; sleep 0.05; printf two)',
      process.execPath,
      script,
    ]);
    expect(await child.stdout.text()).toBe("onetwo");
  });

  test("carries the code that it was asked for, and says why in a person's words", async () => {
    expect(await thrown(readFileBytes(join(folder, "none"), 1, "KEY_NOT_FOUND"))).toEqual(
      expect.objectContaining({
        code: "KEY_NOT_FOUND",
        message: `Cannot read file "${join(folder, "none")}": no such file or directory`,
      }),
    );
    expect(await thrown(readFileBytes(folder, 1))).toEqual(
      expect.objectContaining({
        code: "FILE_READ",
        message: expect.stringContaining("is a directory"),
      }),
    );
  });
});

describe("writeWholeFile()", () => {
  test("does not replace what is there unless told to", async () => {
    const path = join(folder, "taken");
    writeFileSync(path, "old");
    expect(await thrown(writeWholeFile(path, utf8("new"), { mode: 0o600 }))).toHaveProperty(
      "code",
      "FILE_EXISTS",
    );
    expect(readFileSync(path, "utf8")).toBe("old");
    await writeWholeFile(path, utf8("new"), { mode: 0o600, replace: true });
    expect(readFileSync(path, "utf8")).toBe("new");
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("lets exactly one of many writers have a new name", async () => {
    const path = join(folder, "raced");
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) =>
        writeWholeFile(path, utf8(`writer ${i}`), { mode: 0o600 }),
      ),
    );
    const winners = outcomes.flatMap(({ status }, i) => (status === "fulfilled" ? [i] : []));
    expect(winners.length).toBe(1);
    expect(readFileSync(path, "utf8")).toBe(`writer ${winners[0]}`);
  });

  test("leaves nothing but the file in its folder", async () => {
    const own = join(folder, "own");
    mkdirSync(own);
    await writeWholeFile(join(own, "a"), utf8("a"), { mode: 0o600 });
    await thrown(writeWholeFile(join(own, "a"), utf8("b"), { mode: 0o600 }));
    mkdirSync(join(own, "folder"));
    await thrown(writeWholeFile(join(own, "folder"), utf8("b"), { mode: 0o600, replace: true }));
    expect(readdirSync(own).sort()).toEqual(["a", "folder"]);
  });

  requires("bash")("leaves the old file whole when the disk is full", async () => {
    const path = join(folder, "limited");
    writeFileSync(path, "old");
    const script = `const { writeWholeFile } = await import(${JSON.stringify(import.meta.resolve("../../../engine/io/files.ts"))});
      process.on("SIGXFSZ", () => {});
      await writeWholeFile(${JSON.stringify(path)}, new Uint8Array(1 << 20), { mode: 0o600, replace: true })
        .catch((error) => console.log(error.code));`;
    const child = Bun.spawn(
      ["bash", "-c", 'ulimit -f 64; exec "$0" -e "$1"', process.execPath, script],
      {
        stderr: "inherit",
      },
    );
    expect((await child.stdout.text()).trim()).toBe("FILE_WRITE");
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(folder).filter((name) => name.startsWith(".limited"))).toEqual([]);
  });
});
