import { reportJsonSchema } from "../../engine/batch/report/schema.ts";
import { manifestJsonSchema } from "../../engine/batch/schema.ts";
import { COMMANDS, GROUPS } from "../../engine/cli/commands.ts";
import { pluginsJsonSchema } from "../../engine/plugin_host/manifest_schema.ts";
import { compatibilityTable } from "./compatibility.ts";
import { commandManual, programManual } from "./man.ts";
import { commandPage, indexPage } from "./markdown.ts";

/** The folders that hold nothing but documents made here. */
export const MADE_FOLDERS = ["docs/cli", "docs/man"] as const;

/** Every document that is made from the tables of the command line and the schemas, by its path. */
export function makeDocs(): ReadonlyMap<string, string> {
  const docs = new Map([
    ["docs/cli/README.md", indexPage(COMMANDS, GROUPS)],
    ["docs/man/cosign-ts.1", programManual(COMMANDS)],
    ["docs/compatibility.md", compatibilityTable(COMMANDS)],
    ["docs/manifest.schema.json", schemaText(manifestJsonSchema())],
    ["docs/report.schema.json", schemaText(reportJsonSchema())],
    ["docs/plugins.schema.json", schemaText(pluginsJsonSchema())],
  ]);
  for (const [words, command] of Object.entries(COMMANDS)) {
    const name = words.replaceAll(" ", "-");
    docs.set(`docs/cli/${name}.md`, commandPage(words, command));
    docs.set(`docs/man/cosign-ts-${name}.1`, commandManual(words, command));
  }
  return docs;
}

function schemaText(schema: object): string {
  return `${JSON.stringify(schema, null, 2)}\n`;
}
