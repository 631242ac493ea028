import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CosignError } from "../model/errors.ts";
import { explainFileError } from "./files.ts";

/**
 * Writes a file piece by piece. A regular file is there whole or not at all, one of the same name is
 * replaced; a pipe or a device is written in its place.
 *
 * @throws {CosignError} `FILE_WRITE`, and what producing the pieces throws.
 */
export async function writeStreamedFile(
  path: string,
  pieces: AsyncIterable<Uint8Array>,
): Promise<void> {
  const info = await stat(path).catch(() => undefined);
  if (info !== undefined && !info.isFile() && !info.isDirectory()) {
    await using file = await attempt(path, () => open(path, "w"));
    await writePieces(path, file, pieces);
    return;
  }
  const temporary = join(dirname(path), `.${basename(path)}.${crypto.randomUUID()}`);
  try {
    {
      await using file = await attempt(path, () => open(temporary, "wx"));
      await writePieces(path, file, pieces);
    }
    await attempt(path, () => rename(temporary, path));
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined); // not even the directory is there
  }
}

async function writePieces(
  path: string,
  file: FileHandle,
  pieces: AsyncIterable<Uint8Array>,
): Promise<void> {
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      at += (await attempt(path, () => file.write(piece, at))).bytesWritten;
    }
  }
}

async function attempt<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    const why = explainFileError(cause);
    throw new CosignError("FILE_WRITE", `Cannot write file "${path}": ${why}`, { cause });
  }
}
