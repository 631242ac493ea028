import { utf8Pieces } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import { explainFileError } from "./files.ts";
import { writeSome } from "./runtime_output.ts";

/** How long to wait for a reader who is slow, before it is tried again. */
const SLOW_READER_MS = 5;

/** Standard output or standard error. */
export interface StandardOutput {
  /** Writes all of it before it returns. @throws {CosignError} `FILE_WRITE`. */
  write(content: string | Uint8Array): void;
}

/**
 * Opens standard output (1) or standard error (2), to be written at once: the runtime's own stream
 * takes longer to load than most commands take. When nobody reads it any more, nothing is written.
 */
export function standardOutput(descriptor: 1 | 2): StandardOutput {
  let isGone = false;
  const write = (bytes: Uint8Array): number => {
    try {
      return writeSome(descriptor, bytes);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "EAGAIN") {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SLOW_READER_MS);
        return 0;
      }
      if (code === "EPIPE") {
        isGone = true;
        return 0;
      }
      const name = descriptor === 1 ? "standard output" : "standard error";
      throw new CosignError("FILE_WRITE", `Cannot write ${name}: ${explainFileError(error)}`, {
        cause: error,
      });
    }
  };
  return {
    write: (content) => {
      for (const piece of typeof content === "string" ? utf8Pieces(content) : [content]) {
        let rest = piece;
        while (rest.length > 0 && !isGone) rest = rest.subarray(write(rest));
      }
    },
  };
}
