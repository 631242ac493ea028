import { Buffer } from "node:buffer";
import { createPublicKey, type KeyObject } from "node:crypto";
import { ed25519 } from "@noble/curves/ed25519.js";
import { CosignError, describeError } from "../model/errors.ts";
import type { KeyType, PublicKey, WeakKeyType, Weakness } from "../model/key.ts";
import {
  type DerElement,
  encodeDer,
  parseDerBitString,
  parseDerOid,
  parseDerSequence,
  parseDerUnsigned,
  TAG,
} from "./der.ts";
import { CURVES, type Curve } from "./ecdsa.ts";
import { type PemBlock, parsePem } from "./pem.ts";
import { findRsaWeakness } from "./rsa_weakness.ts";

// Contents of OBJECT IDENTIFIERs in hexadecimal.
/** id-ecPublicKey (RFC 5480 §2.1.1), encoded, in hexadecimal. */
export const OID_EC = "2a8648ce3d0201";
const OID_RSA = "2a864886f70d010101"; // rsaEncryption (RFC 8017 A.1)
const OID_RSA_PSS = "2a864886f70d01010a"; // id-RSASSA-PSS (RFC 8017 A.2.3)
const OID_ED25519 = "2b6570"; // id-Ed25519 (RFC 8410 §3)

const ED25519_KEY_BYTES = 32;
const UNCOMPRESSED_POINT = 0x04; // SEC 1 §2.3.3
const MIN_RSA_BITS = 2048;
const WEAK_EXPONENT = 3n;
const WEAK_TYPES: ReadonlySet<KeyType> = new Set<WeakKeyType>([
  "ecdsa-p224",
  "rsa-1024",
  "rsa-1536",
]);
const RSA_TYPES: ReadonlyMap<number, KeyType> = new Map([
  [1024, "rsa-1024"],
  [1536, "rsa-1536"],
  [2048, "rsa-2048"],
  [3072, "rsa-3072"],
  [4096, "rsa-4096"],
]);

/** What a key is held to. */
export interface KeyPolicy {
  /** How the user named the key. */
  readonly uri: string;
  /** Weaknesses that are taken all the same. */
  readonly allowed: readonly Weakness[];
}

/**
 * Reads a public key from the text of a PEM file: `PUBLIC KEY` (SubjectPublicKeyInfo) or
 * `RSA PUBLIC KEY` (PKCS#1). Text may stand before and after it.
 *
 * @param uri How the user named the key.
 * @param allowed Weaknesses that are taken all the same; default none.
 * @throws {CosignError} `KEY_INVALID`, `KEY_UNSUPPORTED` for types, curves and sizes that cosign does
 * not use, `KEY_WEAK`.
 */
export function parsePublicKeyPem(
  pem: string,
  uri: string,
  allowed: readonly Weakness[] = [],
): PublicKey {
  const block = readPem(pem, uri);
  if (block.type === "PUBLIC KEY") return parsePublicKeyDer(block.bytes, uri, allowed);
  if (block.type === "RSA PUBLIC KEY") return parseRsaPublicKeyDer(block.bytes, uri, allowed);
  throw new CosignError(
    "KEY_INVALID",
    `Cannot read public key "${uri}": unknown Public key PEM file type: ${block.type}. Are you passing the correct public key?`,
    block.type.endsWith("PRIVATE KEY")
      ? {
          hint: 'This is a private key: the public half is in the .pub file, or comes from "public-key --key"',
        }
      : {},
  );
}

/** Reads a SubjectPublicKeyInfo (DER); see {@link parsePublicKeyPem}. @throws {CosignError} */
export function parsePublicKeyDer(
  spki: Uint8Array,
  uri: string,
  allowed: readonly Weakness[] = [],
): PublicKey {
  try {
    const { type, weaknesses } = readKeyFacts(spki, { uri, allowed });
    const key = { uri, type, spki, key: importSpki(spki) };
    return weaknesses.length === 0 ? key : { ...key, weaknesses };
  } catch (error) {
    if (error instanceof CosignError) throw error;
    throw new CosignError(
      "KEY_INVALID",
      `Cannot read public key "${uri}": ${describeError(error)}`,
      {
        cause: error,
      },
    );
  }
}

