import type { CommandFunction } from "../command.ts";
import type { PLUGINS_LIST_FLAGS } from "../flags/other.ts";

/** `plugins list`: every key scheme and artifact kind, who provides it, and whether this version can. */
export const pluginsListCommand: CommandFunction<typeof PLUGINS_LIST_FLAGS> = async ({
  flags,
  stdout,
  plugins,
}) => {
  const { entries } = await plugins();
  if (flags.json) {
    stdout.write(`${JSON.stringify(entries, undefined, 2)}\n`);
    return 0;
  }
  const rows = [
    ["PROVIDES", "NAME", "PLUGIN", "STATE"],
    ...entries.map(({ provides, name, plugin, available }) => [
      provides,
      name,
      plugin,
      available ? "available" : "not available in this version",
    ]),
  ];
  const widths = [0, 1, 2].map((at) => Math.max(...rows.map((row) => (row[at] ?? "").length)));
  for (const row of rows) {
    const cells = row.map((cell, at) => cell.padEnd(widths[at] ?? 0));
    stdout.write(`${cells.join("  ").trimEnd()}\n`);
  }
  return 0;
};
