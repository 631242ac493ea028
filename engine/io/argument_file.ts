import { readFileBytes } from "./files.ts";
import { readStdin } from "./terminal.ts";

/**
 * What a file argument names: a file, or `-` for standard input.
 *
 * @throws {CosignError} `FILE_READ`, `LIMIT_EXCEEDED`.
 */
export async function readArgument(path: string, limitBytes: number): Promise<Uint8Array> {
  return path === "-" ? await readStdin(limitBytes) : await readFileBytes(path, limitBytes);
}
