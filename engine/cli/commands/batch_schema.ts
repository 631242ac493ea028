import { reportJsonSchema } from "../../batch/report/schema.ts";
import { manifestJsonSchema } from "../../batch/schema.ts";
import type { CommandFunction } from "../command.ts";
import type { BATCH_SCHEMA_FLAGS } from "../flags/batch.ts";

/** `batch schema`: prints the JSON Schema of batch manifests, or of the lines of a report. */
export const batchSchemaCommand: CommandFunction<typeof BATCH_SCHEMA_FLAGS> = async ({
  flags,
  stdout,
}) => {
  const schema = flags.report ? reportJsonSchema() : manifestJsonSchema();
  stdout.write(`${JSON.stringify(schema, null, 2)}\n`);
  return 0;
};
