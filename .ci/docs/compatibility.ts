import type { Command } from "../../engine/cli/command.ts";
import type { Flag, FlagTable } from "../../engine/cli/flag.ts";
import { GLOBAL_FLAGS } from "../../engine/cli/flags/global.ts";
import { COSIGN_COMMANDS, type CosignFlag } from "../../tests/support/cosign_flags.ts";
import { cell } from "./markdown.ts";
import { IGNORED, INSTEAD, PLAIN_COMMANDS } from "./remarks.ts";

/** Spellings that are taken for others. */
const RENAMED: Readonly<Record<string, string>> = {
  cert: "certificate",
  "cert-email": "certificate-email",
};
const GENERATIONS = ["1.4", "1.13", "2.6", "3.1"] as const;
const HEAD = `<!-- Made by \`npm run docs\` from the tables of the command line and tests/vectors/flags.json. -->
# Compatibility with cosign

Every flag of cosign 1.4.1, 1.13.6, 2.6.4 and 3.1.2, command by command, and what this version does with it. A test holds the table against the parser, and the parser against the facts.

- **supported**: does what it does in that cosign, with the default of that generation under \`--compat\` ([compat.md](compat.md)); where the behaviour differs on purpose, [differences.md](differences.md) says so.
- **ignored**: taken without effect; the last column says why that changes no answer.
- **refused**: an error with the code \`FEATURE_UNAVAILABLE\` (or \`USAGE\` where no version will have it); the last column says what to use instead.
- **–**: that cosign has no such flag. Here it is taken all the same: \`--compat\` changes defaults, not the flags that are known.
- *deprecated*: that cosign says so when it is given, and so do we where no older generation is named.
`;

/** `docs/compatibility.md`: each command, each flag, each generation. */
export function compatibilityTable(commands: Readonly<Record<string, Command>>): string {
  const facts = new Map(COSIGN_COMMANDS.map(({ command, flags }) => [command, flags]));
  const shared = facts.get("") ?? [];
  const known = Object.entries(commands).filter(
    ([words]) => facts.has(words) || PLAIN_COMMANDS[words] !== undefined,
  );
  const others = Object.keys(commands).filter((words) => !known.some(([name]) => name === words));
  return [
    HEAD,
    "## Commands",
    "",
    `| command | ${GENERATIONS.join(" | ")} | here |`,
    "| --- | --- | --- | --- | --- | --- |",
    ...known.map(([words, command]) => commandRow(words, command, facts.get(words))),
    "",
    `Of our own: ${others.map((words) => `\`${words}\``).join(", ")}.`,
    "",
    "## Flags of every command",
    "",
    ...table(shared, GLOBAL_FLAGS),
    ...known.flatMap(([words, command]) => [
      "",
      `## ${words}`,
      "",
      ...(command.refused === undefined ? [] : [`Refused: ${command.refused}.`, ""]),
      ...table(facts.get(words) ?? [], command.flags, command.refused !== undefined),
    ]),
    "",
  ].join("\n");
}

function commandRow(
  words: string,
  command: Command,
  flags: readonly CosignFlag[] | undefined,
): string {
  const presence = PLAIN_COMMANDS[words];
  const cells = GENERATIONS.map((_, i) => {
    const has =
      presence === undefined
        ? flags?.some((flag) => (flag.presence[i] ?? "-") !== "-")
        : presence[i] !== "-";
    return has ? "yes" : "–";
  });
  const here =
    command.refused !== undefined
      ? "refused"
      : command.deprecated === undefined
        ? "supported"
        : "supported, deprecated";
  return `| [\`${words}\`](cli/${words.replaceAll(" ", "-")}.md) | ${cells.join(" | ")} | ${here} |`;
}

function table(
  facts: readonly CosignFlag[],
  flags: FlagTable,
  isRefused = false,
): readonly string[] {
  const known = new Map(facts.map((fact) => [fact.name, fact]));
  const own = Object.keys(flags).filter(
    (name) => !known.has(name) && (flags === GLOBAL_FLAGS || !Object.hasOwn(GLOBAL_FLAGS, name)),
  );
  const names = [...known.keys(), ...own].sort();
  if (names.length === 0) return ["No flags but those of every command."];
  return [
    `| flag | ${GENERATIONS.join(" | ")} | why, or what instead |`,
    "| --- | --- | --- | --- | --- | --- |",
    ...names.map((name) => flagRow(name, known.get(name), flags, isRefused)),
  ];
}

function flagRow(
  name: string,
  fact: CosignFlag | undefined,
  flags: FlagTable,
  isRefused: boolean,
): string {
  const taken = RENAMED[name] ?? name;
  const state = isRefused ? "refused" : stateOf(flags[taken]);
  const cells = GENERATIONS.map((_, i) => {
    const letter = fact?.presence[i] ?? "-";
    if (letter === "-") return "–";
    return letter === "D" ? `${state}, *deprecated*` : state;
  });
  const notes = [
    fact === undefined ? `of our own, ${state}` : "",
    taken === name ? "" : `taken for \`--${taken}\``,
    isRefused ? "" : (remarkOf(taken, state) ?? ""),
  ].filter((text) => text !== "");
  return `| \`--${name}\` | ${cells.join(" | ")} | ${cell(notes.join("; "))} |`;
}

function stateOf(flag: Flag | undefined): string {
  if (flag === undefined) return "unknown";
  if (flag.support === "later") return "refused";
  return flag.support === "accepted" ? "ignored" : "supported";
}

function remarkOf(name: string, state: string): string | undefined {
  if (state === "supported") return undefined;
  return state === "ignored" ? IGNORED[name] : INSTEAD[name];
}
