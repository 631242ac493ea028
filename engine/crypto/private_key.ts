import { Buffer } from "node:buffer";
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { utf8 } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";
import type { KeyType, PublicKey, Weakness } from "../model/key.ts";
import { derElements, expectTag, parseDerOid, parseDerSequence, TAG } from "./der.ts";
import { type KeyPolicy, OID_EC, publicKeyOf, readNamedCurve } from "./public_key.ts";
import { signMessage, verifySignature } from "./signature.ts";

/** A private key with its public half. */
export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: PublicKey;
}

/** The forms of a private key in DER: RFC 5958, RFC 8017 A.1.2, RFC 5915. */
export type PrivateKeyForm = "pkcs8" | "pkcs1" | "sec1";

const TAG_SEC1_PARAMETERS = 0xa0; // [0] of ECPrivateKey
const PROBE = utf8("a key pair signs and verifies");
const CURVE_NAMES = {
  "ecdsa-p224": "P-224",
  "ecdsa-p256": "P-256",
  "ecdsa-p384": "P-384",
  "ecdsa-p521": "P-521",
} as const;

/** Makes a new private key. */
export function generatePrivateKey(type: KeyType): KeyObject {
  switch (type) {
    case "ed25519":
      return generateKeyPairSync("ed25519").privateKey;
    case "rsa-1024":
    case "rsa-1536":
    case "rsa-2048":
    case "rsa-3072":
    case "rsa-4096":
      return generateKeyPairSync("rsa", { modulusLength: Number(type.slice("rsa-".length)) })
        .privateKey;
    default:
      return generateKeyPairSync("ec", { namedCurve: CURVE_NAMES[type] }).privateKey;
  }
}

/**
 * Reads a private key, holds it to the policy of `parsePublicKeyPem()` and makes sure that its two
 * halves belong together.
 *
 * @param allowed Weaknesses that are taken all the same; default none.
 * @throws {CosignError} `KEY_INVALID`, `KEY_UNSUPPORTED`, `KEY_WEAK`.
 */
export function parsePrivateKey(
  der: Uint8Array,
  form: PrivateKeyForm,
  uri: string,
  allowed: readonly Weakness[] = [],
): KeyPair {
  try {
    checkNamedCurve(der, form, { uri, allowed });
    const privateKey = createPrivateKey({ key: Buffer.from(der), format: "der", type: form });
    const publicKey = publicKeyOf(privateKey, uri, allowed);
    verifySignature(publicKey, PROBE, signMessage(privateKey, publicKey.type, PROBE));
    return { privateKey, publicKey };
  } catch (error) {
    if (error instanceof CosignError && error.code !== "SIGNATURE_INVALID") throw error;
    const why =
      error instanceof CosignError ? "its two halves do not belong together" : describeError(error);
    throw new CosignError("KEY_INVALID", `Cannot read private key "${uri}": ${why}`, {
      cause: error,
    });
  }
}

/** Refuses curves that are not ours before native code meets them. */
function checkNamedCurve(der: Uint8Array, form: PrivateKeyForm, policy: KeyPolicy): void {
  const elements = parseDerSequence(der);
  if (form === "pkcs8") {
    const [oid, parameters] = derElements(expectTag(elements[1], TAG.sequence).content);
    if (parseDerOid(oid) === OID_EC) readNamedCurve(parameters, policy);
  }
  if (form === "sec1") {
    const tagged = elements.find(({ tag }) => tag === TAG_SEC1_PARAMETERS);
    if (tagged === undefined) throw new SyntaxError("it does not name its curve");
    readNamedCurve(derElements(tagged.content)[0], policy);
  }
}
