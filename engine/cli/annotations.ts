import { usage } from "./parse.ts";

/**
 * Reads `NAME=VALUE` annotations; a value may hold `=`, the last of a name counts.
 *
 * @throws {CosignError} `USAGE`.
 */
export function parseAnnotations(texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf("=");
      if (equals < 0) throw usage(`unable to parse annotation: ${text}`, "Write NAME=VALUE");
      return [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}
