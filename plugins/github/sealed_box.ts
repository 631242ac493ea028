import { blake2b } from "@noble/hashes/blake2.js";
import nacl from "tweetnacl";

/**
 * Encrypts to a public key, so that only the owner of its private half reads it: libsodium's
 * `crypto_box_seal` (X25519, XSalsa20-Poly1305, the nonce BLAKE2b-192 of both public keys).
 *
 * @param recipient 32 raw bytes of an X25519 public key.
 * @returns The 32 bytes of a key of its own, then the box.
 */
export function sealBox(message: Uint8Array, recipient: Uint8Array): Uint8Array {
  const { publicKey, secretKey } = nacl.box.keyPair();
  const nonce = blake2b
    .create({ dkLen: nacl.box.nonceLength })
    .update(publicKey)
    .update(recipient)
    .digest();
  const box = nacl.box(message, nonce, recipient, secretKey);
  secretKey.fill(0);
  const sealed = new Uint8Array(publicKey.length + box.length);
  sealed.set(publicKey);
  sealed.set(box, publicKey.length);
  return sealed;
}
