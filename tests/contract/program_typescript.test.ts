import { programFixture } from "./_program.ts";
import { testKeyBackend } from "./keys.ts";

testKeyBackend(
  programFixture("typescript", "sigstore-kms-typescript.ts", ["rsa-2048", "rsa-3072", "ed25519"]),
);
