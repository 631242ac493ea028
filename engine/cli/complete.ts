import { prepareArgv } from "./argv.ts";
import type { Command, CommandGroup } from "./command.ts";
import type { Flag } from "./flag.ts";
import { flagOf, splitAtEquals } from "./parse.ts";

/** What could stand in the place of a word that is being typed. */
export interface Completion {
  readonly words: readonly (readonly [word: string, meaning: string])[];
  /** What the shell adds of its own. */
  readonly also: "nothing" | "files" | "directories";
}

const NOTHING: Completion = { words: [], also: "nothing" };

/**
 * Completes the last word of a line.
 *
 * @param line Without the program's name; the last word may be empty.
 * @param commands Every command by its words.
 * @param groups What the groups of commands are about.
 */
export function complete(
  line: readonly string[],
  commands: Readonly<Record<string, Command>>,
  groups: Readonly<Record<string, CommandGroup>>,
): Completion {
  const before = line.slice(0, -1);
  const word = line.at(-1) ?? "";
  const tables = new Map(Object.entries(commands).map(([words, { flags }]) => [words, flags]));
  const { path, rest } = prepareArgv(before, tables);
  const words = path.join(" ");
  const command = Object.hasOwn(commands, words) ? commands[words] : undefined;
  if (command === undefined) {
    return rest.length > 0 ? NOTHING : starting(word, members(path, commands, groups));
  }
  if (rest.includes("--")) return argument(word, command);
  const waiting = waitingFlag(rest, command);
  if (waiting !== undefined) return completeValue(waiting, word, "");
  if (word.startsWith("--") && word.includes("=")) {
    const { name, value = "" } = splitAtEquals(word.slice(2));
    const flag = flagOf(command.flags, name);
    return flag === undefined ? NOTHING : completeValue(flag, value, `--${name}=`);
  }
  return word.startsWith("-") ? starting(word, flagWords(command)) : argument(word, command);
}

function members(
  path: readonly string[],
  commands: Readonly<Record<string, Command>>,
  groups: Readonly<Record<string, CommandGroup>>,
): readonly (readonly [string, string])[] {
  const found = new Map<string, string>();
  for (const [words, { brief, hidden }] of Object.entries(commands)) {
    const parts = words.split(" ");
    const next = parts[path.length];
    if (hidden || next === undefined || path.some((part, i) => part !== parts[i])) continue;
    found.set(next, parts.length === path.length + 1 ? brief : (groups[next]?.brief ?? ""));
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The flag whose value comes next, if one does. */
function waitingFlag(rest: readonly string[], command: Command): Flag | undefined {
  const last = rest.at(-1) ?? "";
  if (!/^-[^=]+$/.test(last)) return undefined;
  const flag = last.startsWith("--")
    ? flagOf(command.flags, last.slice(2))
    : Object.values(command.flags).find(({ short }) => short === last.slice(-1));
  return flag?.type === "bool" ? undefined : flag;
}

function completeValue(flag: Flag, value: string, prefix: string): Completion {
  const placeholder = flag.placeholder ?? "";
  if (/^(?:file|dir)/.test(placeholder)) {
    return { words: [], also: placeholder === "dir" ? "directories" : "files" };
  }
  const list = flag.type === "list" ? value.slice(0, value.lastIndexOf(",") + 1) : "";
  const values = valuesOf(flag).map((each) => [`${prefix}${list}${each}`, ""] as const);
  const found = starting(`${prefix}${value}`, values);
  // A key is a file more often than not.
  return placeholder === "uri" ? { ...found, also: "files" } : found;
}

function valuesOf(flag: Flag): readonly string[] {
  if (flag.type === "choice") return flag.values;
  if (flag.type === "bool") return ["true", "false"];
  const placeholder = flag.placeholder ?? "";
  return /^[\w:.-]+(?:[|,][\w:.-]+)+$/.test(placeholder) && !placeholder.includes("...")
    ? placeholder.split(/[|,]/)
    : [];
}

/** Long names; deprecated and later ones stay out, but can be typed. */
function flagWords(command: Command): readonly (readonly [string, string])[] {
  const names = Object.entries(command.flags).flatMap(([name, flag]) =>
    flag.hidden === true || flag.deprecated !== undefined || flag.support !== undefined
      ? []
      : [[`--${name}`, flag.brief] as const],
  );
  return [...names, ["--help", "show what the command takes"] as const].sort(([a], [b]) =>
    a < b ? -1 : 1,
  );
}

function argument(word: string, { args }: Command): Completion {
  const placeholder = args.placeholder ?? "";
  if (placeholder.includes("|")) {
    return starting(
      word,
      placeholder.split("|").map((each) => [each, ""] as const),
    );
  }
  const isFile = /file|blob|manifest|bundle/.test(placeholder);
  return isFile ? { words: [], also: "files" } : NOTHING;
}

function starting(word: string, all: Completion["words"]): Completion {
  return { words: all.filter(([each]) => each.startsWith(word)), also: "nothing" };
}
