import { COMPLETE_WORD } from "./completion_script.ts";

/** What `sget` of 1.x has beside images. */
const COMMANDS: ReadonlySet<string | undefined> = new Set(["version", "completion"]);

/** The command line of a program that was called `sget`, as this program reads it. */
export function sgetLine(argv: readonly string[]): readonly string[] {
  const [first, ...rest] = argv;
  if (COMMANDS.has(first)) return argv;
  if (first === COMPLETE_WORD) return [COMPLETE_WORD, "sget", ...rest];
  return first === "help" ? ["sget", "--help"] : ["sget", ...argv];
}
