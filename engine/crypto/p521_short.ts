import { createHash, type KeyObject } from "node:crypto";
import { p521 } from "@noble/curves/nist.js";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";
import { ecScalar } from "./ecdsa.ts";

const POINT_BYTES = 133; // 04 and two coordinates of 66
const OPTIONS = { prehash: false, lowS: false, format: "der" } as const;

/**
 * Whether a digest is shorter than half of P-521's order. Deno's native ECDSA refuses to sign with
 * such a pair and says no to every signature, although FIPS 186-5 §6.4 defines it and cosign makes
 * it. The functions here stand in where native code says no.
 */
export function isShortForP521(digest: SignatureDigestAlgorithm): boolean {
  return digest === "sha224" || digest === "sha256";
}

/** Verifies a signature whose form was checked already. @param spki SubjectPublicKeyInfo, DER. */
export function verifyP521(
  spki: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
  digest: SignatureDigestAlgorithm,
): boolean {
  return p521.verify(signature, hash(message, digest), spki.slice(-POINT_BYTES), OPTIONS);
}

/** Signs; DER. Its running time depends on the key, unlike native code's. */
export function signP521(
  privateKey: KeyObject,
  message: Uint8Array,
  digest: SignatureDigestAlgorithm,
): Uint8Array {
  return p521.sign(hash(message, digest), ecScalar(privateKey), OPTIONS);
}

function hash(message: Uint8Array, digest: SignatureDigestAlgorithm): Uint8Array {
  return new Uint8Array(createHash(digest).update(message).digest());
}
