import { parseGoBool } from "../io/env.ts";
import { parseDurationMs } from "../model/duration.ts";

interface FlagBase {
  /** What it does, in a few words. */
  readonly brief: string;
  /** Its one-letter name. */
  readonly short?: string;
  /** What the help calls its value. */
  readonly placeholder?: string;
  /** What cosign 3.1 says when it is given. */
  readonly deprecated?: string;
  /** Keeps it out of the help. */
  readonly hidden?: boolean;
  /**
   * `later`: refused when it is given a value that asks for something, since a later version has it.
   * `accepted`: taken, without effect on what this version does. Both stay out of the help.
   */
  readonly support?: "later" | "accepted";
}

/**
 * One command-line flag, as data: parser, help and documents are made from it. `bool` without a value is
 * true; `list` is repeatable, each time a comma list with quotes (pflag's StringSlice); `repeated` is
 * taken as it is, each time (StringArray); of all others the last one counts. A `duration` is Go's
 * (`1h2m3.5s`), its value in milliseconds.
 */
export type Flag =
  | (FlagBase & { readonly type: "bool"; readonly initial?: boolean })
  | (FlagBase & { readonly type: "text"; readonly initial?: string })
  | (FlagBase & { readonly type: "choice"; readonly values: readonly string[] })
  | (FlagBase & { readonly type: "int"; readonly initial?: number })
  | (FlagBase & { readonly type: "duration"; readonly initial?: number })
  | (FlagBase & { readonly type: "list" })
  | (FlagBase & { readonly type: "repeated" });

/** The flags of a command by their names, without the dashes. */
export type FlagTable = Readonly<Record<string, Flag>>;

/** The value that a flag has: that of its type, or nothing when it was not given and has no default. */
export type FlagValue<F extends Flag> = F extends { readonly type: "bool" }
  ? boolean
  : F extends { readonly type: "list" | "repeated" }
    ? readonly string[]
    : F extends { readonly type: "choice"; readonly values: readonly (infer V)[] }
      ? V | undefined
      : F extends { readonly type: "text"; readonly initial: string }
        ? string
        : F extends { readonly type: "text" }
          ? string | undefined
          : F extends { readonly initial: number }
            ? number
            : number | undefined;

/** The values that the flags of a table have. */
export type FlagValues<F extends FlagTable> = {
  readonly [Name in keyof F]: FlagValue<F[Name]>;
};

/** The same flags, taken where they have no effect. */
export function withoutEffect<F extends FlagTable>(table: F): F {
  const entries = Object.entries(table).map(([name, flag]) => [
    name,
    { ...flag, support: "accepted" },
  ]);
  return Object.fromEntries(entries) as F; // the types of the values are theirs still
}

/** The value of a flag that is not given. */
export function initialValue(flag: Flag): unknown {
  switch (flag.type) {
    case "bool":
      return flag.initial ?? false;
    case "list":
    case "repeated":
      return [];
    case "choice":
      return undefined;
    default:
      return flag.initial;
  }
}

/**
 * Reads the texts that a flag was given, in order, one at least.
 *
 * @throws {SyntaxError} with the detail only, as Go puts it.
 */
export function parseFlagValue(flag: Flag, texts: readonly string[]): unknown {
  const last = texts.at(-1) ?? "";
  switch (flag.type) {
    case "bool":
      return parseBool(last);
    case "text":
      return last;
    case "choice":
      return parseChoice(flag.values, last);
    case "int":
      return parseInteger(last);
    case "duration":
      return parseDuration(last);
    case "list":
      return texts.flatMap(parseCsvRecord);
    case "repeated":
      return [...texts];
  }
}

/**
 * Reads one CSV record as Go's `encoding/csv` does: the first line that is not empty.
 *
 * @throws {SyntaxError}
 */
export function parseCsvRecord(text: string): readonly string[] {
  const line = text.replace(/^[\r\n]+/, "");
  if (line === "") return [];
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (line[at] === '"') {
      const quoted = /^"((?:[^"]|"")*)"(?=,|\r?\n|\r?$)/.exec(line.slice(at));
      if (quoted === null) {
        throw new SyntaxError(`parse error on line 1: extraneous or missing " in quoted-field`);
      }
      fields.push((quoted[1] ?? "").replaceAll('""', '"'));
      at += quoted[0].length;
    } else {
      const plain = /^[^,\r\n]*/.exec(line.slice(at))?.[0] ?? "";
      if (plain.includes('"')) {
        throw new SyntaxError(`parse error on line 1: bare " in non-quoted field`);
      }
      fields.push(plain);
      at += plain.length;
    }
    if (line[at] !== ",") return fields;
    at += 1;
  }
}

function parseBool(text: string): boolean {
  const value = parseGoBool(text);
  if (value === undefined) {
    throw new SyntaxError(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  return value;
}

function parseDuration(text: string): number {
  try {
    return parseDurationMs(text.replace(/^\+/, ""));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const why = /^-?[\d.]+$/.test(text) ? "missing unit in" : "invalid";
    throw new SyntaxError(`time: ${why} duration ${JSON.stringify(text.slice(0, 100))}`);
  }
}

function parseInteger(text: string): number {
  const value = /^[+-]?(?:\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) {
    throw new SyntaxError(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  return value;
}

function parseChoice(values: readonly string[], text: string): string {
  if (!values.includes(text))
    throw new SyntaxError(
      `must be one of ${values.map((value) => JSON.stringify(value)).join(", ")}`,
    );
  return text;
}
