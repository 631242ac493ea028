/** A value that JSON can hold. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

/**
 * Encodes a value to the bytes that Go's `encoding/json` writes: no spaces, keys in the order of the
 * object (a Go struct) and `<`, `>`, `&`, U+2028 and U+2029 escaped. For a Go map, sort first:
 * {@link sortKeys}.
 *
 * @param replacer As `JSON.stringify()` has it.
 */
export function encodeGoJson(
  value: Json,
  replacer?: (key: string, value: unknown) => unknown,
): string {
  return JSON.stringify(value, replacer).replaceAll(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Keys in the order in which Go writes those of a map: by their UTF-8 bytes. */
export function orderKeys(keys: readonly string[]): readonly string[] {
  return [...keys].sort(compareCodePoints);
}

/** The same entries, keys in the order in which Go writes those of a map: by their UTF-8 bytes. */
export function sortKeys<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  const sorted: Record<string, T> = {};
  for (const key of orderKeys(Object.keys(record))) setMember(sorted, key, record[key] as T);
  return sorted;
}

/** Sets a member of an object, whatever it is called. */
export function setMember<T>(object: Record<string, T>, key: string, value: T): void {
  if (key !== "__proto__") object[key] = value;
  else Object.defineProperty(object, key, { value, enumerable: true });
}

/**
 * The value of `name` in an object that came from JSON, its case ignored as Go's decoder does.
 *
 * @returns nothing when there is no such key.
 * @throws {SyntaxError} when two keys differ in nothing but their case: readers would not agree.
 */
export function foldedValue(object: object, name: string): unknown {
  const matches = Object.entries(object).filter(
    ([key]) => key.toLowerCase() === name.toLowerCase(),
  );
  if (matches.length > 1) throw new SyntaxError(`"${name}" stands there more than once`);
  return matches[0]?.[1];
}

/** Whether a parsed JSON value is an object, and no array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const SURROGATE = /[\ud800-\udfff]/;

// Order by code points is order by UTF-8 bytes; JavaScript's own compares UTF-16 units.
function compareCodePoints(a: string, b: string): number {
  if (!SURROGATE.test(a) && !SURROGATE.test(b)) return a < b ? -1 : Number(a > b);
  const left = [...a];
  const right = [...b];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const difference = (left[i]?.codePointAt(0) ?? 0) - (right[i]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
