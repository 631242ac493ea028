import type { Certificate } from "../formats/x509.ts";
import { equalBytes } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import type { PublicKey } from "../model/key.ts";
import { keyOf, type Trust, verifyCertificate } from "./certificate.ts";
import { checkIdentity, type IdentityPolicy } from "./identity.ts";

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

/** Whom the user believes: a key, or certificates. */
export type BlobTrust =
  | { readonly by: "key"; readonly key: PublicKey }
  | {
      readonly by: "certificate";
      /** The one that must have been used; else the bundle's. */
      readonly certificate?: Certificate;
      readonly trust: Trust;
      readonly identity: IdentityPolicy;
      /** The time at which the chain must be valid. */
      readonly at: Date;
    };

/**
 * The key that a blob's signature must be made with. A key that the user named stays the verifier;
 * whatever the bundle brings along must be the same, or is refused (CVE-2022-36056).
 *
 * @throws {CosignError} `BUNDLE_INVALID` when user and bundle name different signers, `CERTIFICATE_…`,
 * `IDENTITY_MISMATCH`, `KEY_…`.
 */
export function signerOfBlob(trust: BlobTrust, claimed: ClaimedSigner): PublicKey {
  if (trust.by === "key") {
    checkClaim(trust.key, claimed);
    return trust.key;
  }
  const certificate = certificateOf(trust.certificate, claimed);
  const brought = claimed.kind === "certificate" ? claimed.intermediates : [];
  const { roots, intermediates } = trust.trust;
  const all = { roots, intermediates: [...intermediates, ...brought] };
  const { key } = verifyCertificate(certificate, all, trust.at);
  checkIdentity(certificate, trust.identity);
  return key;
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
