import type { Command, CommandGroup } from "../../engine/cli/command.ts";
import { briefOf, flagMeaning, flagNames, flagSections, usageOf } from "../../engine/cli/help.ts";

const NOTE = "<!-- Made by `npm run docs` from the tables of the command line. -->";

/** `docs/cli/README.md`: every command in a line. */
export function indexPage(
  commands: Readonly<Record<string, Command>>,
  groups: Readonly<Record<string, CommandGroup>>,
): string {
  const rows = Object.entries(commands)
    .filter(([, { hidden }]) => !hidden)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([words, { brief, refused, deprecated }]) => {
      const state =
        refused === undefined ? (deprecated === undefined ? "" : "deprecated") : "later";
      return `| [\`${words}\`](${words.replaceAll(" ", "-")}.md) | ${cell(brief)} | ${state} |`;
    });
  return [
    NOTE,
    "# The commands",
    "",
    "Every flag can come from the environment as well: `--foo-bar` from `COSIGN_FOO_BAR`, where the page of the command does not say otherwise. [compatibility.md](../compatibility.md) holds every flag against cosign 1.4, 1.13, 2.6 and 3.1.",
    "",
    "| command | what it does |  |",
    "| --- | --- | --- |",
    ...rows,
    "",
    "| group | |",
    "| --- | --- |",
    ...Object.entries(groups).map(([name, group]) => `| \`${name}\` | ${cell(briefOf(group))} |`),
    "",
  ].join("\n");
}

/** `docs/cli/COMMAND.md`. */
export function commandPage(words: string, command: Command): string {
  return [
    NOTE,
    `# cosign-ts ${words}`,
    "",
    `${command.brief}.`,
    "",
    ...notes(words, command),
    "```",
    `cosign-ts ${words} ${usageOf(command.args)}`,
    "```",
    ...flagSections(command).flatMap(({ title, flags }) => [
      "",
      `## ${title.charAt(0)}${title.slice(1).toLowerCase()}`,
      "",
      "| flag | what it does |",
      "| --- | --- |",
      ...flags.map(
        ([name, flag]) =>
          `| \`${cell(flagNames(name, flag).trim())}\` | ${cell(flagMeaning(name, flag))} |`,
      ),
    ]),
    "",
  ].join("\n");
}

function notes(words: string, command: Command): readonly string[] {
  return [
    ...(command.refused === undefined ? [] : [`Refused: ${command.refused}.`, ""]),
    ...(command.deprecated === undefined ? [] : [`Deprecated: ${command.deprecated}.`, ""]),
    ...(command.environment
      ? []
      : [`The flags of \`${words}\` are not taken from the environment, as in cosign.`, ""]),
  ];
}

/** Text as it stands in a cell of a table. */
export function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;").replaceAll("\n", " ");
}
