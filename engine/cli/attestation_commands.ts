import { type Command, command } from "./command.ts";
import { ATTEST_BLOB_FLAGS, ATTEST_FLAGS } from "./flags/attest.ts";
import {
  VERIFY_ATTESTATION_FLAGS,
  VERIFY_BLOB_ATTESTATION_FLAGS,
} from "./flags/verify_attestation.ts";

const IMAGES = { minimum: 1, placeholder: "image", brief: "image references" } as const;
const FILE = {
  minimum: 0,
  maximum: 1,
  placeholder: "file",
  brief: "file; - for standard input",
} as const;

/** The commands of signed statements about images and files. */
export const ATTESTATION_COMMANDS: Readonly<Record<string, Command>> = {
  attest: command({
    brief: "Attest container images",
    flags: ATTEST_FLAGS,
    args: IMAGES,
    refusesLater: true,
    load: async () => (await import("./commands/attest.ts")).attestCommand,
  }),
  "verify-attestation": command({
    brief: "Verify the attestations of container images",
    flags: VERIFY_ATTESTATION_FLAGS,
    args: IMAGES,
    refusesLater: true,
    load: async () => (await import("./commands/verify_attestation.ts")).verifyAttestationCommand,
  }),
  "attest-blob": command({
    brief: "Attest a file",
    flags: ATTEST_BLOB_FLAGS,
    args: FILE,
    refusesLater: true,
    load: async () => (await import("./commands/attest_blob.ts")).attestBlobCommand,
  }),
  "verify-blob-attestation": command({
    brief: "Verify an attestation of a file",
    flags: VERIFY_BLOB_ATTESTATION_FLAGS,
    args: FILE,
    refusesLater: true,
    load: async () =>
      (await import("./commands/verify_blob_attestation.ts")).verifyBlobAttestationCommand,
  }),
};
