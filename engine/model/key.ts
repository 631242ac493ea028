import type { KeyObject } from "node:crypto";
import type { SignatureDigestAlgorithm } from "./policy.ts";

/** Key types that are refused unless their name is allowed: too short for what is signed today. */
export type WeakKeyType = "ecdsa-p224" | "rsa-1024" | "rsa-1536";

/** The key types that cosign's keys have, and {@link WeakKeyType}. */
export type KeyType =
  | "ecdsa-p256"
  | "ecdsa-p384"
  | "ecdsa-p521"
  | "ed25519"
  | "rsa-2048"
  | "rsa-3072"
  | "rsa-4096"
  | WeakKeyType;

/** What can be wrong with a key that may be allowed all the same, by its name. */
export type Weakness = WeakKeyType | "rsa-exponent-3";

/** All names of weaknesses, for flags and messages. */
export const WEAKNESSES: readonly Weakness[] = [
  "ecdsa-p224",
  "rsa-1024",
  "rsa-1536",
  "rsa-exponent-3",
];

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
  /** What is wrong with it and was allowed by name; absent for a sound key. */
  readonly weaknesses?: readonly Weakness[];
}
