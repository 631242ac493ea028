import type { KeyObject } from "node:crypto";
import type { SignatureDigestAlgorithm } from "./policy.ts";

/** The key types that cosign's keys have. */
export type KeyType =
  | "ecdsa-p256"
  | "ecdsa-p384"
  | "ecdsa-p521"
  | "ed25519"
  | "rsa-2048"
  | "rsa-3072"
  | "rsa-4096";

/** A public key, ready to verify with. */
export interface PublicKey {
  /** As the user named it: a path, an URI. */
  readonly uri: string;
  readonly type: KeyType;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  readonly key: KeyObject;
  /** What its RSA signatures are over, where the place it lies in demands another digest than SHA-256. */
  readonly digest?: SignatureDigestAlgorithm;
}
