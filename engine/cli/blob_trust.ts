import { readPublicKey } from "../keys/open.ts";
import type { CosignError } from "../model/errors.ts";
import type { Generation } from "../model/exit_code.ts";
import type { SignerPolicy } from "../verify/signer.ts";
import { signerPolicy } from "../verify/signer_policy.ts";
import type { CertificateContext } from "./certificate_files.ts";
import type { Invocation } from "./command.ts";
import type { VERIFY_BLOB_FLAGS } from "./flags/blob.ts";
import type { CERTIFICATE_VERIFY_FLAGS } from "./flags/keyless.ts";
import type { COMMON_VERIFY_FLAGS } from "./flags/verify.ts";
import { isExperimental } from "./generation.ts";
import { keyContext } from "./open_keys.ts";
import { usage } from "./parse.ts";
import { unavailable } from "./refuse_later.ts";
import { openTrust, trustDemands } from "./trust_demands.ts";
import { signatureDigest } from "./verification.ts";

type TrustFlag =
  | keyof typeof CERTIFICATE_VERIFY_FLAGS
  | keyof typeof COMMON_VERIFY_FLAGS
  | "key"
  | "sk"
  | "allow-weak-key"
  | "bundle"
  | "signature-digest-algorithm";
/** A call of any command that verifies files. */
type Call = Omit<Invocation<typeof VERIFY_BLOB_FLAGS>, "flags"> & {
  readonly flags: Pick<Invocation<typeof VERIFY_BLOB_FLAGS>["flags"], TrustFlag | "timeout">;
};

const KEY_HINT = "Verify with a public key: --key cosign.pub";

/**
 * Checks in cosign's order that the flags name one way to trust.
 *
 * @throws {CosignError} `USAGE` in cosign's words; `FEATURE_UNAVAILABLE` for those of later versions.
 */
export function checkTrustFlags({ flags, env }: Call, generation: Generation): void {
  const { key, certificate, sk, bundle } = flags;
  const identities = [flags["certificate-identity"], flags["certificate-identity-regexp"]];
  const issuers = [flags["certificate-oidc-issuer"], flags["certificate-oidc-issuer-regexp"]];
  const keys = [key, certificate, sk].filter(Boolean).length;
  if (keys === 0 && !bundle) {
    if (generation !== 1) {
      throw usage(
        "provide a key with --key or --sk, a certificate to verify against with --certificate, or a bundle with --bundle",
        KEY_HINT,
      );
    }
    if (!isExperimental(env)) throw oneKey(); // with it, the log tells who has signed
  }
  if ([key, ...identities].filter(Boolean).length > 1) {
    throw usage(
      "exactly one of: key reference (--key) or certificate identity (--certificate-identity or --certificate-identity-regexp), must be provided. To determine which to use, inspect the bundle's 'verificationMaterial' field: if 'publicKey' is present, use key reference; if 'certificate' or 'x509CertificateChain' is present, use certificate identity",
    );
  }
  if (keys > 1) throw oneKey();
  if (sk) throw unavailable("Verification with a hardware token (--sk)", KEY_HINT);
  if (key || generation === 1) return;
  for (const [given, name] of [
    [identities, "identity"],
    [issuers, "oidc-issuer"],
  ] as const) {
    if (given.some(Boolean)) continue;
    throw usage(
      `--certificate-${name} or --certificate-${name}-regexp is required for verification in keyless mode`,
      KEY_HINT,
    );
  }
}

/**
 * Opens whom the flags believe: a key, or certificates.
 *
 * @throws {CosignError} `KEY_…`, `CERTIFICATE_INVALID`, `TRUST_INVALID`, `USAGE`, `FILE_READ`.
 */
export async function openSignerPolicy(
  call: Call,
  generation: Generation,
  context: CertificateContext,
): Promise<SignerPolicy> {
  const { flags } = call;
  const only = signatureDigest(flags["signature-digest-algorithm"]);
  const demands = await trustDemands(call, generation, Boolean(flags.key), context);
  const root = await openTrust(call, demands, context);
  const keys = flags.key
    ? [
        await readPublicKey(
          flags.key,
          keyContext(call, { signal: context.signal, stdinIsTaken: call.args.includes("-") }),
        ),
      ]
    : [];
  return signerPolicy(keys, demands, root, only);
}

function oneKey(): CosignError {
  return usage(
    "exactly one of: key reference (--key), certificate (--cert) or hardware token (--sk) must be provided",
    KEY_HINT,
  );
}
