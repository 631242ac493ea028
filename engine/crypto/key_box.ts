import { randomBytes, scrypt } from "node:crypto";
import { CosignError } from "../model/errors.ts";

/** The cost parameters of scrypt (RFC 7914 §2). */
export interface ScryptParameters {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

/** Something encrypted with a password: scrypt, then NaCl's secretbox (XSalsa20 and Poly1305). */
export interface KeyBox {
  readonly parameters: ScryptParameters;
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
  /** The authenticator of 16 bytes, then as many bytes as the plain text has. */
  readonly ciphertext: Uint8Array;
}

/** Bytes of a salt, as every generation of cosign writes it. */
export const SALT_BYTES = 32;
/** Bytes of a secretbox's nonce. */
export const NONCE_BYTES = 24;

const BOX_KEY_BYTES = 32;
// What cosign 1.13.3 and 2.2 on write; 32768 was written before, 131072 is taken as well.
const WRITTEN: ScryptParameters = { N: 65_536, r: 8, p: 1 };
const READABLE_N: ReadonlySet<number> = new Set([32_768, 65_536, 131_072]);
// 128·N·r bytes for the largest N, doubled for what implementations need beside it.
const MAX_SCRYPT_BYTES = 2 * 128 * 131_072 * 8;

/** Whether a box may have these parameters. Others could cost any amount of time and memory. */
export function isAcceptedScrypt({ N, r, p }: ScryptParameters): boolean {
  return READABLE_N.has(N) && r === WRITTEN.r && p === WRITTEN.p;
}

/**
 * Decrypts.
 *
 * @param uri How the user named what is in the box.
 * @throws {CosignError} `KEY_PASSWORD` when the password is wrong or the box was changed: nobody can
 * tell which.
 */
export async function openKeyBox(
  box: KeyBox,
  password: Uint8Array,
  uri: string,
): Promise<Uint8Array> {
  const key = await deriveKey(box, password);
  const nacl = await loadNacl();
  const plain = nacl.secretbox.open(box.ciphertext, box.nonce, key);
  key.fill(0);
  if (plain === null) {
    throw new CosignError(
      "KEY_PASSWORD",
      `Cannot open private key "${uri}": decrypt: encrypted: decryption failed`,
      {
        hint: "The password is wrong: it comes from COSIGN_PASSWORD, the terminal, or a pipe, whose line break counts",
      },
    );
  }
  return plain;
}

/** Encrypts, with a salt and a nonce of its own. */
export async function sealKeyBox(plain: Uint8Array, password: Uint8Array): Promise<KeyBox> {
  const salt = new Uint8Array(randomBytes(SALT_BYTES));
  const nonce = new Uint8Array(randomBytes(NONCE_BYTES));
  const key = await deriveKey({ parameters: WRITTEN, salt }, password);
  const nacl = await loadNacl();
  const ciphertext = nacl.secretbox(plain, nonce, key);
  key.fill(0);
  return { parameters: WRITTEN, salt, nonce, ciphertext };
}

/** Loaded after scrypt has given its 64 MB back, so that the two do not add up. */
async function loadNacl(): Promise<typeof import("tweetnacl")> {
  return (await import("tweetnacl")).default;
}

/** @throws {RangeError} when the caller did not ask {@link isAcceptedScrypt} first. */
function deriveKey(
  { parameters, salt }: Pick<KeyBox, "parameters" | "salt">,
  password: Uint8Array,
): Promise<Uint8Array> {
  if (!isAcceptedScrypt(parameters)) throw new RangeError("unsupported scrypt parameters");
  const options = { ...parameters, maxmem: MAX_SCRYPT_BYTES };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, BOX_KEY_BYTES, options, (error, key) => {
      if (error) reject(error);
      else resolve(new Uint8Array(key));
    });
  });
}
