import { Buffer } from "node:buffer";
import { constants, type KeyObject, privateEncrypt, publicEncrypt } from "node:crypto";
import { eddsa } from "@noble/curves/abstract/edwards.js";
import { ecdsa, weierstrass } from "@noble/curves/abstract/weierstrass.js";
import { ed25519 } from "@noble/curves/ed25519.js";
import { p256, p384, p521 } from "@noble/curves/nist.js";
import { sha224, sha512 } from "@noble/hashes/sha2.js";
import { concatBytes, equalBytes, utf8 } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";
import type { KeyType, PublicKey } from "../model/key.ts";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";
import { type Curve, checkEcdsaSignature, ecScalar } from "./ecdsa.ts";
import {
  ECDSA_CURVES,
  ECDSA_DIGESTS,
  ed25519Seed,
  hasReducedScalar,
  invalidSignature,
  type SignatureScheme,
} from "./signature.ts";

/** The digests of one message by their algorithms; raw bytes. */
export type KnownDigests = Readonly<Partial<Record<SignatureDigestAlgorithm, Uint8Array>>>;

/** What DigestInfo puts before a digest (RFC 8017 §9.2, note 1), in hexadecimal. */
const DIGEST_INFO: Readonly<Record<SignatureDigestAlgorithm, string>> = {
  sha224: "302d300d06096086480165030402040500041c",
  sha256: "3031300d060960864801650304020105000420",
  sha384: "3041300d060960864801650304020205000430",
  sha512: "3051300d060960864801650304020305000440",
};
/** P-224 (SEC 2 §2.2.2), which the library leaves out. */
const p224 = ecdsa(
  weierstrass({
    p: 0xffffffffffffffffffffffffffffffff000000000000000000000001n,
    n: 0xffffffffffffffffffffffffffff16a2e0b8f03e13dd29455c5c2a3dn,
    h: 1n,
    a: 0xfffffffffffffffffffffffffffffffefffffffffffffffffffffffen,
    b: 0xb4050a850c04b3abf54132565044b0b7d7bfd8ba270b39432355ffb4n,
    Gx: 0xb70e0cbd6bb4bf7f321390b94a03c1d356c21122343280d6115c1d21n,
    Gy: 0xbd376388b5f723fb4c22dfe6cd4375a05a07476444d5819985007e34n,
  }),
  sha224,
);
const NOBLE = {
  "ecdsa-p224": p224,
  "ecdsa-p256": p256,
  "ecdsa-p384": p384,
  "ecdsa-p521": p521,
} as const;
const NOBLE_OPTIONS = { prehash: false, lowS: false, format: "der" } as const;
const ED25519_KEY_BYTES = 32;
const ED25519_SIGNATURE_BYTES = 64;
/** Ed25519ph (RFC 8032 §5.1) of a message of which only the SHA-512 is known. */
const ed25519OfDigest = eddsa(ed25519.Point, sha512, {
  prehash: (digest: Uint8Array) => new Uint8Array(digest),
  domain: (data: Uint8Array, context: Uint8Array, isPrehashed: boolean) =>
    concatBytes(
      utf8("SigEd25519 no Ed25519 collisions"),
      Uint8Array.of(isPrehashed ? 1 : 0, context.length),
      context,
      data,
    ),
  adjustScalarBytes: clamp,
});

/** RFC 8032 §5.1.5, step 2. */
function clamp(scalar: Uint8Array): Uint8Array {
  const [first = 0] = scalar;
  const last = scalar[31] ?? 0;
  return Uint8Array.of(first & 0xf8, ...scalar.subarray(1, 31), (last & 0x7f) | 0x40);
}

/**
 * The digests of a message that {@link verifyDigest} may need for a key.
 *
 * @param only See there.
 */
export function digestsToVerify(
  { type, digest = "sha256" }: Pick<PublicKey, "type" | "digest">,
  only?: SignatureDigestAlgorithm,
): readonly SignatureDigestAlgorithm[] {
  if (type === "ed25519") return only === undefined || only === "sha512" ? ["sha512"] : [];
  if (only !== undefined) return [only];
  const curve = ECDSA_CURVES.get(type);
  return curve === undefined ? [digest] : ECDSA_DIGESTS[curve.type];
}

/**
 * Checks a signature over a message of which only digests are known, by the rules of
 * `verifySignature()`. Of Ed25519 that is Ed25519ph: the plain one needs the message.
 *
 * @param signature Raw bytes; attacker-controlled.
 * @param only Takes this digest instead of those that go with the key.
 * @throws {CosignError} `SIGNATURE_INVALID`, also when none of the digests that fit the key is known.
 */
