import { programFixture } from "./_program.ts";
import { testBatchSign } from "./batch.ts";

testBatchSign(programFixture("shell", "sigstore-kms-shell", ["ecdsa-p256"]));
testBatchSign(programFixture("typescript", "sigstore-kms-typescript.ts", ["rsa-2048"]));
