import { type Command, command } from "./command.ts";
import { SIGN_BLOB_FLAGS, VERIFY_BLOB_FLAGS } from "./flags/blob.ts";

/** The commands about files, by their words. */
export const BLOB_COMMANDS: Readonly<Record<string, Command>> = {
  "sign-blob": command({
    brief: "Sign files",
    flags: SIGN_BLOB_FLAGS,
    args: { minimum: 1, placeholder: "file", brief: "files; - for standard input" },
    refusesLater: true,
    load: async () => (await import("./commands/sign_blob.ts")).signBlobCommand,
  }),
  "verify-blob": command({
    brief: "Verify the signature of a file",
    flags: VERIFY_BLOB_FLAGS,
    args: {
      minimum: 1,
      maximum: 1,
      placeholder: "file",
      brief: "file, URL, - for standard input, or sha256:<hex>",
    },
    refusesLater: true,
    load: async () => (await import("./commands/verify_blob.ts")).verifyBlobCommand,
  }),
};
