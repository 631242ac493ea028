import { createPublicKey } from "node:crypto";
import { bundleFromJSON, type SerializedBundle } from "@sigstore/bundle";
import { TrustedRoot } from "@sigstore/protobuf-specs";
import { toSignedEntity, toTrustMaterial, Verifier } from "@sigstore/verify";

/** What a bundle must satisfy. */
export interface IndependentOptions {
  /** The artifact, where it was signed as it is. */
  readonly artifact?: Uint8Array;
  /** The public key that must have signed, PEM; a certificate when absent. */
  readonly keyPem?: string;
  /** How many logs. Default 1. */
  readonly logs?: number;
  /** How many times are stated. Default: one for certificates. */
  readonly timestamps?: number;
}

/**
 * Verifies a bundle with sigstore-js, whose code knows nothing of ours; throws why not.
 *
 * @returns the name in the certificate; nothing where a key has signed.
 */
export function verifyIndependently(
  bundleJson: string,
  trustedRootJson: string,
  {
    artifact,
    keyPem,
    logs = 1,
    timestamps = keyPem === undefined ? 1 : 0,
  }: IndependentOptions = {},
): string | undefined {
  const bundle = bundleFromJSON(JSON.parse(bundleJson) as SerializedBundle);
  const root = TrustedRoot.fromJSON(JSON.parse(trustedRootJson));
  const keyed =
    keyPem === undefined
      ? undefined
      : () => ({ publicKey: createPublicKey(keyPem), validFor: () => true });
  const verifier = new Verifier(toTrustMaterial(root, keyed), {
    tlogThreshold: logs,
    ctlogThreshold: keyPem === undefined ? 1 : 0,
    timestampThreshold: timestamps,
  });
  const entity = toSignedEntity(bundle, artifact === undefined ? undefined : Buffer.from(artifact));
  return verifier.verify(entity).identity?.subjectAlternativeName;
}