/** Reads an RSAPublicKey (DER; RFC 8017 A.1.1), as `RSA PUBLIC KEY` has it; see {@link parsePublicKeyPem}. @throws {CosignError} */
export function parseRsaPublicKeyDer(
  pkcs1: Uint8Array,
  uri: string,
  allowed: readonly Weakness[] = [],
): PublicKey {
  const algorithm = encodeDer(
    TAG.sequence,
    encodeDer(TAG.oid, Uint8Array.fromHex(OID_RSA)),
    encodeDer(TAG.null),
  );
  const key = encodeDer(TAG.bitString, Uint8Array.of(0), pkcs1);
  return parsePublicKeyDer(encodeDer(TAG.sequence, algorithm, key), uri, allowed);
}

/** The public half of a private key, held to the same policy. @throws {CosignError} */
export function publicKeyOf(
  privateKey: KeyObject,
  uri: string,
  allowed: readonly Weakness[] = [],
): PublicKey {
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return parsePublicKeyDer(new Uint8Array(spki), uri, allowed);
}

/**
 * The curve that the parameters of an EC key name (RFC 5480 §2.1.1).
 *
 * @throws {CosignError} `KEY_WEAK` for one that is not allowed, `KEY_UNSUPPORTED` for other curves, and for one that the parameters describe
 * themselves: native readers take that for a named curve when it looks like one (CVE-2020-0601).
 * @throws {SyntaxError} when there are no parameters.
 */
export function readNamedCurve(parameters: DerElement | undefined, policy: KeyPolicy): Curve {
  if (parameters?.tag === TAG.sequence) {
    throw unsupported(policy.uri, "its curve is given by explicit parameters instead of its name");
  }
  const oid = parseDerOid(parameters);
  const curve = CURVES.find((each) => each.oid === oid);
  if (curve === undefined) {
    throw unsupported(policy.uri, "its curve is none of P-256, P-384 and P-521");
  }
  checkAllowed(curve.type, "its curve is P-224, expected at least P-256", policy);
  return curve;
}

function readPem(pem: string, uri: string): PemBlock {
  try {
    return parsePem(pem);
  } catch (error) {
    throw new CosignError(
      "KEY_INVALID",
      `Cannot read public key "${uri}": PEM decoding failed: ${describeError(error)}`,
      {
        cause: error,
        hint: 'A public key is a PEM file that begins with "-----BEGIN PUBLIC KEY-----"',
      },
    );
  }
}

function importSpki(spki: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
}

interface KeyFacts {
  readonly type: KeyType;
  /** Those that the policy allows. */
  readonly weaknesses: readonly Weakness[];
}

/** What the key in a SubjectPublicKeyInfo is (RFC 5280 §4.1). */
function readKeyFacts(spki: Uint8Array, policy: KeyPolicy): KeyFacts {
  const { uri } = policy;
  const [algorithm, key, ...more] = parseDerSequence(spki);
  if (algorithm === undefined || more.length > 0) throw new SyntaxError("not a public key");
  const bytes = parseDerBitString(key);
  const [oid, parameters] = parseDerSequence(algorithm.raw);
  switch (parseDerOid(oid)) {
    case OID_EC:
      return factsOf(readEcType(parameters, bytes, policy));
    case OID_RSA:
      return readRsaFacts(parameters, bytes, policy);
    case OID_ED25519:
      return factsOf(readEd25519Type(parameters, bytes, uri));
    case OID_RSA_PSS:
      throw unsupported(uri, "an RSA key that is bound to PSS");
    default:
      throw unsupported(uri, "its type is none of ECDSA, RSA and Ed25519");
  }
}

