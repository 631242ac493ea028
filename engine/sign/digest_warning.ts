import type { SigningIdentity } from "../keys/signing_identity.ts";
import type { Draft, DraftDigest } from "./draft.ts";

/**
 * What cosign makes of a signature by a bare key that is not over SHA-256, since a log takes no other: it
 * verifies with SHA-256 whatever the key, unless it is told otherwise. Nothing where it is content.
 */
export function digestWarnings(
  { signer, isIssued }: SigningIdentity,
  digest: DraftDigest,
  { kind, logEvidence }: Pick<Draft, "kind" | "logEvidence">,
  isLogged: boolean,
): readonly string[] {
  if (isIssued || digest === "sha256" || !isLogged) return [];
  const name = digest.toUpperCase().replace("SHA", "SHA-");
  if (signer.publicKey.type === "ed25519") {
    return [
      "cosign-ts alone verifies this signature: the log takes Ed25519ph, which cosign does not verify with a key",
    ];
  }
  if (kind === "message" && logEvidence === "promise") {
    return [
      `cosign-ts alone verifies this signature: the log takes ${name} for such a key, which cosign does not verify in the old format`,
    ];
  }
  return [
    `cosign verifies this signature with --signature-digest-algorithm=${digest} only: the log takes ${name} for such a key`,
  ];
}
