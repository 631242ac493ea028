import { sha256 } from "../crypto/hash.ts";
import { concatBytes, utf8 } from "../model/bytes.ts";
import type { PublicKey } from "../model/key.ts";

const ED25519_BYTES = 32; // at the end of its SubjectPublicKeyInfo
const ALGORITHM_ED25519 = 0x01; // c2sp.org/signed-note, "Signature types"
const ALGORITHM_UNASSIGNED = 0xff;
const RSA_NAME = "PKIX-RSA-PKCS#1v1.5"; // what rekor-tiles calls it

/**
 * The id of a log's key, 32 raw bytes: what trusted roots and entries call the log.
 *
 * @param origin Of the checkpoints of Rekor v2 and of static CT logs, whose ids are those of signed notes.
 * Absent for Rekor v1 and RFC 6962: the SHA-256 of the key's SubjectPublicKeyInfo. ECDSA keys have this
 * one id in both.
 */
export function logKeyId(key: PublicKey, origin?: string): Uint8Array {
  if (origin === undefined || key.type.startsWith("ecdsa")) return sha256(key.spki);
  const name = utf8(`${origin}\n`);
  if (key.type === "ed25519") {
    const raw = key.spki.subarray(-ED25519_BYTES);
    return sha256(concatBytes(name, Uint8Array.of(ALGORITHM_ED25519), raw));
  }
  return sha256(concatBytes(name, Uint8Array.of(ALGORITHM_UNASSIGNED), utf8(RSA_NAME), key.spki));
}
