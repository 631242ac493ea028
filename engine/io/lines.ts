import { CosignError, describeError } from "../model/errors.ts";

const MAX_LINE_CHARACTERS = 65_536; // a reference has at most 1,024

/**
 * The lines of standard input, as they come; what stands behind the last line end is one too.
 *
 * @param signal Gives the rest up: a program that waits for input could not end.
 * @throws {CosignError} `LIMIT_EXCEEDED` for a line without end; `FILE_READ`, also when it was given up.
 */
export async function* stdinLines(signal: AbortSignal): AsyncGenerator<string, void, undefined> {
  const { stdin } = process;
  const giveUp = () => {
    stdin.on("error", () => undefined); // nobody listens any more
    stdin.destroy(new Error("it was given up"));
    // A pipe or terminal that says nothing would keep the program alive; files do not have it.
    if (typeof stdin.unref === "function") stdin.unref();
  };
  if (signal.aborted) return giveUp();
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    yield* splitLines(stdin);
  } finally {
    signal.removeEventListener("abort", giveUp);
    if (!stdin.destroyed) giveUp();
  }
}

/**
 * The lines of a stream of UTF-8 pieces, wherever they are cut.
 *
 * @param name Of the stream, for messages.
 * @throws {CosignError} as {@link stdinLines}.
 */
export async function* splitLines(
  pieces: AsyncIterable<Uint8Array | string>,
  name = "standard input",
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
          `Cannot read ${name}: a line has more than ${MAX_LINE_CHARACTERS} characters`,
        );
      }
    }
  } catch (error) {
    if (error instanceof CosignError) throw error;
    const detail = describeError(error);
    throw new CosignError("FILE_READ", `Cannot read ${name}: ${detail}`, { cause: error });
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}
