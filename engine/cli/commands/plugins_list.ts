import type { PluginEntry } from "../../plugin_host/table.ts";
import type { CommandFunction } from "../command.ts";
import type { PLUGINS_LIST_FLAGS } from "../flags/plugins.ts";
import { printableLine } from "../printable.ts";
import { textTable } from "../text_table.ts";

/** `plugins list`: every key scheme and artifact kind, who provides it, and whether this version can. */
export const pluginsListCommand: CommandFunction<typeof PLUGINS_LIST_FLAGS> = async ({
  flags,
  stdout,
  plugins,
}) => {
  const table = await plugins();
  const entries = [...table.entries, ...table.programs()];
  if (flags.json) {
    stdout.write(`${JSON.stringify(entries, undefined, 2)}\n`);
    return 0;
  }
  const rows = entries.map((entry) => [
    entry.provides,
    entry.name,
    entry.plugin,
    sourceOf(entry),
    entry.available ? "available" : "not available in this version",
  ]);
  for (const line of textTable(["PROVIDES", "NAME", "PLUGIN", "SOURCE", "STATE"], rows)) {
    stdout.write(`${printableLine(line)}\n`);
  }
  return 0;
};

function sourceOf({ source, where, command = [] }: PluginEntry): string {
  if (source !== "process") return source === "planned" ? "builtin" : source;
  const program = command.join(" ");
  return where === undefined ? program : `${program} (${where})`;
}
