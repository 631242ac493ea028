import { ARTIFACT_COMMANDS } from "./artifact_commands.ts";
import { ATTESTATION_COMMANDS } from "./attestation_commands.ts";
import { BLOB_COMMANDS } from "./blob_commands.ts";
import { type Command, command } from "./command.ts";
import {
  BATCH_SCHEMA_FLAGS,
  BATCH_SIGN_FLAGS,
  BATCH_VERIFY_FLAGS,
  DEMO_FLAGS,
} from "./flags/batch.ts";
import {
  GENERATE_KEY_PAIR_FLAGS,
  IMPORT_KEY_PAIR_FLAGS,
  PUBLIC_KEY_FLAGS,
} from "./flags/key_pair.ts";
import { PLUGINS_LIST_FLAGS, REGISTRY_SERVE_FLAGS, VERSION_FLAGS } from "./flags/other.ts";
import { SIGN_FLAGS } from "./flags/sign.ts";
import { VERIFY_FLAGS } from "./flags/verify.ts";

const IMAGES = { minimum: 1, placeholder: "image", brief: "image references" } as const;
const TARGETS = {
  minimum: 1,
  maximum: 1,
  placeholder: "manifest",
  brief: "manifest, or - for one reference a line on standard input",
} as const;
const NONE = { minimum: 0, maximum: 0 } as const;

/** Every command by its words; what it does is loaded when it is asked for. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  sign: command({
    brief: "Sign container images",
    flags: SIGN_FLAGS,
    args: IMAGES,
    refusesLater: true,
    load: async () => (await import("./commands/sign.ts")).signCommand,
  }),
  verify: command({
    brief: "Verify the signatures of container images",
    flags: VERIFY_FLAGS,
    args: IMAGES,
    refusesLater: true,
    load: async () => (await import("./commands/verify.ts")).verifyCommand,
  }),
  ...ATTESTATION_COMMANDS,
  "generate-key-pair": command({
    brief: "Generate a key pair",
    flags: GENERATE_KEY_PAIR_FLAGS,
    args: { minimum: 0, maximum: 1, placeholder: "uri", brief: "where to keep the keys" },
    load: async () => (await import("./commands/generate_key_pair.ts")).generateKeyPairCommand,
  }),
  "import-key-pair": command({
    brief: "Import a PEM private key",
    flags: IMPORT_KEY_PAIR_FLAGS,
    args: NONE,
    load: async () => (await import("./commands/import_key_pair.ts")).importKeyPairCommand,
  }),
  "public-key": command({
    brief: "Print the public key of a key",
    flags: PUBLIC_KEY_FLAGS,
    args: NONE,
    load: async () => (await import("./commands/public_key.ts")).publicKeyCommand,
  }),
  ...BLOB_COMMANDS,
  ...ARTIFACT_COMMANDS,
  "batch sign": command({
    brief: "Sign all that a manifest, or a list on standard input, names",
    flags: BATCH_SIGN_FLAGS,
    args: TARGETS,
    load: async () => (await import("./commands/batch_sign.ts")).batchSignCommand,
  }),
  "batch verify": command({
    brief: "Verify all that a manifest, or a list on standard input, names",
    flags: BATCH_VERIFY_FLAGS,
    args: TARGETS,
    load: async () => (await import("./commands/batch_verify.ts")).batchVerifyCommand,
  }),
  "batch schema": command({
    brief: "Print the JSON Schema of batch manifests, or of reports",
    flags: BATCH_SCHEMA_FLAGS,
    args: NONE,
    environment: false,
    load: async () => (await import("./commands/batch_schema.ts")).batchSchemaCommand,
  }),
  demo: command({
    brief: "Sign and verify a hundred images of a registry of its own, and show how",
    flags: DEMO_FLAGS,
    args: NONE,
    environment: false,
    load: async () => (await import("./commands/demo.ts")).demoCommand,
  }),
  "registry serve": command({
    brief: "Serve an OCI registry from a directory",
    flags: REGISTRY_SERVE_FLAGS,
    args: NONE,
    environment: false,
    load: async () => (await import("./commands/registry_serve.ts")).registryServeCommand,
  }),
  "plugins list": command({
    brief: "List key schemes and artifact kinds, and who provides them",
    flags: PLUGINS_LIST_FLAGS,
    args: NONE,
    environment: false,
    load: async () => (await import("./commands/plugins_list.ts")).pluginsListCommand,
  }),
  version: command({
    brief: "Print the version",
    flags: VERSION_FLAGS,
    args: NONE,
    environment: false,
    load: async () => (await import("./commands/version.ts")).versionCommand,
  }),
};

/** What the groups of commands are about. */
export const GROUPS: Readonly<Record<string, string>> = {
  batch: "Sign or verify many images at once",
  registry: "The registry that comes with this program",
  plugins: "Key schemes and artifact kinds",
  attach: "Put what was made elsewhere beside an image",
  download: "Print what lies beside an image",
  upload: "Put files into a registry",
};

/** Commands of cosign that a later version will have. */
export const LATER_COMMANDS: ReadonlySet<string> = new Set([
  "bundle",
  "completion",
  "debug",
  "dockerfile",
  "env",
  "initialize",
  "login",
  "manifest",
  "piv-tool",
  "pkcs11-tool",
  "policy",
  "signing-config",
  "trusted-root",
]);
