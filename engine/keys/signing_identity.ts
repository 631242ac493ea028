import { signMessage } from "../crypto/signature.ts";
import type { Certificate } from "../formats/x509.ts";
import type { KeyType } from "../model/key.ts";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";
import type { OpenedSigner } from "./open.ts";

/** Who signs: a key, and the certificate that goes with it. */
export interface SigningIdentity {
  readonly signer: OpenedSigner;
  /** Absent when a bare key signs. */
  readonly certificate?: Certificate;
  /** What stands above the certificate. */
  readonly chain: readonly Certificate[];
  /** The certificate log's answer where it is not embedded in the certificate: JSON. */
  readonly detachedSct?: Uint8Array;
  /** Whether an authority has issued the certificate for this run, which then vouches for the signer, not the key. */
  readonly isIssued: boolean;
}

/** Who signs with a certificate that lives for minutes. */
export interface IssuedIdentity extends SigningIdentity {
  readonly certificate: Certificate;
  readonly isIssued: true;
}

/** The digest of a key's own size: what stands in the names of algorithms. Of Ed25519 that is Ed25519ph. */
export function curveDigest(type: KeyType): "sha256" | "sha384" | "sha512" {
  if (type === "ecdsa-p384") return "sha384";
  return type === "ecdsa-p521" || type === "ed25519" ? "sha512" : "sha256";
}

/**
 * Signs a message over a digest. A key that lies elsewhere has its own: SHA-256, or none.
 *
 * @throws {CosignError} `KEY_SIGN_FAILED`, and what else the key's place says.
 */
export async function signWith(
  signer: OpenedSigner,
  message: Uint8Array,
  digest: SignatureDigestAlgorithm,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const { privateKey, publicKey } = signer;
  if (privateKey === undefined) return await signer.sign(message, signal);
  return signMessage(privateKey, publicKey.type, message, digest);
}
