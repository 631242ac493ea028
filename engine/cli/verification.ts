import type { CosignError } from "../model/errors.ts";
import type { Generation } from "../model/exit_code.ts";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";
import type { World } from "./command.ts";
import type { FlagValues } from "./flag.ts";
import type { VERIFY_LOG_FLAGS } from "./flags/format.ts";
import type { SECURITY_KEY_FLAGS } from "./flags/key.ts";
import type { CERTIFICATE_VERIFY_FLAGS } from "./flags/keyless.ts";
import { isExperimental } from "./generation.ts";
import { usage } from "./parse.ts";
import { unavailable } from "./refuse_later.ts";

type KeyFlags = { readonly key: string | undefined } & FlagValues<
  typeof CERTIFICATE_VERIFY_FLAGS & typeof SECURITY_KEY_FLAGS
>;
type LogFlags = FlagValues<typeof VERIFY_LOG_FLAGS>;

const KEY_HINT = "Verify with a public key: --key cosign.pub";

/**
 * The key to verify with; nothing when certificates decide. In cosign's order and words.
 *
 * @throws {CosignError} `USAGE`, `FEATURE_UNAVAILABLE`.
 */
export function verificationKey(
  { flags, env }: { readonly flags: KeyFlags } & Pick<World, "env">,
  generation: Generation,
): string | undefined {
  const key = flags.key === "" ? undefined : flags.key;
  const identities = [flags["certificate-identity"], flags["certificate-identity-regexp"]];
  const issuers = [flags["certificate-oidc-issuer"], flags["certificate-oidc-issuer-regexp"]];
  if ([key, ...identities].filter((text) => text !== undefined && text !== "").length > 1) {
    throw usage(
      "exactly one of: key reference (--key) or certificate identity (--certificate-identity or --certificate-identity-regexp), must be provided. To determine which to use, inspect the bundle's 'verificationMaterial' field: if 'publicKey' is present, use key reference; if 'certificate' or 'x509CertificateChain' is present, use certificate identity",
    );
  }
  if ([key, flags.certificate, flags.sk].filter(Boolean).length > 1) throw oneKey();
  if (key !== undefined) return key;
  if (flags.sk) throw unavailable("Verification with a hardware token (--sk)", KEY_HINT);
  if (generation === 1) {
    if (!flags.certificate && !isExperimental(env)) throw oneKey();
  } else {
    if (!identities.some(Boolean)) {
      throw usage(
        "--certificate-identity or --certificate-identity-regexp is required for verification in keyless mode",
        KEY_HINT,
      );
    }
    if (!issuers.some(Boolean)) {
      throw usage(
        "--certificate-oidc-issuer or --certificate-oidc-issuer-regexp is required for verification in keyless mode",
        KEY_HINT,
      );
    }
  }
  return undefined;
}

/** Whether the log is left out; nothing when neither flag was given. */
export function ignoresLog({
  flags,
  given,
}: {
  readonly flags: LogFlags;
  readonly given: ReadonlySet<string>;
}): boolean | undefined {
  const named = ["insecure-ignore-tlog", "private-infrastructure"] as const;
  const said = named.filter((name) => given.has(name));
  return said.length === 0 ? undefined : said.some((name) => flags[name]);
}

/** cosign's warning of `--insecure-ignore-tlog`. @param what `signature`, `attestation`, `blob` … */
export function warnWithoutLog(
  what: string,
  call: { readonly flags: LogFlags; readonly given: ReadonlySet<string> } & Pick<World, "stderr">,
): void {
  const { flags, given, stderr } = call;
  if (!given.has("insecure-ignore-tlog") || !flags["insecure-ignore-tlog"]) return;
  if (flags["private-infrastructure"]) return;
  stderr.write(
    `WARNING: Skipping tlog verification is an insecure practice that lacks transparency and auditability verification for the ${what}.\n`,
  );
}

/** Reads `--signature-digest-algorithm`; nothing when it is empty. @throws {CosignError} `USAGE`. */
export function signatureDigest(text: string | undefined): SignatureDigestAlgorithm | undefined {
  switch (text) {
    case undefined:
    case "":
      return undefined;
    case "sha224":
    case "sha256":
    case "sha384":
    case "sha512":
      return text;
    default:
      throw usage(`unknown digest algorithm: ${text}`, "One of: sha224, sha256, sha384, sha512");
  }
}

function oneKey(): CosignError {
  return usage(
    "exactly one of: key reference (--key), certificate (--cert) or hardware token (--sk) must be provided",
    KEY_HINT,
  );
}
