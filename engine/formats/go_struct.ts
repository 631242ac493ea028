import { isObject, orderKeys } from "./go_json.ts";
import { GoMap, type GoValue } from "./go_value.ts";

/**
 * A type of Go, as far as its JSON goes: what is read into one and written again has lost all that
 * the type does not have. `go` has the rules of `encoding/json`, `proto` those of protojson.
 */
export type Shape =
  | "text"
  | "bool"
  | "time"
  /** Base64, kept as it is. */
  | "bytes"
  /** Whatever it is. */
  | "any"
  /** An object of whatever. */
  | "object"
  | { readonly map: Shape }
  | { readonly list: Shape }
  | { readonly fields: readonly Field[] }
  /** Absent stays absent, while a struct by itself is there with all its fields empty. */
  | { readonly pointer: Shape };

/** A field of a struct. */
export interface Field {
  readonly name: string;
  readonly shape: Shape;
  /** `omitempty`: not written when it is empty. All fields of protojson are like this. */
  readonly optional?: true;
}

/** Whose rules hold. */
export type ShapeRules = "go" | "proto";

/**
 * Puts a value of parsed JSON into a shape, and takes it out again as Go would write it.
 *
 * @param path What stands in messages before the names of fields.
 * @throws {SyntaxError} naming the field that does not fit.
 */
export function reshape(value: unknown, shape: Shape, rules: ShapeRules, path = ""): GoValue {
  switch (shape) {
    case "text":
    case "bytes":
      return expectText(value, path);
    case "bool":
      if (isNothing(value)) return false;
      if (typeof value !== "boolean") throw misfit(value, path, "true or false");
      return value;
    case "time":
      return isNothing(value) ? ZERO_TIME : reshapeTime(value, rules, path);
    case "any":
      return isNothing(value) ? null : new GoMap(value);
    case "object":
      if (isNothing(value)) return null;
      if (!isObject(value)) throw misfit(value, path, "an object");
      return new GoMap(value);
    default:
      return reshapeCompound(value, shape, rules, path);
  }
}

const ZERO_TIME = "0001-01-01T00:00:00Z";

type Compound = Exclude<Shape, string>;

function reshapeCompound(
  value: unknown,
  shape: Compound,
  rules: ShapeRules,
  path: string,
): GoValue {
  if ("pointer" in shape) {
    return isNothing(value) ? null : reshape(value, shape.pointer, rules, path);
  }
  if ("list" in shape) {
    if (isNothing(value)) return null;
    if (!Array.isArray(value)) throw misfit(value, path, "a list");
    return value.map((member, at) => reshape(member, shape.list, rules, `${path}[${at}]`));
  }
  if ("map" in shape) {
    if (isNothing(value)) return null;
    if (!isObject(value)) throw misfit(value, path, "an object");
    const entries = orderKeys(Object.keys(value)).map((key) => [
      key,
      reshape(value[key], shape.map, rules, joined(path, key)),
    ]);
    return new GoMap(Object.fromEntries(entries));
  }
  return reshapeStruct(value, shape.fields, rules, path);
}

function reshapeStruct(
  value: unknown,
  fields: readonly Field[],
  rules: ShapeRules,
  path: string,
): GoValue {
  if (!isNothing(value) && !isObject(value)) throw misfit(value, path, "an object");
  const entries: [string, GoValue][] = [];
  for (const { name, shape, optional } of fields) {
    const member = isObject(value) ? memberOf(value, name, rules) : undefined;
    if (rules === "proto" && isNothing(member)) continue;
    const reshaped = reshape(member, shape, rules, joined(path, name));
    if ((optional === true || rules === "proto") && isEmpty(reshaped, shape)) continue;
    entries.push([name, reshaped]);
  }
  return Object.fromEntries(entries);
}

/** Go's decoder finds keys without regard to case, the exact one first; protojson knows snake_case too. */
function memberOf(value: Record<string, unknown>, name: string, rules: ShapeRules): unknown {
  if (Object.hasOwn(value, name)) return value[name];
  if (rules === "proto") {
    const snake = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return Object.hasOwn(value, snake) ? value[snake] : undefined;
  }
  const folded = name.toLowerCase();
  const key = Object.keys(value).findLast((candidate) => candidate.toLowerCase() === folded);
  return key === undefined ? undefined : value[key];
}

/** What `omitempty` leaves out. A struct is never empty. */
function isEmpty(value: GoValue, shape: Shape): boolean {
  if (value === null) return true;
  if (shape === "any" || (typeof shape === "object" && "fields" in shape)) return false;
  if (value === "" || value === false) return true;
  const isCollection = typeof shape === "object" && ("map" in shape || "list" in shape);
  const content = value instanceof GoMap ? value.value : value;
  return isCollection && Object.keys(content ?? {}).length === 0;
}

function expectText(value: unknown, path: string): string {
  if (isNothing(value)) return "";
  if (typeof value !== "string") throw misfit(value, path, "a text");
  return value;
}

const RFC3339 = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})$/;

/** Go keeps the offset and drops zeros at the end; protojson writes UTC, in groups of three digits. */
function reshapeTime(value: unknown, rules: ShapeRules, path: string): string {
  const match = typeof value === "string" ? RFC3339.exec(value) : null;
  const atMs = typeof value === "string" ? Date.parse(value) : Number.NaN;
  if (match === null || Number.isNaN(atMs)) throw misfit(value, path, "a time of RFC 3339");
  const [, seconds = "", digits = "", zone = ""] = match;
  const fraction = digits.replace(/0+$/, "");
  if (rules === "go") return `${seconds}${fraction === "" ? "" : `.${fraction}`}${zone}`;
  const groups = fraction.padEnd(Math.ceil(fraction.length / 3) * 3, "0");
  const utc = new Date(Math.floor(atMs / 1000) * 1000).toISOString().slice(0, 19);
  return `${utc}${groups === "" ? "" : `.${groups}`}Z`;
}

function isNothing(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}

function joined(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function misfit(value: unknown, path: string, wanted: string): SyntaxError {
  const got = JSON.stringify(value)?.slice(0, 80);
  return new SyntaxError(`field ${path || "(the whole)"} is ${got}, expected ${wanted}`);
}
