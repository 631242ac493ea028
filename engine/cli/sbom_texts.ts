import type { Generation } from "../model/exit_code.ts";

/** What cosign says since 2 wherever SBOMs are attached. */
export const SBOM_DEPRECATION =
  "WARNING: SBOM attachments are deprecated and support will be removed in a Cosign release soon after 2024-02-22 (see https://github.com/sigstore/cosign/issues/2755). Instead, please use SBOM attestations.";

/** What cosign says of an SBOM that is attached. */
export function attachingWarning(path: string, generation: Generation): string {
  const attest = `'cosign attest --predicate ${path} --key <key path>'`;
  return generation === 1
    ? `WARNING: Attaching SBOMs this way does not sign them. If you want to sign them, use ${attest} or 'cosign sign --key <key path> --attachment sbom <image uri>'.`
    : `WARNING: Attaching SBOMs this way does not sign them. To sign them, use ${attest}.`;
}

/** What cosign says of an SBOM that is downloaded. */
export function downloadingWarning(generation: Generation): string {
  const warning =
    "WARNING: Downloading SBOMs this way does not ensure its authenticity. If you want to ensure a tamper-proof SBOM, download it using 'cosign download attestation <image uri>'";
  return generation === 1
    ? `${warning} or verify its signature using 'cosign verify --key <key path> --attachment sbom <image uri>'.`
    : `${warning}.`;
}
