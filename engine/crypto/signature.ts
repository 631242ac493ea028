import { Buffer } from "node:buffer";
import { constants, type KeyObject, sign, verify } from "node:crypto";
import { ed25519ph } from "@noble/curves/ed25519.js";
import { CosignError, describeError } from "../model/errors.ts";
import type { KeyType, PublicKey } from "../model/key.ts";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";
import { CURVES, type Curve, checkEcdsaSignature } from "./ecdsa.ts";
import { isShortForP521, signP521, verifyP521 } from "./p521_short.ts";

/** How a signature was made: the algorithm and the digest of the message. */
export type SignatureScheme =
  | `ecdsa-${SignatureDigestAlgorithm}`
  | `rsa-pkcs1-${SignatureDigestAlgorithm}`
  | "ed25519"
  | "ed25519ph";

type EcdsaType = Curve["type"];

/** The digests that ECDSA signatures are tried with: SHA-256 first, then the one of the curve's size. */
export const ECDSA_DIGESTS: Readonly<Record<EcdsaType, readonly SignatureDigestAlgorithm[]>> = {
  "ecdsa-p224": ["sha256"],
  "ecdsa-p256": ["sha256"],
  "ecdsa-p384": ["sha256", "sha384"],
  "ecdsa-p521": ["sha256", "sha512"],
};
/** The curves by the types of the keys that lie on them. */
export const ECDSA_CURVES: ReadonlyMap<KeyType, Curve> = new Map(
  CURVES.map((curve) => [curve.type, curve]),
);
const ED25519_KEY_BYTES = 32;
const ED25519_SIGNATURE_BYTES = 64;
/** The order L of the base point (RFC 8032 §5.1), big-endian. */
const ED25519_ORDER = Uint8Array.fromHex(
  "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed",
);

/**
 * Checks a signature over a message: ECDSA in DER over the curve's own digest or SHA-256, RSA
 * PKCS#1 v1.5 over SHA-256 or what its backend demands, plain Ed25519 or Ed25519ph (RFC 8032 §5.1).
 *
 * @param signature Raw bytes; attacker-controlled.
 * @param only Takes this digest instead of those that go with the key. To an Ed25519 key it means
 * plain Ed25519, and Ed25519ph too when it is `sha512`: the digest of both.
 * @returns The scheme that the signature was verified with.
 * @throws {CosignError} `SIGNATURE_INVALID` when it is not a signature of the message by the key.
 */
export function verifySignature(
  key: PublicKey,
  message: Uint8Array,
  signature: Uint8Array,
  only?: SignatureDigestAlgorithm,
): SignatureScheme {
  const curve = ECDSA_CURVES.get(key.type);
  const scheme =
    curve !== undefined
      ? matchEcdsa(key, curve, message, signature, only)
      : key.type === "ed25519"
        ? matchEd25519(key, message, signature, only)
        : matchRsa(key, message, signature, only ?? key.digest ?? "sha256");
  if (scheme === undefined) throw invalidSignature(key, "it does not match message and key");
  return scheme;
}

/**
 * Signs a message: ECDSA as DER, RSA as PKCS#1 v1.5, both over `digest`. To an Ed25519 key `sha512` means
 * Ed25519ph (RFC 8032 §5.1), and every other digest the plain one. With the default every generation of
 * cosign verifies it.
 *
 * @throws {CosignError} `KEY_SIGN_FAILED`.
 */
export function signMessage(
  privateKey: KeyObject,
  type: KeyType,
  message: Uint8Array,
  digest: SignatureDigestAlgorithm = "sha256",
): Uint8Array {
  try {
    return signNatively(privateKey, type, message, digest);
  } catch (error) {
    if (type === "ecdsa-p521" && isShortForP521(digest)) {
      return signP521(privateKey, message, digest);
    }
    throw new CosignError("KEY_SIGN_FAILED", `Cannot sign: ${describeError(error)}`, {
      cause: error,
    });
  }
}

