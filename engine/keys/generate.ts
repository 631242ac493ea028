import { sealKeyBox } from "../crypto/key_box.ts";
import { encodePem } from "../crypto/pem.ts";
import { generatePrivateKey, type KeyPair } from "../crypto/private_key.ts";
import { publicKeyOf } from "../crypto/public_key.ts";
import { COSIGN_KEY_PEM_TYPES, encodeCosignKey } from "../formats/cosign_key.ts";
import type { Generation } from "../model/exit_code.ts";
import type { KeyType, PublicKey } from "../model/key.ts";

/** The two files of a key pair, as text. */
export interface KeyPairPem {
  /** The private key, encrypted. */
  readonly privatePem: string;
  /** SubjectPublicKeyInfo. */
  readonly publicPem: string;
}

/**
 * Makes a new key pair.
 *
 * @param generation Whose header the private key gets: cosign 1.x reads only its own, later ones both.
 */
export async function generateKeyPair(
  type: KeyType,
  password: Uint8Array,
  generation: Generation,
): Promise<KeyPairPem> {
  const privateKey = generatePrivateKey(type);
  const publicKey = publicKeyOf(privateKey, "new key");
  return await encodeKeyPair({ privateKey, publicKey }, password, generation);
}

/** Encrypts the private half of a key pair and writes both as cosign does. */
export async function encodeKeyPair(
  { privateKey, publicKey }: KeyPair,
  password: Uint8Array,
  generation: Generation,
): Promise<KeyPairPem> {
  const pkcs8 = new Uint8Array(privateKey.export({ format: "der", type: "pkcs8" }));
  const box = await sealKeyBox(pkcs8, password);
  pkcs8.fill(0);
  const pemType = generation === 1 ? COSIGN_KEY_PEM_TYPES.cosign : COSIGN_KEY_PEM_TYPES.sigstore;
  return { privatePem: encodeCosignKey(box, pemType), publicPem: encodePublicKey(publicKey) };
}

/** The PEM of a public key. */
export function encodePublicKey({ spki }: PublicKey): string {
  return encodePem("PUBLIC KEY", spki);
}
