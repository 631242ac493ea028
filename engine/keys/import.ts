import { type PemBlock, parsePem } from "../crypto/pem.ts";
import { type PrivateKeyForm, parsePrivateKey } from "../crypto/private_key.ts";
import { CosignError, describeError } from "../model/errors.ts";
import type { Generation } from "../model/exit_code.ts";
import type { Weakness } from "../model/key.ts";
import { encodeKeyPair, type KeyPairPem } from "./generate.ts";

const FORMS: Readonly<Record<string, PrivateKeyForm>> = {
  "PRIVATE KEY": "pkcs8",
  "RSA PRIVATE KEY": "pkcs1",
  "EC PRIVATE KEY": "sec1",
};
/** What `openssl ecparam -genkey` puts before the key, which names its curve itself. */
const PASSED_OVER = "EC PARAMETERS";

/**
 * Makes a key pair as cosign keeps it from an unencrypted private key in PEM: PKCS#8, PKCS#1 (RSA) or
 * SEC 1 (EC).
 *
 * @param uri How the user named the key.
 * @param allowed Weaknesses that are taken all the same; default none.
 * @throws {CosignError} `KEY_INVALID`, `KEY_UNSUPPORTED`, `KEY_WEAK`.
 */
export async function importKeyPair(
  pem: string,
  uri: string,
  password: Uint8Array,
  generation: Generation,
  allowed: readonly Weakness[] = [],
): Promise<KeyPairPem> {
  const block = readBlock(pem, uri);
  const form = Object.hasOwn(FORMS, block.type) ? FORMS[block.type] : undefined;
  if (form === undefined) throw unsupported(block.type, uri);
  try {
    const pair = parsePrivateKey(block.bytes, form, uri, allowed);
    return await encodeKeyPair(pair, password, generation);
  } finally {
    block.bytes.fill(0);
  }
}

function readBlock(pem: string, uri: string): PemBlock {
  try {
    const block = parsePem(pem);
    return block.type === PASSED_OVER ? parsePem(block.rest) : block;
  } catch (error) {
    throw new CosignError(
      "KEY_INVALID",
      `Cannot import key "${uri}": invalid pem block: ${describeError(error)}`,
      { cause: error, hint: 'An encrypted key is decrypted first: "openssl pkey -in FILE"' },
    );
  }
}

function unsupported(type: string, uri: string): CosignError {
  return new CosignError(
    "KEY_UNSUPPORTED",
    `Cannot import key "${uri}": unsupported private key: its PEM type is ${type}`,
    {
      hint: type.startsWith("ENCRYPTED")
        ? 'An encrypted key is decrypted first: "openssl pkey -in FILE"'
        : "What can be imported is PRIVATE KEY, RSA PRIVATE KEY and EC PRIVATE KEY",
    },
  );
}
