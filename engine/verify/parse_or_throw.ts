import { CosignError, describeError, type ErrorCode } from "../model/errors.ts";

/** Parses what was signed; what cannot be read gets this room's code. @throws {CosignError} `code`. */
export function parseOrThrow<T>(code: ErrorCode, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new CosignError(code, describeError(cause), { cause });
  }
}
