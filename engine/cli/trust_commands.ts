import { type Command, command } from "./command.ts";
import {
  INITIALIZE_FLAGS,
  SIGNING_CONFIG_CREATE_FLAGS,
  TRUSTED_ROOT_CREATE_FLAGS,
} from "./flags/trust.ts";

const NONE = { minimum: 0, maximum: 0 } as const;

/** The commands about whose keys are believed, and who is asked to sign. */
export const TRUST_COMMANDS: Readonly<Record<string, Command>> = {
  initialize: command({
    brief: "Fetch the keys that are believed, and choose whose they are",
    flags: INITIALIZE_FLAGS,
    args: NONE,
    load: async () => (await import("./commands/initialize.ts")).initializeCommand,
  }),
  "trusted-root create": command({
    brief: "Make a trusted root: whose keys are believed",
    flags: TRUSTED_ROOT_CREATE_FLAGS,
    args: NONE,
    environment: false,
    load: async () => (await import("./commands/trusted_root_create.ts")).trustedRootCreateCommand,
  }),
  "signing-config create": command({
    brief: "Make a signing config: which services are asked to sign",
    flags: SIGNING_CONFIG_CREATE_FLAGS,
    args: NONE,
    environment: false,
    load: async () =>
      (await import("./commands/signing_config_create.ts")).signingConfigCreateCommand,
  }),
};
