import { open, stat } from "node:fs/promises";
import { CosignError } from "../model/errors.ts";
import { explainFileError } from "./files.ts";

/** Large enough for the disk, small enough for many at once. */
const PIECE_BYTES = 256 * 1024;

/**
 * The content of a regular file, piece by piece. Pipes and devices are refused: they cannot be read twice,
 * and need not end.
 *
 * @throws {CosignError} `FILE_READ`.
 */
export async function* filePieces(path: string): AsyncGenerator<Uint8Array> {
  try {
    const info = await stat(path); // before it is opened: opening a pipe waits for its writer
    if (info.isDirectory()) throw unreadable(path, "is a directory");
    if (!info.isFile()) throw unreadable(path, "is no regular file");
    await using file = await open(path, "r");
    for (;;) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(PIECE_BYTES), 0, PIECE_BYTES);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } catch (cause) {
    if (cause instanceof CosignError) throw cause;
    throw unreadable(path, explainFileError(cause), cause);
  }
}

function unreadable(path: string, why: string, cause?: unknown): CosignError {
  return new CosignError(
    "FILE_READ",
    `Cannot read file "${path}": ${why}`,
    cause === undefined ? {} : { cause },
  );
}
