import { randomBytes } from "node:crypto";
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { CosignError } from "../model/errors.ts";
import { explainFileError } from "./files.ts";

const BUFFER_CHARACTERS = 65_536;

/**
 * Writes a text file piece by piece, so that it need not stand in memory. It is there whole or not
 * at all; one of the same name is replaced.
 *
 * @throws {CosignError} `FILE_WRITE`. What producing the pieces throws is handed through.
 */
export function writePieces(path: string, pieces: Iterable<string>): void {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(8).toString("hex")}`);
  let fd: number | undefined;
  try {
    const opened = guarded(path, () => openSync(temporary, "wx", 0o666));
    fd = opened;
    let buffer = "";
    for (const piece of pieces) {
      buffer += piece;
      if (buffer.length < BUFFER_CHARACTERS) continue;
      guarded(path, () => writeAll(opened, buffer));
      buffer = "";
    }
    guarded(path, () => {
      writeAll(opened, buffer);
      fsyncSync(opened);
      closeSync(opened);
      fd = undefined;
      renameSync(temporary, path);
    });
  } finally {
    if (fd !== undefined) closeSync(fd);
    rmSync(temporary, { force: true });
  }
}

/**
 * Finds out early what {@link writePieces} would fail for late: no such directory, no permission.
 *
 * @throws {CosignError} `FILE_WRITE`.
 */
export function checkWritable(path: string): void {
  guarded(path, () => {
    const directory = dirname(path);
    if (!statSync(directory).isDirectory()) throw new Error(`"${directory}" is no directory`);
    accessSync(directory, constants.W_OK);
  });
}

function writeAll(fd: number, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new CosignError("FILE_WRITE", `Cannot write file "${path}": ${explainFileError(error)}`, {
      cause: error,
    });
  }
}