export function verifyDigest(
  key: PublicKey,
  digests: KnownDigests,
  signature: Uint8Array,
  only?: SignatureDigestAlgorithm,
): SignatureScheme {
  const wanted = digestsToVerify(key, only);
  const known = wanted.filter((name) => digests[name] !== undefined);
  if (known.length === 0) {
    throw invalidSignature(key, `it needs the ${wanted.join(" or ") || "whole blob"}`);
  }
  const curve = ECDSA_CURVES.get(key.type);
  if (curve !== undefined) checkForm(key, curve, signature);
  for (const name of known) {
    const digest = digests[name];
    if (digest === undefined) continue;
    if (curve !== undefined) {
      if (isEcdsaSignature(key, curve, digest, signature)) return `ecdsa-${name}`;
    } else if (key.type === "ed25519") {
      if (isEd25519phSignature(key, digest, signature)) return "ed25519ph";
    } else if (isRsaSignature(key, digest, name, signature)) return `rsa-pkcs1-${name}`;
  }
  throw invalidSignature(key, "it does not match message and key");
}

/**
 * Signs a message of which only the digest is known: ECDSA as DER, RSA as PKCS#1 v1.5, Ed25519ph where
 * the digest is SHA-512. The running time depends on the key, unlike that of `signMessage()`: for what
 * is too large for that.
 *
 * @throws {CosignError} `KEY_SIGN_FAILED`; `KEY_UNSUPPORTED` for plain Ed25519, which needs the message.
 */
export function signDigest(
  privateKey: KeyObject,
  type: KeyType,
  digest: Uint8Array,
  algorithm: SignatureDigestAlgorithm = "sha256",
): Uint8Array {
  const curve = ECDSA_CURVES.get(type);
  if (type === "ed25519" && algorithm !== "sha512") {
    throw new CosignError(
      "KEY_UNSUPPORTED",
      "Cannot sign a digest with Ed25519: it needs the message",
    );
  }
  try {
    if (type === "ed25519") return ed25519OfDigest.sign(digest, ed25519Seed(privateKey));
    if (curve === undefined) {
      const key = { key: privateKey, padding: constants.RSA_PKCS1_PADDING };
      return new Uint8Array(privateEncrypt(key, digestInfo(digest, algorithm)));
    }
    return NOBLE[curve.type].sign(digest, ecScalar(privateKey), NOBLE_OPTIONS);
  } catch (error) {
    throw new CosignError("KEY_SIGN_FAILED", `Cannot sign: ${describeError(error)}`, {
      cause: error,
    });
  }
}

function checkForm(key: PublicKey, curve: Curve, signature: Uint8Array): void {
  try {
    checkEcdsaSignature(signature, curve);
  } catch (error) {
    throw invalidSignature(key, describeError(error), error);
  }
}

function isEcdsaSignature(
  key: PublicKey,
  curve: Curve,
  digest: Uint8Array,
  signature: Uint8Array,
): boolean {
  const point = key.spki.slice(-(1 + 2 * curve.sizeBytes));
  return NOBLE[curve.type].verify(signature, digest, point, NOBLE_OPTIONS);
}

function isEd25519phSignature(key: PublicKey, digest: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== ED25519_SIGNATURE_BYTES) {
    throw invalidSignature(key, `${signature.length} bytes, expected ${ED25519_SIGNATURE_BYTES}`);
  }
  if (!hasReducedScalar(signature))
    throw invalidSignature(key, "its scalar is not below the order");
  const point = key.spki.slice(-ED25519_KEY_BYTES);
  return ed25519OfDigest.verify(signature, digest, point, { zip215: false });
}

/** Encodes what must have been signed and compares all of it (RFC 8017 §8.2.2): nothing is parsed. */
function isRsaSignature(
  key: PublicKey,
  digest: Uint8Array,
  algorithm: SignatureDigestAlgorithm,
  signature: Uint8Array,
): boolean {
  const sizeBytes = Number(key.type.slice("rsa-".length)) / 8;
  if (signature.length !== sizeBytes) {
    throw invalidSignature(key, `${signature.length} bytes, expected ${sizeBytes}`);
  }
  const info = digestInfo(digest, algorithm);
  const padding = new Uint8Array(sizeBytes - info.length - 3).fill(0xff);
  const wanted = concatBytes(Uint8Array.of(0, 1), padding, Uint8Array.of(0), info);
  return equalBytes(wanted, openRsa(key, signature));
}

function openRsa(key: PublicKey, signature: Uint8Array): Uint8Array {
  try {
    const options = { key: key.key, padding: constants.RSA_NO_PADDING };
    return new Uint8Array(publicEncrypt(options, Buffer.from(signature)));
  } catch (error) {
    throw invalidSignature(key, "its number is not below the modulus", error);
  }
}

function digestInfo(digest: Uint8Array, algorithm: SignatureDigestAlgorithm): Uint8Array {
  return concatBytes(Uint8Array.fromHex(DIGEST_INFO[algorithm]), digest);
}
