import { type Command, command } from "./command.ts";

const BUNDLE = {
  minimum: 1,
  maximum: 1,
  placeholder: "bundle",
  brief: "file of a bundle",
} as const;

/** The commands about Sigstore bundles. */
export const BUNDLE_COMMANDS: Readonly<Record<string, Command>> = {
  "bundle inspect": command({
    brief: "Show what is in a bundle, without verifying it",
    flags: {},
    args: BUNDLE,
    environment: false,
    load: async () => (await import("./commands/bundle_inspect.ts")).bundleInspectCommand,
  }),
};
