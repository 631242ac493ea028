import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { utf8Pieces } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import { explainFileError } from "./files.ts";

/** A file that is written bit by bit; whoever opened it closes it. */
export interface OutputFile {
  write(text: string | Uint8Array): void;
  close(): void;
}

/** Makes or empties a file and opens it for writing. @throws {CosignError} `FILE_WRITE`. */
export function openOutputFile(path: string): OutputFile {
  const fd = attempt(path, () => openSync(path, "w"));
  return {
    write: (text) => {
      for (const bytes of typeof text === "string" ? utf8Pieces(text) : [text]) {
        attempt(path, () => {
          for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
        });
      }
    },
    close: () => closeSync(fd),
  };
}

/**
 * Writes a file in its place, so that it may be `/dev/stdout` or a named pipe.
 *
 * @param mode Its permissions when it is new.
 * @throws {CosignError} `FILE_WRITE`.
 */
export function writeOutputFile(path: string, content: Uint8Array | string, mode: number): void {
  attempt(path, () => writeFileSync(path, content, { mode }));
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new CosignError("FILE_WRITE", `Cannot write file "${path}": ${explainFileError(error)}`, {
      cause: error,
    });
  }
}
