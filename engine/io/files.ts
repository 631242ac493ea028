import { link, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { joinBytes } from "../model/bytes.ts";
import { CosignError, describeError, type ErrorCode } from "../model/errors.ts";
import { isNamedPipe, readNamedPipe } from "./named_pipe.ts";

/** Who makes a named pipe for us writes into it sooner than this. */
const PIPE_TIMEOUT_MS = 60_000;

/**
 * Reads a whole file, or what a pipe such as `/dev/fd/3` gives until its end. A named pipe whose writer
 * lets us wait for a minute is given up.
 *
 * @param failure The code when it cannot be read.
 * @throws {CosignError} `failure`; `LIMIT_EXCEEDED` when it is longer than `limitBytes`.
 */
export async function readFileBytes(
  path: string,
  limitBytes: number,
  failure: ErrorCode = "FILE_READ",
): Promise<Uint8Array> {
  try {
    if (isNamedPipe(path)) return await readPipeBytes(path, limitBytes, failure);
    await using file = await open(path, "r");
    const buffer = new Uint8Array(limitBytes + 1);
    let sizeBytes = 0;
    while (sizeBytes < buffer.length) {
      const { bytesRead } = await file.read(buffer, sizeBytes, buffer.length - sizeBytes, null);
      if (bytesRead === 0) return buffer.slice(0, sizeBytes);
      sizeBytes += bytesRead;
    }
  } catch (error) {
    if (error instanceof CosignError) throw error;
    throw new CosignError(failure, `Cannot read file "${path}": ${explainFileError(error)}`, {
      cause: error,
    });
  }
  throw tooLong(path, limitBytes);
}

async function readPipeBytes(
  path: string,
  limitBytes: number,
  failure: ErrorCode,
): Promise<Uint8Array> {
  const why = `Cannot read file "${path}": nobody writes into this pipe`;
  const controller = new AbortController();
  const giveUp = (): void => controller.abort(new CosignError(failure, why));
  const timer = setTimeout(giveUp, PIPE_TIMEOUT_MS);
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const piece of readNamedPipe(path, controller.signal)) {
      sizeBytes += piece.length;
      if (sizeBytes > limitBytes) throw tooLong(path, limitBytes);
      pieces.push(piece);
    }
  } finally {
    clearTimeout(timer);
  }
  return joinBytes(pieces);
}

function tooLong(path: string, limitBytes: number): CosignError {
  return new CosignError(
    "LIMIT_EXCEEDED",
    `Cannot read file "${path}": longer than ${limitBytes} bytes`,
  );
}

/** How {@link writeWholeFile} writes. */
export interface WriteOptions {
  /** Permission bits, before the umask: `0o600`. */
  readonly mode: number;
  /** Puts the file in the place of one that is there. Default false: then that is an error. */
  readonly replace?: boolean;
}

/**
 * Writes a file that is there whole or not at all, whatever happens meanwhile: the bytes go into
 * another file in the same directory, which then gets the name.
 *
 * @throws {CosignError} `FILE_EXISTS` when the name is taken and `replace` is not set; `FILE_WRITE`.
 */
export async function writeWholeFile(
  path: string,
  bytes: Uint8Array,
  { mode, replace = false }: WriteOptions,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${crypto.randomUUID()}`);
  try {
    await writeNew(temporary, bytes, mode);
    if (replace) await rename(temporary, path);
    else await giveName(temporary, path, bytes, mode);
  } catch (error) {
    const exists = codeOf(error) === "EEXIST";
    throw new CosignError(
      exists ? "FILE_EXISTS" : "FILE_WRITE",
      `Cannot write file "${path}": ${explainFileError(error)}`,
      { cause: error },
    );
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Why a file could not be read or written, in a person's words. */
export function explainFileError(error: unknown): string {
  switch (codeOf(error)) {
    case "ENOENT":
      return "no such file or directory";
    case "EACCES":
    case "EPERM":
      return "permission denied";
    case "EISDIR":
      return "is a directory";
    case "ENOTDIR":
      return "not a directory";
    case "EEXIST":
      return "file exists";
    case "ENOSPC":
      return "no space left on device";
    case "EROFS":
      return "read-only file system";
    default:
      return describeError(error);
  }
}

async function writeNew(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  await using file = await open(path, "wx", mode);
  await file.writeFile(bytes);
  await file.sync();
}

/** Gives the file a second name, which fails when that is taken: a rename would put it in its place. */
async function giveName(from: string, to: string, bytes: Uint8Array, mode: number): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (codeOf(error) === "EEXIST") throw error;
    await writeNew(to, bytes, mode); // a file system without links, such as FAT
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
