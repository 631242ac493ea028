import { programFixture } from "./_program.ts";
import { testKeyBackend } from "./keys.ts";

testKeyBackend(
  programFixture("shell", "sigstore-kms-shell", [
    "ecdsa-p256",
    "ecdsa-p384",
    "ecdsa-p521",
    "rsa-2048",
    "rsa-4096",
  ]),
);
