import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeKeyPair } from "../../../engine/keys/write.ts";
import { CosignError } from "../../../engine/model/errors.ts";

const PAIR = { privatePem: "private\n", publicPem: "public\n" };
let folder = "";
let prefix = "";
let told: string[] = [];
const tell = (line: string): void => {
  told.push(line);
};
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cosign-write-"));
  prefix = join(folder, "cosign");
  told = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

test("writeKeyPair() writes both files, the private one for its owner only, and says so", async () => {
  const umask = process.umask(0o022);
  await writeKeyPair(prefix, PAIR, { tell }).finally(() => process.umask(umask));
  expect(readFileSync(`${prefix}.key`, "utf8")).toBe(PAIR.privatePem);
  expect(readFileSync(`${prefix}.pub`, "utf8")).toBe(PAIR.publicPem);
  expect([modeOf(`${prefix}.key`), modeOf(`${prefix}.pub`)]).toEqual(["600", "644"]);
  expect(readdirSync(folder).sort()).toEqual(["cosign.key", "cosign.pub"]);
  expect(told).toEqual([
    `Private key written to ${prefix}.key`,
    `Public key written to ${prefix}.pub`,
  ]);
});

test("writeKeyPair() asks before it replaces a private key, and keeps it when the answer is no", async () => {
  writeFileSync(`${prefix}.key`, "old");
  const asked: string[] = [];
  const confirm = (warning: string): Promise<void> => {
    asked.push(warning);
    return Promise.reject(new CosignError("PROMPT_DECLINED", "no"));
  };
  const answer = writeKeyPair(prefix, PAIR, { tell, confirm });
  expect(await answer.catch((each: unknown) => each)).toHaveProperty("code", "PROMPT_DECLINED");
  expect(asked).toEqual([`File ${prefix}.key already exists. Overwrite?`]);
  expect(readFileSync(`${prefix}.key`, "utf8")).toBe("old");
  expect([existsSync(`${prefix}.pub`), told]).toEqual([false, []]);
});

test("writeKeyPair() replaces a private key after a yes, and its permissions too", async () => {
  writeFileSync(`${prefix}.key`, "old");
  chmodSync(`${prefix}.key`, 0o666);
  await writeKeyPair(prefix, PAIR, { tell, confirm: () => Promise.resolve() });
  expect(readFileSync(`${prefix}.key`, "utf8")).toBe(PAIR.privatePem);
  expect(modeOf(`${prefix}.key`)).toBe("600");
});

test("writeKeyPair() does not write through a link, not even one that leads nowhere", async () => {
  const elsewhere = join(folder, "elsewhere");
  symlinkSync(elsewhere, `${prefix}.key`);
  const error = await writeKeyPair(prefix, PAIR, { tell }).catch((each: unknown) => each);
  expect(error).toHaveProperty("code", "FILE_EXISTS");
  expect(existsSync(elsewhere)).toBeFalse();
});

test("writeKeyPair() leaves nothing behind when the folder takes no files", async () => {
  const missing = join(folder, "missing", "cosign");
  const error = await writeKeyPair(missing, PAIR, { tell }).catch((each: unknown) => each);
  expect(error).toEqual(
    expect.objectContaining({
      code: "FILE_WRITE",
      message: `Cannot write file "${missing}.key": no such file or directory`,
    }),
  );
});

test("writeKeyPair() says which file it could not write", async () => {
  mkdirSync(`${prefix}.pub`);
  const error = await writeKeyPair(prefix, PAIR, { tell }).catch((each: unknown) => each);
  expect(error).toEqual(
    expect.objectContaining({ code: "FILE_WRITE", message: expect.stringContaining("cosign.pub") }),
  );
  expect(readdirSync(folder).sort()).toEqual(["cosign.key", "cosign.pub"]);
});
