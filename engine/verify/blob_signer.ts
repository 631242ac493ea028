import type { Certificate } from "../formats/x509.ts";
import { equalBytes } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import type { PublicKey } from "../model/key.ts";
import { keyOf } from "./certificate.ts";
import type { SignerPolicy } from "./signer.ts";

/** What a bundle says of who has signed. Attacker-controlled: never a verifier by itself. */
export type ClaimedSigner =
  | { readonly kind: "none" }
  /** A hint at a key, without the key. */
  | { readonly kind: "hint" }
  | { readonly kind: "key"; readonly key: PublicKey }
  | {
      readonly kind: "certificate";
      readonly certificate: Certificate;
      /** Whether the format says that such a bundle was signed with a certificate, not with a key. */
      readonly isKeyless: boolean;
      readonly intermediates: readonly Certificate[];
    };

/** A blob's signer as far as it is known before the blob is read: nothing is believed yet. */
export interface ExpectedSigner {
  /** Says which digests of the blob are needed. */
  readonly key: PublicKey;
  /** The policy, with the certificate that must have been used. */
  readonly policy: SignerPolicy;
}

/**
 * Holds what a bundle says of its signer against the policy. A key that the user named stays the
 * verifier; whatever the bundle brings along must be the same, or is refused (CVE-2022-36056).
 *
 * @throws {CosignError} `BUNDLE_INVALID` when user and bundle name different signers, `KEY_…`.
 */
export function expectedSigner(policy: SignerPolicy, claimed: ClaimedSigner): ExpectedSigner {
  const { certificates } = policy;
  const [key] = policy.keys;
  if (key !== undefined) {
    checkClaim(key, claimed);
    return { key, policy };
  }
  const certificate = certificateOf(certificates?.certificate, claimed);
  return {
    key: keyOf(certificate),
    policy:
      certificates === undefined
        ? policy
        : { ...policy, certificates: { ...certificates, certificate } },
  };
}

function checkClaim(key: PublicKey, claimed: ClaimedSigner): void {
  switch (claimed.kind) {
    case "none":
    case "hint":
      return;
    case "key":
      if (!equalBytes(claimed.key.spki, key.spki)) throw otherSigner("key", "public key");
      return;
    case "certificate":
      if (claimed.isKeyless) {
        throw new CosignError("BUNDLE_INVALID", "expected key signature, not certificate", {
          hint: "The bundle was signed with a certificate: verify it with --certificate-identity and --certificate-oidc-issuer, and your authorities",
        });
      }
      if (!equalBytes(claimed.certificate.spki, key.spki)) throw otherSigner("key", "certificate");
  }
}

function certificateOf(given: Certificate | undefined, claimed: ClaimedSigner): Certificate {
  if (claimed.kind === "certificate") {
    if (given !== undefined && !equalBytes(given.der, claimed.certificate.der)) {
      throw otherSigner("cert", "cert");
    }
    return claimed.certificate;
  }
  if (given === undefined || claimed.kind === "hint") {
    throw new CosignError(
      "BUNDLE_INVALID",
      "bundle does not contain cert for verification, please provide public key",
      { hint: "Verify with the signer's public key: --key cosign.pub" },
    );
  }
  // A bare key beside a certificate: cosign takes any; here it must be the certificate's own.
  if (claimed.kind === "key" && !equalBytes(claimed.key.spki, keyOf(given).spki)) {
    throw otherSigner("cert", "public key");
  }
  return given;
}

function otherSigner(given: "key" | "cert", brought: string): CosignError {
  return new CosignError(
    "BUNDLE_INVALID",
    `the ${given} passed in does not match the ${brought} in the provided bundle`,
  );
}
