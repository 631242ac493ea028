import { readPublicKey } from "../keys/open.ts";
import { CosignError, describeError, type ErrorCode } from "../model/errors.ts";
import type { Generation } from "../model/exit_code.ts";
import type { BlobTrust } from "../verify/blob_signer.ts";
import type { Trust } from "../verify/certificate.ts";
import {
  type IdentityPolicy,
  type Wanted,
  type WorkflowField,
  wantedText,
} from "../verify/identity.ts";
import { type CertificateContext, readCertificates, trustOfChain } from "./certificate_files.ts";
import type { Invocation } from "./command.ts";
import type { VERIFY_BLOB_FLAGS } from "./flags/blob.ts";
import type { CERTIFICATE_VERIFY_FLAGS } from "./flags/keyless.ts";
import { isExperimental } from "./generation.ts";
import { keyContext } from "./open_keys.ts";
import { usage } from "./parse.ts";
import { unavailable } from "./refuse_later.ts";

type TrustFlag = keyof typeof CERTIFICATE_VERIFY_FLAGS | "key" | "sk" | "bundle";
/** A call of any command that verifies files. */
type Call = Omit<Invocation<typeof VERIFY_BLOB_FLAGS>, "flags"> & {
  readonly flags: Pick<Invocation<typeof VERIFY_BLOB_FLAGS>["flags"], TrustFlag>;
};

const KEY_HINT = "Verify with a public key: --key cosign.pub";
const TRUST_HINT =
  "Name your own authorities with --certificate-chain, or --ca-roots and --ca-intermediates";
const WORKFLOW_FIELDS: readonly WorkflowField[] = ["trigger", "sha", "name", "repository", "ref"];

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
    if (generation === 1 && !isExperimental(env)) throw oneKey();
    throw usage(
      "provide a key with --key or --sk, a certificate to verify against with --certificate, or a bundle with --bundle",
      KEY_HINT,
    );
  }
  if ([key, ...identities].filter(Boolean).length > 1) {
    throw usage(
      "exactly one of: key reference (--key) or certificate identity (--certificate-identity or --certificate-identity-regexp), must be provided. To determine which to use, inspect the bundle's 'verificationMaterial' field: if 'publicKey' is present, use key reference; if 'certificate' or 'x509CertificateChain' is present, use certificate identity",
    );
  }
  if (keys > 1) throw oneKey();
  if (sk) throw unavailable("Verification with a hardware token (--sk)", KEY_HINT);
  checkAuthorityFlags(flags);
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
 * Reads the key, or the certificates, that the flags name.
 *
 * @param at The time at which certificates must be valid.
 * @throws {CosignError} `KEY_…`, `CERTIFICATE_INVALID`, `USAGE`, `FEATURE_UNAVAILABLE`.
 */
export async function openTrust(
  call: Call,
  generation: Generation,
  context: CertificateContext,
  at: Date,
): Promise<BlobTrust> {
  const { flags } = call;
  if (flags.key) {
    const stdinIsTaken = call.args.includes("-");
    const keys = keyContext(call, { signal: context.signal, stdinIsTaken });
    return { by: "key", key: await readPublicKey(flags.key, keys) };
  }
  const trust = await readTrust(flags, context);
  if (trust === undefined) {
    throw unavailable("Verification against the authorities of Sigstore", TRUST_HINT);
  }
  if (generation !== 1 && !flags["insecure-ignore-sct"]) {
    throw unavailable(
      "The check of certificate transparency logs",
      "Verify without them: --insecure-ignore-sct",
    );
  }
  const [certificate] = flags.certificate ? await readCertificates(flags.certificate, context) : [];
  return {
    by: "certificate",
    trust,
    identity: identityOf(call),
    at,
    ...(certificate === undefined ? {} : { certificate }),
  };
}

function checkAuthorityFlags(flags: Call["flags"]): void {
  const { "certificate-chain": chain, "ca-roots": roots, "ca-intermediates": between } = flags;
  for (const [name, value] of [
    ["ca-roots", roots],
    ["ca-intermediates", between],
  ] as const) {
    if (!chain || !value) continue;
    throw usage(
      `if any flags in the group [${name} certificate-chain] are set none of the others can be; [${name} certificate-chain] were all set`,
    );
  }
  if (between && !roots) {
    throw usage("--ca-intermediates needs --ca-roots", "Add --ca-roots FILE");
  }
}

async function readTrust(
  flags: Call["flags"],
  context: CertificateContext,
): Promise<Trust | undefined> {
  const { "certificate-chain": chain, "ca-roots": roots, "ca-intermediates": between } = flags;
  if (chain) return trustOfChain(await readCertificates(chain, context));
  if (!roots) return undefined;
  return {
    roots: await readCertificates(roots, context),
    intermediates: between ? await readCertificates(between, context) : [],
  };
}

function identityOf({ flags, stderr }: Call): IdentityPolicy {
  const text = (name: "certificate-identity" | "certificate-oidc-issuer"): Wanted | undefined => {
    const wanted = parsed(`--${name}-regexp`, () =>
      wantedText(flags[name], flags[`${name}-regexp`]),
    );
    if (wanted !== undefined && "pattern" in wanted && !wanted.pattern.isAnchored) {
      stderr.write(
        `WARNING: --${name}-regexp may match in the middle of a name: write ^…$ to match all of it\n`,
      );
    }
    return wanted;
  };
  const email = wantedText(flags["certificate-email"], undefined);
  const identity = text("certificate-identity") ?? email;
  const issuer = text("certificate-oidc-issuer");
  const workflow = WORKFLOW_FIELDS.flatMap((field) => {
    const value = flags[`certificate-github-workflow-${field}`];
    return value ? [[field, value] as const] : [];
  });
  return {
    ...(identity === undefined ? {} : { identity }),
    ...(issuer === undefined ? {} : { issuer }),
    workflow: Object.fromEntries(workflow),
  };
}

function parsed<T>(what: string, parse: () => T, code: ErrorCode = "USAGE"): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new CosignError(code, `Cannot read ${what}: ${describeError(cause)}`, {
      hint: "Patterns are in Go's syntax (https://golang.org/s/re2syntax)",
      cause,
    });
  }
}

function oneKey(): CosignError {
  return usage(
    "exactly one of: key reference (--key), certificate (--cert) or hardware token (--sk) must be provided",
    KEY_HINT,
  );
}
