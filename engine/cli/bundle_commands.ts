import { type Command, command } from "./command.ts";
import { BUNDLE_CREATE_FLAGS, BUNDLE_UPGRADE_FLAGS } from "./flags/bundle.ts";

const BUNDLE = {
  minimum: 1,
  maximum: 1,
  placeholder: "bundle",
  brief: "file of a bundle",
} as const;

/** The commands about Sigstore bundles. */
export const BUNDLE_COMMANDS: Readonly<Record<string, Command>> = {
  "bundle create": command({
    brief: "Make a bundle of a signature and what came with it",
    flags: BUNDLE_CREATE_FLAGS,
    args: { minimum: 0, maximum: 0 },
    environment: false,
    load: async () => (await import("./commands/bundle_create.ts")).bundleCreateCommand,
  }),
  "bundle upgrade": command({
    brief: "Make a bundle of version 0.3 of one of version 0.1 or 0.2",
    flags: BUNDLE_UPGRADE_FLAGS,
    args: BUNDLE,
    environment: false,
    load: async () => (await import("./commands/bundle_upgrade.ts")).bundleUpgradeCommand,
  }),
  "bundle inspect": command({
    brief: "Show what is in a bundle, without verifying it",
    flags: {},
    args: BUNDLE,
    environment: false,
    load: async () => (await import("./commands/bundle_inspect.ts")).bundleInspectCommand,
  }),
};
