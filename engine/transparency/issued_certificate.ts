import type { TrustedRoot } from "../formats/trusted_root.ts";
import { isWithin } from "../formats/trusted_root.ts";
import { CosignError } from "../model/errors.ts";
import { verifyCertificate } from "../verify/certificate.ts";
import { verifySct } from "../verify/sct.ts";
import type { IssuedCertificate } from "./fulcio.ts";
import type { IdentityToken } from "./identity_token.ts";

/** What is demanded of a certificate beyond its chain. */
export interface IssuedDemands {
  /** False where the user has asked for none: `--insecure-skip-verify`. Default true. */
  readonly sct?: boolean;
}

/**
 * Checks a new certificate before anything is signed with it: a chain to a trusted authority, the
 * timestamp of a trusted log of certificates, and the email address that was proved. A signature by a
 * certificate that nobody will believe is noticed here, and not by those who verify it.
 *
 * @throws {CosignError} as `verifyCertificate()` and `verifySct()`; `IDENTITY_MISMATCH`.
 */
export function checkIssued(
  issued: IssuedCertificate,
  token: IdentityToken,
  root: TrustedRoot,
  { sct = true }: IssuedDemands = {},
): void {
  const { certificate, chain, detachedSct } = issued;
  // By Fulcio's clock: ours may go wrong by more than a certificate's life.
  const at = certificate.notBefore;
  const { email } = token;
  const names = certificate.alternativeNames;
  if (
    email !== undefined &&
    !names.some(({ kind, value }) => kind === "email" && value === email)
  ) {
    throw new CosignError(
      "IDENTITY_MISMATCH",
      `The new certificate is not for the identity token's email address: it names ${JSON.stringify(names.map(({ value }) => value)).slice(0, 300)}`,
    );
  }
  const authorities = root.certificateAuthorities.filter(({ validFor }) => isWithin(at, validFor));
  const trust = {
    roots: authorities.flatMap((authority) => authority.chain.slice(-1)),
    intermediates: [...authorities.flatMap((authority) => authority.chain.slice(0, -1)), ...chain],
  };
  const [, issuer] = verifyCertificate(certificate, trust, at).chain;
  if (sct && issuer !== undefined) verifySct(certificate, issuer, root.ctLogs, detachedSct);
}
