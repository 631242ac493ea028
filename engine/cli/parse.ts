import { CosignError } from "../model/errors.ts";
import {
  type Flag,
  type FlagTable,
  type FlagValues,
  initialValue,
  parseFlagValue,
} from "./flag.ts";

/** What a command line says, by a table of flags. */
export interface Parsed<F extends FlagTable> {
  readonly flags: FlagValues<F>;
  /** The flags that were given, on the line or by the environment. */
  readonly given: ReadonlySet<string>;
  readonly args: readonly string[];
  /** `-h` or `--help` stood there. */
  readonly help: boolean;
  /** What cosign says of the deprecated flags that were given, a line each. */
  readonly deprecations: readonly string[];
}

/** The texts that each flag was given, in order; by the flags' names. */
interface Scan {
  readonly texts: Map<string, string[]>;
  readonly args: string[];
  help: boolean;
}

/**
 * Reads a command line as Go's pflag does: `--flag`, `--flag=value`, `--flag value`, `-f value`, `-fvalue`,
 * `-f=value`, clustered one-letter flags; flags and arguments in any order; `--` ends the flags;
 * the last value counts.
 *
 * @param variables Values for flags that the line does not give, by name; `undefined` for none.
 * @throws {CosignError} `USAGE`.
 */
export function parseFlags<F extends FlagTable>(
  table: F,
  argv: readonly string[],
  variables: (name: string) => { readonly variable: string; readonly value: string } | undefined,
): Parsed<F> {
  const scan = scanArguments(table, argv);
  const values: Record<string, unknown> = {};
  const given = new Set<string>(scan.texts.keys()); // in the order of the line
  for (const [name, flag] of Object.entries(table)) {
    const texts = scan.texts.get(name);
    const fallback = texts === undefined ? variables(name) : undefined;
    if (texts === undefined && fallback === undefined) {
      values[name] = initialValue(flag);
      continue;
    }
    values[name] = parseValue(name, flag, texts ?? [fallback?.value ?? ""], fallback?.variable);
    given.add(name);
  }
  const deprecations = [...given].flatMap((name) => {
    const instead = flagOf(table, name)?.deprecated;
    return instead === undefined ? [] : [`Flag --${name} has been deprecated, ${instead}`];
  });
  // The keys are the table's and each value is what its own flag parsed: FlagValues<F> by construction.
  const flags = values as FlagValues<F>;
  return { flags, given, args: scan.args, help: scan.help, deprecations };
}

function scanArguments(table: FlagTable, argv: readonly string[]): Scan {
  const scan: Scan = { texts: new Map(), args: [], help: false };
  const shorts = new Map(
    Object.entries(table).flatMap(([name, { short }]) =>
      short === undefined ? [] : [[short, name]],
    ),
  );
  const rest = [...argv];
  for (let token = rest.shift(); token !== undefined; token = rest.shift()) {
    if (token === "--") {
      scan.args.push(...rest);
      break;
    }
    if (token.startsWith("--")) scanLong(table, token, rest, scan);
    else if (token.startsWith("-") && token !== "-") scanShorts(table, shorts, token, rest, scan);
    else scan.args.push(token);
  }
  return scan;
}

function scanLong(table: FlagTable, token: string, rest: string[], scan: Scan): void {
  const { name, value } = splitAtEquals(token.slice(2));
  if (name === "" || name.startsWith("-")) throw usage(`bad flag syntax: ${token}`);
  const flag = flagOf(table, name);
  if (flag === undefined) {
    if (name === "help") scan.help = true;
    else throw usage(`unknown flag: --${name}`, suggestion(table, name));
    return;
  }
  give(scan, name, value ?? (flag.type === "bool" ? "true" : valueFrom(rest, `--${name}`)));
}

function scanShorts(
  table: FlagTable,
  shorts: ReadonlyMap<string, string>,
  token: string,
  rest: string[],
  scan: Scan,
): void {
  let letters = token.slice(1);
  while (letters !== "") {
    const short = letters.slice(0, 1);
    letters = letters.slice(1);
    const name = shorts.get(short);
    const flag = name === undefined ? undefined : flagOf(table, name);
    if (name === undefined || flag === undefined) {
      if (short !== "h") throw usage(`unknown shorthand flag: '${short}' in ${token}`);
      scan.help = true;
      continue;
    }
    if (letters.startsWith("=") && letters.length > 1) {
      give(scan, name, letters.slice(1));
      return;
    }
    if (flag.type === "bool") {
      give(scan, name, "true");
      continue;
    }
    give(scan, name, letters !== "" ? letters : valueFrom(rest, `'${short}' in ${token}`));
    return;
  }
}

function valueFrom(rest: string[], what: string): string {
  const value = rest.shift();
  if (value === undefined) throw usage(`flag needs an argument: ${what}`);
  return value;
}

function give(scan: Scan, name: string, value: string): void {
  const texts = scan.texts.get(name);
  if (texts === undefined) scan.texts.set(name, [value]);
  else texts.push(value);
}

function parseValue(
  name: string,
  flag: Flag,
  texts: readonly string[],
  variable: string | undefined,
): unknown {
  try {
    return parseFlagValue(flag, texts);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const shown = flag.short === undefined ? `--${name}` : `-${flag.short}, --${name}`;
    const source = variable === undefined ? "" : ` (environment variable ${variable})`;
    const text = /password|token|secret/.test(name) ? "***" : (texts.at(-1) ?? "").slice(0, 200);
    throw usage(
      `invalid argument ${JSON.stringify(text)} for "${shown}" flag${source}: ${error.message}`,
    );
  }
}

/** The flag of a name; never what an object inherits. */
export function flagOf(table: FlagTable, name: string): Flag | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** `name=value` in two; no value when there is no `=`. */
export function splitAtEquals(text: string): { readonly name: string; readonly value?: string } {
  const equals = text.indexOf("=");
  return equals < 0
    ? { name: text }
    : { name: text.slice(0, equals), value: text.slice(equals + 1) };
}

function isHidden(flag: Flag | undefined): boolean {
  return flag === undefined || flag.hidden === true || flag.support !== undefined;
}

function suggestion(table: FlagTable, name: string): string | undefined {
  const near = nearest(
    name,
    Object.keys(table).filter((other) => !isHidden(table[other])),
  );
  return near === undefined ? undefined : `Did you mean --${near}?`;
}

/** The word of `words` that was likely meant by `word`: at most two letters apart. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const limit = Math.min(2, Math.floor(word.length / 3));
  const ranked = words
    .map((other) => ({ other, distance: editDistance(word, other) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.other;
}

function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return Number.POSITIVE_INFINITY;
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}

/** An error about what the user typed. */
export function usage(message: string, hint?: string): CosignError {
  return new CosignError("USAGE", message, hint === undefined ? {} : { hint });
}
