import { createHash } from "node:crypto";
import { type Digest, type DigestAlgorithm, parseDigest } from "../model/digest.ts";

/** The SHA-256 of bytes: 32 raw bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}

/** The digest of bytes, as registries name content. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = "sha256"): Digest {
  return parseDigest(`${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`);
}
