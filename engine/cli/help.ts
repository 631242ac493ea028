import { formatDuration } from "../model/duration.ts";
import type { Command, CommandGroup } from "./command.ts";
import { type Flag, initialValue } from "./flag.ts";

/** The flags of one heading in the help of a command, alphabetically. */
export interface FlagSection {
  readonly title: string;
  readonly flags: readonly (readonly [name: string, flag: Flag])[];
}

/** The help of a command, alphabetically with defaults; deprecated flags last. */
export function commandHelp(program: string, words: string, command: Command): string {
  return [
    ...paragraph("USAGE", [`  ${calledAs(program, words)} ${usageOf(command.args)}`]),
    command.brief,
    ...deprecation(command.deprecated),
    "",
    ...argumentsHelp(command.args),
    ...flagSections(command).flatMap(({ title, flags }) =>
      paragraph(
        title,
        columns(flags.map(([name, flag]) => [flagNames(name, flag), flagMeaning(name, flag)])),
      ),
    ),
  ].join("\n");
}

/**
 * The help of the program, or of a group of commands.
 *
 * @param path The words of the group; empty for the program.
 * @param group What it is about.
 */
export function groupHelp(
  program: string,
  path: readonly string[],
  { brief, deprecated }: CommandGroup,
  commands: Readonly<Record<string, Command>>,
  groups: Readonly<Record<string, CommandGroup>>,
): string {
  const inside = [program, ...path].join(" ");
  const members = new Map<string, string>();
  for (const [words, command] of Object.entries(commands)) {
    const [first = "", second] = words.split(" ");
    // Whoever asks for a hidden group sees what is in it, as in cosign.
    if (command.hidden && (path.length === 0 || command.refused !== undefined)) continue;
    if (path.length > 0 && first === path[0] && second !== undefined) {
      members.set(second, briefOf(command));
    } else if (path.length === 0) {
      const group = second === undefined ? undefined : groups[first];
      members.set(first, briefOf(group ?? command));
    }
  }
  const rows = [...members].sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    ...paragraph("USAGE", [
      `  ${inside} COMMAND [flags] [arguments]`,
      `  ${inside} COMMAND --help`,
    ]),
    brief,
    ...deprecation(deprecated),
    "",
    ...paragraph("COMMANDS", columns(rows)),
  ].join("\n");
}

/** The flags of a command under their headings; hidden ones stand nowhere. */
export function flagSections(command: Command): readonly FlagSection[] {
  const shown = Object.entries(command.flags)
    .filter(([, flag]) => flag.hidden !== true)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const of = (kind: ReturnType<typeof kindOf>): FlagSection["flags"] =>
    shown.filter(([, flag]) => kindOf(flag) === kind);
  const sections = [
    { title: "FLAGS", flags: of("current") },
    { title: "FLAGS OF LATER VERSIONS", flags: of("later") },
    { title: "DEPRECATED FLAGS", flags: of("deprecated") },
  ];
  return sections.filter(({ flags }) => flags.length > 0);
}

/** How a flag is written: `-k, --key uri`. */
export function flagNames(name: string, flag: Flag): string {
  const value = flag.type === "bool" ? "" : ` ${placeholderOf(flag)}`;
  return `${flag.short === undefined ? "    " : `-${flag.short}, `}--${name}${value}`;
}

/** What a flag does, with its default and what takes its place. */
export function flagMeaning(name: string, flag: Flag): string {
  const initial = defaultOf(flag);
  const parts = [
    flag.brief + (initial === undefined || flag.brief.includes("(default") ? "" : ` (${initial})`),
    ...(flag.type === "bool" && flag.initial === true ? [`turn it off by --${name}=false`] : []),
    ...(flag.support === "later" ? ["not in this version: refused"] : []),
    ...(flag.support === "accepted" ? ["without effect in this version"] : []),
    ...(flag.deprecated === undefined ? [] : [`deprecated: ${flag.deprecated}`]),
  ];
  return parts.join("; ");
}

/** How a command is called, behind its words. */
export function usageOf({ placeholder, minimum, maximum }: Command["args"]): string {
  if (placeholder === undefined) return "[flags]";
  const one = minimum === 0 ? `[<${placeholder}>]` : `<${placeholder}>`;
  const second = minimum === 2 && maximum === 2 ? ` <${placeholder}>` : "";
  return `[flags] ${one}${second}${maximum === undefined ? "..." : ""}`;
}

/** `sget` is a program of 1.x, and a command here. */
function calledAs(program: string, words: string): string {
  return program === words ? program : `${program} ${words}`;
}

/** What a command or a group is about, in a line. */
export function briefOf({ brief, deprecated }: CommandGroup): string {
  return deprecated === undefined ? brief : `${brief} (deprecated)`;
}

function deprecation(deprecated: string | undefined): readonly string[] {
  return deprecated === undefined ? [] : ["", `Deprecated: ${deprecated}`];
}

function argumentsHelp({ placeholder, brief }: Command["args"]): readonly string[] {
  if (placeholder === undefined) return [];
  return paragraph("ARGUMENTS", columns([[`<${placeholder}>`, brief ?? ""]]));
}

function kindOf(flag: Flag): "current" | "later" | "deprecated" {
  if (flag.deprecated !== undefined) return "deprecated";
  return flag.support === undefined ? "current" : "later";
}

function placeholderOf(flag: Flag): string {
  if (flag.type === "choice") return flag.placeholder ?? flag.values.join("|");
  return flag.placeholder ?? flag.type;
}

function defaultOf(flag: Flag): string | undefined {
  const value = initialValue(flag);
  if (value === undefined || value === false || value === "" || Array.isArray(value))
    return undefined;
  const isDuration = flag.type === "duration" && typeof value === "number";
  return `default ${isDuration ? formatDuration(value) : String(value)}`;
}

function paragraph(title: string, lines: readonly string[]): readonly string[] {
  return [title, ...lines, ""];
}

function columns(rows: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.min(44, Math.max(0, ...rows.map(([left]) => left.length)));
  return rows.map(([left, right]) =>
    left.length > width
      ? `  ${left}\n  ${" ".repeat(width)}  ${right}`
      : `  ${left.padEnd(width)}  ${right}`.trimEnd(),
  );
}
