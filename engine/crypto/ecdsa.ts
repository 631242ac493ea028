import { Buffer } from "node:buffer";
import type { KeyObject } from "node:crypto";
import type { KeyType } from "../model/key.ts";
import {
  derElements,
  expectTag,
  parseDer,
  parseDerSequence,
  parseDerUnsigned,
  TAG,
} from "./der.ts";

/** The NIST curves (SEC 2 §2) that keys may lie on; P-224 only where it is allowed by name. */
export interface Curve {
  readonly type: Extract<KeyType, `ecdsa-${string}`>;
  /** The contents of its OBJECT IDENTIFIER, in hexadecimal. */
  readonly oid: string;
  /** Bytes of a coordinate. */
  readonly sizeBytes: number;
  /** The order n of the base point, big-endian. */
  readonly order: Uint8Array;
}

const P224 = {
  type: "ecdsa-p224",
  oid: "2b81040021",
  sizeBytes: 28,
  order: "ffffffffffffffffffffffffffff16a2e0b8f03e13dd29455c5c2a3d",
} as const;
const P256 = {
  type: "ecdsa-p256",
  oid: "2a8648ce3d030107",
  sizeBytes: 32,
  order: "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
} as const;
const P384 = {
  type: "ecdsa-p384",
  oid: "2b81040022",
  sizeBytes: 48,
  order:
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
} as const;
const P521 = {
  type: "ecdsa-p521",
  oid: "2b81040023",
  sizeBytes: 66,
  order:
    "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
} as const;

/** All curves that are supported. */
export const CURVES: readonly Curve[] = [P224, P256, P384, P521].map((curve) => ({
  ...curve,
  order: Uint8Array.fromHex(curve.order),
}));

/** The secret number of an EC key, big-endian; from PKCS#8, since not every curve has a JWK (RFC 5915 §3). */
export function ecScalar(privateKey: KeyObject): Uint8Array {
  const der = new Uint8Array(privateKey.export({ format: "der", type: "pkcs8" }));
  const ecPrivateKey = expectTag(parseDerSequence(der)[2], TAG.octetString).content;
  return expectTag(parseDerSequence(ecPrivateKey)[1], TAG.octetString).content;
}

/**
 * Checks the form of an ECDSA signature: DER of two INTEGERs in 1 … n-1 and nothing else (SEC 1
 * §4.1.4 and C.8). What native verifiers let pass beyond that differs between runtimes.
 *
 * @throws {SyntaxError} when it is anything else.
 */
export function checkEcdsaSignature(signature: Uint8Array, curve: Curve): void {
  const elements = derElements(parseDer(signature, TAG.sequence).content);
  if (elements.length !== 2) throw new SyntaxError("An ECDSA signature has two integers");
  for (const element of elements) {
    if (!isScalar(parseDerUnsigned(element), curve.order)) {
      throw new SyntaxError("An ECDSA signature's integers lie between 1 and the curve's order");
    }
  }
}

function isScalar(magnitude: Uint8Array, order: Uint8Array): boolean {
  if (magnitude.length === 0 || magnitude.length > order.length) return false;
  return magnitude.length < order.length || Buffer.compare(magnitude, order) < 0;
}
