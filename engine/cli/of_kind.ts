import { CosignError, describeError } from "../model/errors.ts";

const MAX_SHOWN = 200; // parsers quote what they read, and a file may be long

/**
 * Makes what is uploaded of what the user named.
 *
 * @throws {CosignError} `ARTIFACT_MISMATCH` when the kind's handler says that it is none of its kind.
 */
export function ofKind<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    const why = describeError(cause);
    const shown = why.length > MAX_SHOWN ? `${why.slice(0, MAX_SHOWN)}…` : why;
    throw new CosignError("ARTIFACT_MISMATCH", `Cannot upload: ${shown}`, { cause });
  }
}
