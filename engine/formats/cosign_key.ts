import {
  isAcceptedScrypt,
  type KeyBox,
  NONCE_BYTES,
  SALT_BYTES,
  type ScryptParameters,
} from "../crypto/key_box.ts";
import { encodePem, type PemBlock, parsePem } from "../crypto/pem.ts";
import { encodeBase64, parseBase64, parseUtf8, utf8 } from "../model/bytes.ts";
import { describeError } from "../model/errors.ts";
import { encodeGoJson, isObject } from "./go_json.ts";

/** The two names that encrypted private keys have: up to cosign 2.0.0, and since. */
export const COSIGN_KEY_PEM_TYPES = {
  cosign: "ENCRYPTED COSIGN PRIVATE KEY",
  sigstore: "ENCRYPTED SIGSTORE PRIVATE KEY",
} as const;

/** The name of the PEM block of an encrypted private key. */
export type CosignKeyPemType = (typeof COSIGN_KEY_PEM_TYPES)[keyof typeof COSIGN_KEY_PEM_TYPES];

const KDF = "scrypt";
const CIPHER = "nacl/secretbox";
const MAX_JSON_CHARS = 65_536; // an RSA-4096 key has 3.4 KB
/** Keys that would reach into JavaScript's own objects: no writer of keys has them. */
const FOREIGN_KEYS: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/**
 * Reads an encrypted private key as cosign writes it: PEM around JSON that tells the derivation
 * (scrypt), the cipher (secretbox) and the encrypted PKCS#8. Unknown members are passed over.
 *
 * @throws {SyntaxError} with cosign's own text where it has one; for members that are doubled, of
 * another type, or of another length too.
 */
export function parseCosignKey(pem: string): KeyBox {
  const block = readPem(pem);
  if (!isPemType(block.type)) throw new SyntaxError(`unsupported pem type: ${block.type}`);
  try {
    return readBox(parseJson(block.bytes));
  } catch (error) {
    throw new SyntaxError(`decrypt: ${describeError(error)}`, { cause: error });
  }
}

/** Encodes an encrypted private key. */
export function encodeCosignKey(box: KeyBox, type: CosignKeyPemType): string {
  const { N, r, p } = box.parameters;
  const json = encodeGoJson({
    kdf: { name: KDF, params: { N, r, p }, salt: encodeBase64(box.salt) },
    cipher: { name: CIPHER, nonce: encodeBase64(box.nonce) },
    ciphertext: encodeBase64(box.ciphertext),
  });
  return encodePem(type, utf8(json));
}

function readPem(pem: string): PemBlock {
  try {
    return parsePem(pem);
  } catch (error) {
    throw new SyntaxError(`invalid pem block: ${describeError(error)}`, { cause: error });
  }
}

function isPemType(type: string): type is CosignKeyPemType {
  return Object.values<string>(COSIGN_KEY_PEM_TYPES).includes(type);
}

function readBox(root: unknown): KeyBox {
  const kdf = member(root, "kdf");
  const name = textMember(kdf, "name");
  if (name !== KDF) {
    throw new SyntaxError(`encrypted: unknown kdf name ${JSON.stringify(name)}`);
  }
  const cipher = member(root, "cipher");
  const cipherName = textMember(cipher, "name");
  if (cipherName !== CIPHER) {
    throw new SyntaxError(`encrypted: unknown cipher name ${JSON.stringify(cipherName)}`);
  }
  const parameters = readParameters(member(kdf, "params"));
  const salt = bytesMember(kdf, "salt");
  if (salt.length !== SALT_BYTES) {
    throw new SyntaxError(`a salt of ${salt.length} bytes, expected ${SALT_BYTES}`);
  }
  const nonce = bytesMember(cipher, "nonce");
  if (nonce.length !== NONCE_BYTES) throw new SyntaxError("encrypted: incorrect nonce size");
  return { parameters, salt, nonce, ciphertext: bytesMember(root, "ciphertext") };
}

function readParameters(params: unknown): ScryptParameters {
  const [N, r, p] = ["N", "r", "p"].map((name) => member(params, name));
  if (typeof N !== "number" || typeof r !== "number" || typeof p !== "number") {
    throw new SyntaxError("the scrypt parameters are no numbers");
  }
  if (!isAcceptedScrypt({ N, r, p })) throw new SyntaxError("unsupported scrypt parameters");
  return { N, r, p };
}

function parseJson(bytes: Uint8Array): unknown {
  const text = parseUtf8(bytes);
  if (text.length > MAX_JSON_CHARS)
    throw new SyntaxError(`longer than ${MAX_JSON_CHARS} characters`);
  const root: unknown = JSON.parse(text);
  // JSON.parse keeps the last of doubled keys and other readers the first: count them in the text.
  const strings = text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g);
  const inText = strings.filter((match) => match[1] !== undefined).reduce((sum) => sum + 1, 0);
  if (inText !== countKeys(root)) throw new SyntaxError("a key stands there more than once");
  return root;
}

function countKeys(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  if (own > 0 && Object.keys(value).some((key) => FOREIGN_KEYS.has(key))) {
    throw new SyntaxError("a key that is none of this format");
  }
  return Object.values(value).reduce((sum: number, each) => sum + countKeys(each), own);
}

function member(value: unknown, name: string): unknown {
  if (!isObject(value)) throw new SyntaxError(`no object where "${name}" should stand`);
  return Object.hasOwn(value, name) ? value[name] : undefined;
}

function textMember(value: unknown, name: string): string {
  const text = member(value, name);
  if (typeof text !== "string") throw new SyntaxError(`"${name}" is no text`);
  return text;
}

function bytesMember(value: unknown, name: string): Uint8Array {
  return parseBase64(textMember(value, name));
}
