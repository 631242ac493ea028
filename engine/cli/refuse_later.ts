import { CosignError } from "../model/errors.ts";
import { type FlagTable, initialValue } from "./flag.ts";

/**
 * Refuses flags whose function comes with a later version, when they are given a value that asks for
 * it: true, a text that is not empty.
 *
 * @throws {CosignError} `FEATURE_UNAVAILABLE`.
 */
export function refuseLater(
  table: FlagTable,
  values: Readonly<Record<string, unknown>>,
  given: ReadonlySet<string>,
): void {
  for (const name of given) {
    const flag = Object.hasOwn(table, name) ? table[name] : undefined;
    if (flag?.support !== "later") continue;
    const value = values[name];
    if (value === initialValue(flag) || value === "" || value === false) continue;
    throw unavailable(`--${name}`);
  }
}

/** The error for what a later version will have. */
export function unavailable(what: string, hint?: string): CosignError {
  return new CosignError(
    "FEATURE_UNAVAILABLE",
    `${what} is not available in this version`,
    hint === undefined ? {} : { hint },
  );
}
