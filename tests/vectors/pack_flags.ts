/**
 * `bun tests/vectors/pack_flags.ts FACTS.md` reads the tables of flags of cosign's four generations out
 * of a Markdown file (its Appendix A: a section a command or a group, a row a flag, a cell a
 * generation) and writes `tests/vectors/flags.json`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CosignCommand, CosignFlag } from "../support/cosign_flags.ts";

const GENERATIONS = ["1.4", "1.13", "2.6", "3.1"] as const;
type Row = CosignFlag;
interface Section {
  readonly title: string;
  readonly groups: readonly { readonly name: string; readonly generations: readonly string[] }[];
  readonly rows: readonly Row[];
}

const [facts] = process.argv.slice(2);
if (facts === undefined) throw new TypeError("Cannot pack flags: expected FACTS.md");
const text = readFileSync(facts, "utf8");
const appendix = text.slice(text.indexOf("## Appendix A."), text.indexOf("## Appendix B."));
const sections = appendix
  .split(/^#### /m)
  .slice(1)
  .map(readSection);
const groups = new Map(
  sections
    .filter(({ title }) => title.endsWith("Options"))
    .map((section) => [section.title.replace(/Options$/, ""), section]),
);
const commands: CosignCommand[] = sections
  .filter(({ title }) => !title.endsWith("Options"))
  .map((section) => ({ command: section.title, flags: sort(flagsOf(section, GENERATIONS)) }));
const root = groups.get("Root");
if (root === undefined) throw new TypeError("Cannot pack flags: there are no root options");
commands.unshift({ command: "", flags: sort(root.rows) });
writeFileSync(join(import.meta.dir, "flags.json"), `${JSON.stringify(commands, undefined, 1)}\n`);
process.stdout.write(`${commands.length} commands\n`);

function readSection(source: string): Section {
  const heading = source.slice(0, source.indexOf("\n"));
  const title = /^`([^`]+)`/.exec(heading)?.[1] ?? heading.split(" ")[0] ?? "";
  const included = /^Includes groups: (.*)\.$/m.exec(source)?.[1] ?? "";
  const names = [...included.matchAll(/(\w+) \(([\d./]+)\)/g)];
  return {
    title,
    groups: names.map(([, name = "", list = ""]) => ({ name, generations: list.split("/") })),
    rows: source.split("\n").flatMap(readRow),
  };
}

function readRow(line: string): readonly Row[] {
  if (!line.startsWith("| `--")) return [];
  const cells = line
    .slice(2, -2)
    .split(/(?<!\\) ?\| ?/)
    .map((cell) => cell.replaceAll("\\|", "|").trim());
  const [names = "", type = "", initial = "", ...rest] = cells;
  const [name = "", short] = [...names.matchAll(/`--?([^`]+)`/g)].map((match) => match[1] ?? "");
  const presence = GENERATIONS.map((_, i) => presenceOf(rest[i] ?? "-")).join("");
  const deprecated = /\*\*\[deprecated: (.*)\]\*\*/.exec(rest[4] ?? "")?.[1];
  return [
    {
      name,
      ...(short === undefined ? {} : { short }),
      type,
      ...(initial === "" ? {} : { initial: initial.replaceAll("`", "") }),
      ...(rest.slice(0, 4).some((cell) => cell.includes("!")) ? { required: true } : {}),
      presence,
      ...(deprecated === undefined ? {} : { deprecated }),
    },
  ];
}

function presenceOf(cell: string): string {
  const letter = cell.replace("!", "");
  if (/^[yDH-]$/.test(letter)) return letter;
  throw new TypeError(`Cannot pack flags: "${cell}" says nothing about a generation`);
}

/** The rows of a section and of the groups that it includes, each in the generations it includes them. */
function flagsOf(section: Section, generations: readonly string[]): readonly Row[] {
  const found = section.rows.map((row) => within(row, generations));
  for (const include of section.groups) {
    const group = groups.get(include.name);
    if (group === undefined) throw new TypeError(`Cannot pack flags: no group "${include.name}"`);
    const shared = include.generations.filter((generation) => generations.includes(generation));
    found.push(...flagsOf(group, shared));
  }
  const merged = new Map<string, Row>();
  for (const row of found) {
    const known = merged.get(row.name);
    merged.set(
      row.name,
      known === undefined ? row : { ...row, ...known, presence: both(known, row) },
    );
  }
  return [...merged.values()].filter(({ presence }) => presence !== "----");
}

function within(row: Row, generations: readonly string[]): Row {
  const letters = GENERATIONS.map((generation, i) =>
    generations.includes(generation) ? row.presence[i] : "-",
  );
  return { ...row, presence: letters.join("") };
}

function both(a: Row, b: Row): string {
  return GENERATIONS.map((_, i) => (a.presence[i] === "-" ? b.presence[i] : a.presence[i])).join(
    "",
  );
}

function sort(rows: readonly Row[]): readonly Row[] {
  return [...rows].sort((a, b) => (a.name < b.name ? -1 : 1));
}
