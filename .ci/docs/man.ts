import type { Command } from "../../engine/cli/command.ts";
import { flagMeaning, flagNames, flagSections, usageOf } from "../../engine/cli/help.ts";
import { VERSION } from "../../engine/cli/version.ts";

/** `cosign-ts(1)`. */
export function programManual(commands: Readonly<Record<string, Command>>): string {
  const shown = Object.entries(commands)
    .filter(([, { hidden }]) => !hidden)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    heading("cosign-ts"),
    ".SH NAME",
    "cosign\\-ts \\- sign and verify what lies in OCI registries",
    ".SH SYNOPSIS",
    ".B cosign\\-ts",
    "COMMAND [flags] [arguments]",
    ".SH COMMANDS",
    ...shown.flatMap(([words, { brief }]) => [".TP", `.B ${roff(words)}`, roff(brief)]),
    ".SH ENVIRONMENT",
    "Every flag that the line does not give comes from the variable COSIGN_ and its name in capitals, with _ for \\-: COSIGN_KEY for \\-\\-key.",
    ".B cosign\\-ts env",
    "prints the others.",
    ".SH EXIT STATUS",
    "0: done, or verified. 1: an error. 2: usage. 10: there are no signatures. 11: there is no such image. 12: no signature matches. 20: no answer was reached, such as when a registry does not answer.",
    "With \\-\\-compat those of the generation of cosign.",
    "",
  ].join("\n");
}

/** `cosign-ts-COMMAND(1)`. */
export function commandManual(words: string, command: Command): string {
  const name = `cosign-ts-${words.replaceAll(" ", "-")}`;
  return [
    heading(name),
    ".SH NAME",
    `${roff(name)} \\- ${roff(command.brief)}`,
    ".SH SYNOPSIS",
    `.B cosign\\-ts ${roff(words)}`,
    roff(usageOf(command.args)),
    ...paragraph("STATUS", command.refused),
    ...paragraph("DEPRECATED", command.deprecated),
    ...flagSections(command).flatMap(({ title, flags }) => [
      `.SH ${title}`,
      ...flags.flatMap(([flag, data]) => [
        ".TP",
        `.B ${roff(flagNames(flag, data).trim())}`,
        roff(flagMeaning(flag, data)),
      ]),
    ]),
    ".SH SEE ALSO",
    ".BR cosign\\-ts (1)",
    "",
  ].join("\n");
}

function heading(name: string): string {
  return `.\\" Made by npm run docs from the tables of the command line.\n.TH ${roff(name.toUpperCase())} 1 "" "cosign-ts ${VERSION}" "cosign-ts"`;
}

function paragraph(title: string, text: string | undefined): readonly string[] {
  return text === undefined ? [] : [`.SH ${title}`, roff(text)];
}

/** Text that roff prints as it is, in one line. */
function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("\n", " ")
    .replace(/^([.'])/, "\\&$1");
}
