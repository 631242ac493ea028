import type { Needs } from "../batch/plan.ts";
import type { TrustFlags } from "../batch/policy_demands.ts";
import { encodeTrustedRoot } from "../formats/trusted_root_json.ts";
import type { Generation } from "../model/exit_code.ts";
import { openTrustedRoot } from "../trust/open.ts";
import type { BatchTrust } from "./batch_call.ts";
import type { CertificateContext } from "./certificate_files.ts";
import type { Invocation } from "./command.ts";
import type { BATCH_VERIFY_FLAGS } from "./flags/batch.ts";
import { searchUrl } from "./searched_log.ts";
import { openTrust, trustDemands } from "./trust_demands.ts";
import { ignoresLog, verificationKey } from "./verification.ts";

type Call = Invocation<typeof BATCH_VERIFY_FLAGS>;

const IDENTITY_FLAGS = [
  "certificate",
  "certificate-identity",
  "certificate-identity-regexp",
  "certificate-email",
  "certificate-oidc-issuer",
  "certificate-oidc-issuer-regexp",
] as const;
const ROOT_FLAGS = ["trusted-root", "certificate-chain", "ca-roots"] as const;

/**
 * What the flags of `batch verify` say of whom signatures are held against beside keys.
 *
 * @throws {CosignError} `USAGE` in cosign's words, `CERTIFICATE_INVALID`, `FILE_READ`.
 */
export async function batchTrustFlags(
  call: Call,
  generation: Generation,
  context: CertificateContext,
): Promise<TrustFlags> {
  const { flags, given } = call;
  const [key] = flags.key.filter((text) => text !== "");
  const isKeyless = IDENTITY_FLAGS.some((name) => flags[name]);
  if (isKeyless) {
    // One way to trust by flags; several stand side by side in a manifest's policy.
    verificationKey({ ...call, flags: { ...flags, key, sk: false, slot: undefined } }, generation);
  }
  const demands = await trustDemands(call, generation, !isKeyless, context);
  const { identities, now, certificate, detachedSct } = demands;
  const hasRoot = ROOT_FLAGS.some((name) => flags[name]);
  return {
    hasRoot,
    timestamps: demands.timestampThreshold > 0,
    ...(identities === undefined ? {} : { identities }),
    ...(generation === 1 || given.has("insecure-ignore-sct")
      ? { sct: generation === 1 ? flags["enforce-sct"] : !flags["insecure-ignore-sct"] }
      : {}),
    ...(now === undefined && flags["verify-time"] !== "now"
      ? {}
      : { now: now ?? new Date().toISOString() }),
    ...(certificate === undefined ? {} : { certificate }),
    ...(detachedSct === undefined ? {} : { detachedSct }),
  };
}

/** What flags say of the log; nothing when none does. */
export function batchLogFlag(call: Call): { readonly log?: boolean } {
  const ignored = ignoresLog(call);
  return ignored === undefined ? {} : { log: !ignored };
}

/**
 * Opens the roots that the targets of a batch need, each once, before the first worker starts.
 *
 * @throws {CosignError} `TRUST_…`, `CERTIFICATE_INVALID`, `FILE_READ`.
 */
export async function openBatchTrust(
  call: Call,
  { roots, logs }: Pick<Needs, "roots" | "logs">,
  context: CertificateContext,
): Promise<BatchTrust> {
  const demanded = { identities: [], logThreshold: 1, timestampThreshold: 1, sct: true };
  const own = roots.includes(undefined) ? await openTrust(call, demanded, context) : undefined;
  const namedRoots = new Map<string, Uint8Array>();
  for (const trustedRoot of roots) {
    if (trustedRoot === undefined) continue;
    namedRoots.set(trustedRoot, encodeTrustedRoot(await openTrustedRoot({ trustedRoot }, context)));
  }
  const url = searchUrl(call.flags, { logThreshold: logs ? 1 : 0 });
  return {
    ...(url === undefined ? {} : { searchUrl: url }),
    ...(own === undefined ? {} : { trustedRoot: encodeTrustedRoot(own) }),
    ...(namedRoots.size === 0 ? {} : { namedRoots }),
  };
}
