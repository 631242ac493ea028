import { verifySignature } from "../crypto/signature.ts";
import { CosignError, hasCode } from "../model/errors.ts";
import type { PublicKey } from "../model/key.ts";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";

/** Who may have signed. */
export interface KeyPolicy {
  /** Any of them. */
  readonly keys: readonly PublicKey[];
  /** Only this digest, instead of those that go with the key. */
  readonly signatureDigestAlgorithm?: SignatureDigestAlgorithm;
}

/**
 * The key that made one of `signatures` over `message`.
 *
 * @throws {CosignError} `SIGNATURE_INVALID` when none did.
 */
export function signerOf(
  message: Uint8Array,
  signatures: readonly Uint8Array[],
  policy: KeyPolicy,
): PublicKey {
  let last: CosignError | undefined;
  for (const key of policy.keys) {
    for (const signature of signatures) {
      try {
        verifySignature(key, message, signature, policy.signatureDigestAlgorithm);
        return key;
      } catch (error) {
        if (!hasCode(error, "SIGNATURE_INVALID")) throw error;
        last = error;
      }
    }
  }
  throw last ?? new CosignError("SIGNATURE_INVALID", "There is no key to verify with");
}
