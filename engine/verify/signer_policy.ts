import type { TrustedRoot } from "../formats/trusted_root.ts";
import { parseCertificate } from "../formats/x509.ts";
import { parseBase64 } from "../model/bytes.ts";
import type { PublicKey } from "../model/key.ts";
import type { SignatureDigestAlgorithm, TrustDemands } from "../model/policy.ts";
import { identityPolicy } from "./identity.ts";
import type { CertificatePolicy, SignerPolicy } from "./signer.ts";

/**
 * Makes a policy of what was demanded and of whom a run trusts.
 *
 * @param demands Absent: keys alone decide.
 * @param root Absent: nobody is trusted.
 * @throws {SyntaxError} when a pattern or a certificate in the demands cannot be read.
 */
export function signerPolicy(
  keys: readonly PublicKey[],
  demands: TrustDemands | undefined,
  root: TrustedRoot | undefined,
  signatureDigestAlgorithm?: SignatureDigestAlgorithm,
): SignerPolicy {
  const digest = signatureDigestAlgorithm === undefined ? {} : { signatureDigestAlgorithm };
  if (demands === undefined) return { keys, ...digest };
  const { logThreshold, timestampThreshold, identities } = demands;
  return {
    keys,
    ...digest,
    ...(identities === undefined ? {} : { certificates: certificatePolicy(demands, root) }),
    ...(identities === undefined && logThreshold + timestampThreshold === 0
      ? {}
      : {
          witnesses: {
            logs: root?.logs ?? [],
            logThreshold,
            timestampAuthorities: root?.timestampAuthorities ?? [],
            timestampThreshold,
          },
        }),
  };
}

function certificatePolicy(
  { identities = [], sct, now, certificate, detachedSct }: TrustDemands,
  root: TrustedRoot | undefined,
): CertificatePolicy {
  return {
    authorities: root?.certificateAuthorities ?? [],
    identities: identities.map(identityPolicy),
    ...(sct ? { ctLogs: root?.ctLogs ?? [] } : {}),
    ...(now === undefined ? {} : { now: new Date(now) }),
    ...(certificate === undefined
      ? {}
      : { certificate: parseCertificate(parseBase64(certificate)) }),
    ...(detachedSct === undefined ? {} : { sct: parseBase64(detachedSct) }),
  };
}