function factsOf(type: KeyType, ...others: readonly Weakness[]): KeyFacts {
  return { type, weaknesses: isWeakType(type) ? [type, ...others] : others };
}

function readEcType(
  parameters: DerElement | undefined,
  point: Uint8Array,
  policy: KeyPolicy,
): KeyType {
  const curve = readNamedCurve(parameters, policy);
  if (point[0] !== UNCOMPRESSED_POINT || point.length !== 1 + 2 * curve.sizeBytes) {
    throw new SyntaxError("its point is not in the uncompressed form");
  }
  return curve.type;
}

function readRsaFacts(
  parameters: DerElement | undefined,
  key: Uint8Array,
  policy: KeyPolicy,
): KeyFacts {
  const { uri, allowed } = policy;
  if (parameters?.tag !== TAG.null || parameters.content.length > 0) {
    throw new SyntaxError("an RSA key without NULL parameters");
  }
  const [modulusElement, exponentElement, ...more] = parseDerSequence(key);
  const modulus = parseDerUnsigned(modulusElement);
  const exponent = parseDerUnsigned(exponentElement);
  if (more.length > 0) throw new SyntaxError("an RSA key of more than two integers");
  const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24;
  const type = RSA_TYPES.get(bits);
  const tooShort = `RSA of ${bits} bits, expected at least ${MIN_RSA_BITS}`;
  if (type === undefined && bits < MIN_RSA_BITS) throw weak(uri, tooShort);
  if (type === undefined)
    throw unsupported(uri, `RSA of ${bits} bits, expected 2048, 3072 or 4096`);
  checkAllowed(type, tooShort, policy);
  const isExponent3 = exponent.length === 1 && BigInt(exponent[0] ?? 0) === WEAK_EXPONENT;
  if (isExponent3 && !allowed.includes("rsa-exponent-3")) {
    throw weak(uri, "its public exponent is 3, expected 65537", "rsa-exponent-3");
  }
  const weakness = findRsaWeakness(modulus, exponent, isExponent3 ? WEAK_EXPONENT : undefined);
  if (weakness !== undefined) throw weak(uri, weakness);
  return isExponent3 ? factsOf(type, "rsa-exponent-3") : factsOf(type);
}

/** @throws {CosignError} `KEY_WEAK` for a weak type that the policy does not allow. */
function checkAllowed(type: KeyType, why: string, { uri, allowed }: KeyPolicy): void {
  if (isWeakType(type) && !allowed.includes(type)) throw weak(uri, why, type);
}

function isWeakType(type: KeyType): type is WeakKeyType {
  return WEAK_TYPES.has(type);
}

function readEd25519Type(
  parameters: DerElement | undefined,
  key: Uint8Array,
  uri: string,
): KeyType {
  if (parameters !== undefined) throw new SyntaxError("an Ed25519 key with parameters");
  if (key.length !== ED25519_KEY_BYTES) {
    throw new SyntaxError(`an Ed25519 key of ${key.length} bytes, expected ${ED25519_KEY_BYTES}`);
  }
  // Throws for what is no point. Under a point of small order one signature fits many messages.
  if (ed25519.Point.fromBytes(key).isSmallOrder()) throw weak(uri, "its point is of small order");
  return "ed25519";
}

function unsupported(uri: string, why: string): CosignError {
  return new CosignError("KEY_UNSUPPORTED", `Cannot use key "${uri}": ${why}`, {
    hint: "Use ECDSA on P-256, P-384 or P-521, RSA of 2048, 3072 or 4096 bits, or Ed25519",
  });
}

/** @param name What allows it all the same; nothing helps keys that anybody can sign with. */
function weak(uri: string, why: string, name?: Weakness): CosignError {
  return new CosignError("KEY_WEAK", `Cannot use key "${uri}": ${why}`, {
    hint:
      name === undefined
        ? "Anybody may be able to sign with this key: replace it"
        : `Replace the key, or accept its weakness by name: --allow-weak-key ${name}`,
  });
}
