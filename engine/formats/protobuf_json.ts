import { parseBase64Either, parseUtf8 } from "../model/bytes.ts";
import { isObject } from "./go_json.ts";
import { parseStrictJson } from "./strict_json.ts";

/**
 * A message in protobuf's JSON (protobuf.dev, "ProtoJSON"), whose fields are asked for by their names.
 * What is asked for and is of another type throws a {@link SyntaxError} that names the field.
 */
export class ProtobufMessage {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #what: string;

  /** @param what What the message is, for errors. @throws {SyntaxError} when it is no JSON object. */
  constructor(value: unknown, what: string) {
    if (!isObject(value)) throw new SyntaxError(`${what} is no JSON object`);
    this.#fields = value;
    this.#what = what;
  }

  /** @throws {SyntaxError} when there are fields beside these. */
  only(...names: readonly string[]): this {
    const unknown = Object.keys(this.#fields).find((name) => !names.includes(name));
    if (unknown === undefined) return this;
    throw new SyntaxError(
      `${this.#what} has an unknown field ${JSON.stringify(unknown.slice(0, 80))}`,
    );
  }

  /** Null stands for a field that is not there. */
  has(name: string): boolean {
    return Object.hasOwn(this.#fields, name) && this.#fields[name] !== null;
  }

  /** Empty when it is not there. */
  text(name: string): string {
    const value = this.has(name) ? this.#fields[name] : "";
    if (typeof value !== "string") throw this.#wrong(name, "no text");
    return value;
  }

  /** Either alphabet of base64, with its padding or without; empty when it is not there. */
  bytes(name: string): Uint8Array {
    const text = this.text(name);
    try {
      if (text.length % 4 === 0) return parseBase64Either(text);
      const plain = text.replace(/={1,2}$/, "");
      return parseBase64Either(plain.padEnd(Math.ceil(plain.length / 4) * 4, "="));
    } catch {
      throw this.#wrong(name, "no base64");
    }
  }

  /** An int64, as text or as number; 0 when it is not there. Negative ones are refused. */
  count(name: string): number {
    const value = this.has(name) ? this.#fields[name] : 0;
    const isText = typeof value === "string" && /^(?:0|[1-9]\d{0,15})$/.test(value);
    const number = isText ? Number(value) : value;
    if (typeof number !== "number" || !Number.isSafeInteger(number) || number < 0) {
      throw this.#wrong(name, "no number, or a negative or too large one");
    }
    return number;
  }

  /** A value of an enum, as its name or its number; the first when it is not there. */
  member<T extends string>(name: string, names: readonly [T, ...T[]]): T {
    const value = this.has(name) ? this.#fields[name] : 0;
    const member = names.find((each, number) => value === each || value === number);
    if (member === undefined) throw this.#wrong(name, `none of ${names.join(", ")}`);
    return member;
  }

  /** A Timestamp (RFC 3339); nothing when it is not there. */
  time(name: string): Date | undefined {
    if (!this.has(name)) return undefined;
    const time = parseTimestamp(this.text(name));
    if (time === undefined) throw this.#wrong(name, "no time");
    return time;
  }

  /** Nothing when it is not there. */
  message(name: string): ProtobufMessage | undefined {
    return this.has(name)
      ? new ProtobufMessage(this.#fields[name], `${this.#what}'s ${name}`)
      : undefined;
  }

  /** Empty when it is not there. */
  list(name: string, limit: number): readonly unknown[] {
    const value = this.has(name) ? this.#fields[name] : [];
    if (!Array.isArray(value)) throw this.#wrong(name, "no list");
    if (value.length > limit) {
      throw this.#wrong(name, `longer than the limit: ${value.length} of at most ${limit}`);
    }
    return value;
  }

  /** The messages of a list; empty when it is not there. */
  messages(name: string, limit: number): readonly ProtobufMessage[] {
    return this.list(name, limit).map(
      (each) => new ProtobufMessage(each, `${this.#what}'s ${name}`),
    );
  }

  #wrong(name: string, why: string): SyntaxError {
    return new SyntaxError(`${this.#what}'s ${name} is ${why}`);
  }
}

/**
 * The same JSON with the names of fields in the one form that is written: readers also take those of
 * the `.proto` file (`media_type`), and null for a field that is not there.
 *
 * @throws {SyntaxError} when a field stands there in both forms.
 */
export function normalizeNames(value: unknown): unknown {
  return isNormal(value) ? value : normalized(value);
}

/** Whether nothing has to be named anew, as in what is written by those who read it. */
function isNormal(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isNormal);
  if (!isObject(value)) return true;
  for (const name in value) {
    if (value[name] === null || name.includes("_") || !isNormal(value[name])) return false;
  }
  return true;
}

function normalized(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normalized);
  if (!isObject(value)) return value;
  const fields = new Map<string, unknown>();
  for (const [name, content] of Object.entries(value)) {
    if (content === null) continue;
    const plain = name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    if (fields.has(plain)) throw new SyntaxError(`"${plain}" stands there in two forms`);
    fields.set(plain, normalized(content));
  }
  return Object.fromEntries(fields);
}

/** Reads a time as RFC 3339 has it; nothing when the text is none. */
export function parseTimestamp(text: string): Date | undefined {
  const time = new Date(text);
  const isTime =
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/.test(text) &&
    !Number.isNaN(time.getTime());
  return isTime ? time : undefined;
}

/** Reads a message in which no key stands twice. @throws {SyntaxError} */
export function parseProtobufJson(bytes: Uint8Array, what: string): ProtobufMessage {
  let text: string;
  try {
    text = parseUtf8(bytes);
  } catch (cause) {
    throw new SyntaxError(`${what} is not UTF-8`, { cause });
  }
  return new ProtobufMessage(normalizeNames(parseStrictJson(text)), what);
}