function signNatively(
  key: KeyObject,
  type: KeyType,
  message: Uint8Array,
  digest: SignatureDigestAlgorithm,
): Uint8Array {
  if (type === "ed25519") {
    return digest === "sha512"
      ? ed25519ph.sign(message, ed25519Seed(key))
      : new Uint8Array(sign(null, message, key));
  }
  const how = ECDSA_CURVES.has(type)
    ? ({ key, dsaEncoding: "der" } as const)
    : { key, padding: constants.RSA_PKCS1_PADDING };
  return new Uint8Array(sign(digest, message, how));
}

/** The 32 bytes that an Ed25519 key is made of. */
export function ed25519Seed(key: KeyObject): Uint8Array {
  const { d } = key.export({ format: "jwk" });
  if (d === undefined) throw new TypeError("not a private key");
  return Uint8Array.fromBase64(d, { alphabet: "base64url" });
}

function matchEcdsa(
  key: PublicKey,
  curve: Curve,
  message: Uint8Array,
  signature: Uint8Array,
  only: SignatureDigestAlgorithm | undefined,
): SignatureScheme | undefined {
  try {
    checkEcdsaSignature(signature, curve);
  } catch (error) {
    throw invalidSignature(key, describeError(error), error);
  }
  const digests = only === undefined ? ECDSA_DIGESTS[curve.type] : [only];
  const digest = digests.find((each) => isEcdsaSignature(key, message, signature, each));
  return digest === undefined ? undefined : `ecdsa-${digest}`;
}

function isEcdsaSignature(
  key: PublicKey,
  message: Uint8Array,
  signature: Uint8Array,
  digest: SignatureDigestAlgorithm,
): boolean {
  const isShort = key.type === "ecdsa-p521" && isShortForP521(digest);
  try {
    if (verify(digest, message, key.key, signature)) return true;
  } catch (error) {
    if (!isShort) throw error;
  }
  return isShort && verifyP521(key.spki, message, signature, digest);
}

function matchEd25519(
  key: PublicKey,
  message: Uint8Array,
  signature: Uint8Array,
  only: SignatureDigestAlgorithm | undefined,
): SignatureScheme | undefined {
  if (signature.length !== ED25519_SIGNATURE_BYTES) {
    throw invalidSignature(key, `${signature.length} bytes, expected ${ED25519_SIGNATURE_BYTES}`);
  }
  if (!hasReducedScalar(signature))
    throw invalidSignature(key, "its scalar is not below the order");
  if (verify(null, message, key.key, signature)) return "ed25519";
  if (only !== undefined && only !== "sha512") return undefined;
  const point = key.spki.slice(-ED25519_KEY_BYTES);
  return ed25519ph.verify(signature, message, point, { zip215: false }) ? "ed25519ph" : undefined;
}

/** Whether S < L, without which a signature could be changed into another (RFC 8032 §5.1.7). @param signature 64 bytes. */
export function hasReducedScalar(signature: Uint8Array): boolean {
  const scalar = signature.slice(-ED25519_KEY_BYTES).reverse();
  return Buffer.compare(scalar, ED25519_ORDER) < 0;
}

function matchRsa(
  key: PublicKey,
  message: Uint8Array,
  signature: Uint8Array,
  digest: SignatureDigestAlgorithm,
): SignatureScheme | undefined {
  const sizeBytes = Number(key.type.slice("rsa-".length)) / 8;
  if (signature.length !== sizeBytes) {
    throw invalidSignature(key, `${signature.length} bytes, expected ${sizeBytes}`);
  }
  const padding = constants.RSA_PKCS1_PADDING;
  const matches = verify(digest, message, { key: key.key, padding }, signature);
  return matches ? `rsa-pkcs1-${digest}` : undefined;
}

/** The error for what is no signature by the key. */
export function invalidSignature(key: PublicKey, why: string, cause?: unknown): CosignError {
  return new CosignError("SIGNATURE_INVALID", `Cannot verify signature with "${key.uri}": ${why}`, {
    cause,
  });
}
