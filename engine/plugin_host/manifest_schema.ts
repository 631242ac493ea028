import { toJsonSchema } from "@valibot/to-json-schema";
import { USER_PLUGINS } from "./manifest.ts";

/** The JSON Schema of a list of a user's plugins (draft 2020-12), for editors. */
export function pluginsJsonSchema(): Readonly<Record<string, unknown>> {
  return { ...toJsonSchema(USER_PLUGINS, { target: "draft-2020-12" }), title: "cosign-ts plugins" };
}
