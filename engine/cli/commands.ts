import { ARTIFACT_COMMANDS, REMOVED_IN_4 } from "./artifact_commands.ts";
import { ATTESTATION_COMMANDS } from "./attestation_commands.ts";
import { BLOB_COMMANDS } from "./blob_commands.ts";
import { BUNDLE_COMMANDS } from "./bundle_commands.ts";
import { type Command, type CommandGroup, command } from "./command.ts";
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
import {
  COMPLETION_FLAGS,
  ENV_FLAGS,
  LOGIN_FLAGS,
  REGISTRY_SERVE_FLAGS,
  VERSION_FLAGS,
} from "./flags/other.ts";
import { PLUGINS_CHECK_FLAGS, PLUGINS_LIST_FLAGS, PLUGINS_NEW_FLAGS } from "./flags/plugins.ts";
import { SIGN_FLAGS } from "./flags/sign.ts";
import { DOCKERFILE_VERIFY_FLAGS, MANIFEST_VERIFY_FLAGS, VERIFY_FLAGS } from "./flags/verify.ts";
import { REFUSED_COMMANDS } from "./later_commands.ts";
import { TRUST_COMMANDS } from "./trust_commands.ts";

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
  ...TRUST_COMMANDS,
  ...BUNDLE_COMMANDS,
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
  "plugins check": command({
    brief: "Check that plugins of keys answer",
    flags: PLUGINS_CHECK_FLAGS,
    args: { minimum: 0, placeholder: "scheme", brief: "schemes to check; all when none is given" },
    environment: false,
    load: async () => (await import("./commands/plugins_check.ts")).pluginsCheckCommand,
  }),
  "plugins new": command({
    brief: "Write a key plugin that works, to build upon",
    flags: PLUGINS_NEW_FLAGS,
    args: { minimum: 1, maximum: 1, placeholder: "name", brief: "scheme of its keys" },
    environment: false,
    load: async () => (await import("./commands/plugins_new.ts")).pluginsNewCommand,
  }),
  "dockerfile verify": command({
    brief: "Verify the images that a Dockerfile is built from",
    flags: DOCKERFILE_VERIFY_FLAGS,
    args: { minimum: 1, maximum: 1, placeholder: "dockerfile", brief: "path of the Dockerfile" },
    refusesLater: true,
    load: async () => (await import("./commands/dockerfile_verify.ts")).dockerfileVerifyCommand,
  }),
  "manifest verify": command({
    brief: "Verify the images of a Kubernetes manifest",
    flags: MANIFEST_VERIFY_FLAGS,
    args: { minimum: 1, maximum: 1, placeholder: "manifest", brief: "path of a YAML file" },
    refusesLater: true,
    load: async () => (await import("./commands/manifest_verify.ts")).manifestVerifyCommand,
  }),
  login: command({
    brief: "Log in to a registry",
    flags: LOGIN_FLAGS,
    args: { minimum: 1, maximum: 1, placeholder: "registry", brief: "host, and port if any" },
    environment: false,
    load: async () => (await import("./commands/login.ts")).loginCommand,
  }),
  env: command({
    brief: "Print the variables that steer this program",
    flags: ENV_FLAGS,
    args: NONE,
    environment: false,
    load: async () => (await import("./commands/env.ts")).envCommand,
  }),
  "debug providers": command({
    brief: "Show which providers of identity tokens the environment has",
    hidden: true,
    flags: {},
    args: NONE,
    environment: false,
    load: async () => (await import("./commands/debug_providers.ts")).debugProvidersCommand,
  }),
  completion: command({
    brief: "Print the script that completes command lines in a shell",
    flags: COMPLETION_FLAGS,
    args: { minimum: 1, maximum: 1, placeholder: "bash|zsh|fish|powershell", brief: "shell" },
    environment: false,
    load: async () => (await import("./commands/completion.ts")).completionCommand,
  }),
  version: command({
    brief: "Print the version",
    flags: VERSION_FLAGS,
    args: NONE,
    environment: false,
    load: async () => (await import("./commands/version.ts")).versionCommand,
  }),
  ...REFUSED_COMMANDS,
};

/** What the groups of commands are about. */
export const GROUPS: Readonly<Record<string, CommandGroup>> = {
  batch: { brief: "Sign or verify many images at once" },
  registry: { brief: "The registry that comes with this program" },
  plugins: { brief: "Key schemes and artifact kinds" },
  dockerfile: {
    brief: "The images of Dockerfiles",
    deprecated: `dockerfile ${REMOVED_IN_4} \`cosign verify\` for each image in your Dockerfile`,
  },
  manifest: {
    brief: "The images of Kubernetes manifests",
    deprecated: `manifest ${REMOVED_IN_4} \`cosign verify\` for each image in your Kubernetes manifest`,
  },
  bundle: { brief: "Sigstore bundles" },
  "trusted-root": { brief: "Files of trusted authorities and logs" },
  "signing-config": { brief: "Files of the services that signing asks" },
  debug: { brief: "What helps to find faults" },
  "piv-tool": { brief: "PIV devices" },
  "pkcs11-tool": { brief: "PKCS #11 tokens" },
  policy: { brief: "Policies of cosign 1.x" },
  attach: {
    brief: "Put what was made elsewhere beside an image",
    deprecated: `attach ${REMOVED_IN_4} oras for attaching artifacts to other artifacts in a registry`,
  },
  download: { brief: "Print what lies beside an image" },
  upload: {
    brief: "Put files into a registry",
    deprecated: `upload ${REMOVED_IN_4} \`oras blob push\` for uploading artifacts to a registry`,
  },
};

/** Commands of cosign that a later version will have. */
export const LATER_COMMANDS: ReadonlySet<string> = new Set();
