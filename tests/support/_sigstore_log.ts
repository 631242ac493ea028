import { createHash, createPublicKey, type KeyObject, sign, X509Certificate } from "node:crypto";
import { verifyDigest } from "../../engine/crypto/digest_signature.ts";
import { parsePublicKeyDer } from "../../engine/crypto/public_key.ts";
import { concatBytes, utf8 } from "../../engine/model/bytes.ts";
import type { MerkleTree } from "./_sigstore_tree.ts";

/** A transparency log in memory. */
export interface TestLog {
  /** What its checkpoints and promises are signed with. */
  readonly publicKey: KeyObject;
  /** `logId.keyId` of a trusted root. */
  readonly keyId: Uint8Array;
  /** The one that grows. */
  readonly tree: MerkleTree;
  handle(request: Request): Promise<Response>;
}

/** A pair of keys of a service. */
export interface TestKeys {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** A signed note (c2sp.org/tlog-checkpoint). */
export function checkpointOf(
  tree: MerkleTree,
  origin: string,
  name: string,
  keyId: Uint8Array,
  key: KeyObject,
): string {
  const text = `${origin}\n${tree.size}\n${tree.root().toBase64()}\n`;
  const digest = key.asymmetricKeyType === "ed25519" ? null : "sha256";
  const signature = new Uint8Array(sign(digest, utf8(text), key));
  return `${text}\n\u2014 ${name} ${concatBytes(keyId.subarray(0, 4), signature).toBase64()}\n`;
}

/** The digest that a key's signatures must be over (sigstore, `algorithm_registry.go`). */
export function digestOfKey(key: KeyObject): "sha256" | "sha384" | "sha512" {
  if (key.asymmetricKeyType === "ed25519") return "sha512";
  const curve = key.asymmetricKeyDetails?.namedCurve;
  return curve === "secp384r1" ? "sha384" : curve === "secp521r1" ? "sha512" : "sha256";
}

/** Both versions demand a signature over the digest that goes with the key; by Ed25519, Ed25519ph. */
export function checkDigestSignature(
  key: KeyObject,
  algorithm: string,
  digest: Uint8Array,
  signature: string,
): void {
  const wanted = digestOfKey(key);
  if (algorithm !== wanted) throw new Error("entry algorithms are not allowed");
  if (digest.length * 8 !== Number(wanted.slice(3))) throw new Error("invalid value for hash");
  const publicKey = parsePublicKeyDer(spkiOf(key), "test");
  verifyDigest(publicKey, { [wanted]: digest }, new Uint8Array(Buffer.from(signature, "base64")));
}

/** The key in PEM, or in a certificate. */
export function keyOf(pem: string): KeyObject {
  return pem.includes("CERTIFICATE") ? new X509Certificate(pem).publicKey : createPublicKey(pem);
}

export function hashOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}

export function spkiOf(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ format: "der", type: "spki" }));
}
