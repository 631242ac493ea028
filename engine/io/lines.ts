import { createReadStream } from "node:fs";
import { CosignError, describeError } from "../model/errors.ts";

const STDIN = 0;
const MAX_LINE_CHARACTERS = 65_536; // a reference has at most 1,024

/**
 * The lines of standard input, as they come; what stands behind the last line end is one too.
 *
 * @throws {CosignError} `LIMIT_EXCEEDED` for a line without end; `FILE_READ`.
 */
export async function* stdinLines(): AsyncGenerator<string, void, undefined> {
  const stream = createReadStream("", { fd: STDIN, autoClose: false });
  yield* splitLines(stream);
}

/** The lines of a stream of UTF-8 pieces, wherever they are cut. @throws {CosignError} as {@link stdinLines}. */
export async function* splitLines(
  pieces: AsyncIterable<Uint8Array | string>,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const piece of pieces) {
      rest += typeof piece === "string" ? piece : decoder.decode(piece, { stream: true });
      const lines = rest.split(/\r?\n/);
      rest = lines.pop() ?? "";
      yield* lines;
      if (rest.length > MAX_LINE_CHARACTERS) {
        throw new CosignError(
          "LIMIT_EXCEEDED",
          `Cannot read standard input: a line has more than ${MAX_LINE_CHARACTERS} characters`,
        );
      }
    }
  } catch (error) {
    if (error instanceof CosignError) throw error;
    const detail = describeError(error);
    throw new CosignError("FILE_READ", `Cannot read standard input: ${detail}`, { cause: error });
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}
