import type { BlobContent } from "../io/blob.ts";
import type { OpenedSigner } from "../keys/open.ts";
import { signWith } from "../keys/signing_identity.ts";
import { CosignError } from "../model/errors.ts";
import { blobContent } from "../verify/blob.ts";
import type { Draft, DraftDigest } from "./draft.ts";

/** What signs the blob itself, plain Ed25519 or some keys that lie elsewhere, has it in memory as a whole. */
export const MAX_WHOLE_BYTES: number = 256 * 1024 * 1024;

/** Whether a signer needs all of a message, and not only its digest. */
export function needsWhole(signer: OpenedSigner, digest: DraftDigest): boolean {
  const { privateKey, publicKey, signDigest } = signer;
  if (privateKey === undefined) return signDigest === undefined;
  return publicKey.type === "ed25519" && digest !== "sha512";
}

/**
 * A blob that is signed as it is, by its digest where it was not kept.
 *
 * @param blob With the digests that its signer is to sign, and SHA-256.
 */
export function blobDraft(blob: BlobContent, logEvidence: Draft["logEvidence"]): Draft {
  return {
    kind: "message",
    logEvidence,
    sign: (signer, digest, signal) =>
      blob.bytes === undefined
        ? signHashed(blob, signer, digest, signal)
        : signWith(signer, blob.bytes, digest, signal),
    signed: (signature, algorithm) => ({
      content: blobContent(blob),
      entry: {
        kind: "hashedrekord",
        digest: { algorithm, digest: hashOf(blob, algorithm) },
        signature,
      },
      stamped: signature,
    }),
  };
}

/** @throws {TypeError} when a blob was not hashed by an algorithm. */
export function hashOf({ digests }: BlobContent, algorithm: DraftDigest): Uint8Array {
  const digest = digests[algorithm];
  if (digest === undefined) throw new TypeError(`the blob was not hashed by ${algorithm}`);
  return digest;
}

async function signHashed(
  blob: BlobContent,
  signer: OpenedSigner,
  algorithm: DraftDigest,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const { privateKey, publicKey } = signer;
  if (needsWhole(signer, algorithm)) {
    const who = publicKey.type === "ed25519" ? "plain Ed25519 needs" : "this key's place needs";
    throw new CosignError(
      "LIMIT_EXCEEDED",
      `${who} the blob in memory: it has ${blob.sizeBytes} bytes, at most ${MAX_WHOLE_BYTES} are read`,
      { hint: "Sign large files with an ECDSA or RSA key" },
    );
  }
  const digest = hashOf(blob, algorithm);
  if (privateKey === undefined) {
    if (signer.signDigest === undefined) throw new TypeError("the signer needs the whole blob");
    return await signer.signDigest(digest, signal);
  }
  // Loaded here, when the memory that the key's password cost is free again.
  const { signDigest } = await import("../crypto/digest_signature.ts");
  return signDigest(privateKey, publicKey.type, digest, algorithm);
}
