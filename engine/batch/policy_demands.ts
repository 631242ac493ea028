import type { Generation } from "../model/exit_code.ts";
import type { IdentityDemand, TrustDemands } from "../model/policy.ts";
import type { ManifestIdentity, ManifestPolicy, ManifestTransparency } from "./policy_schema.ts";

type Thresholds = Pick<TrustDemands, "logThreshold" | "timestampThreshold">;

/** What flags say of whom signatures are held against beside keys; what is absent, no flag says. */
export interface TrustFlags {
  /** Whose certificates count. */
  readonly identities?: readonly IdentityDemand[];
  readonly sct?: boolean;
  readonly timestamps?: boolean;
  readonly now?: string;
  /** Base64 of DER. */
  readonly certificate?: string;
  /** Base64 of JSON. */
  readonly detachedSct?: string;
  /** Flags name a trusted root, or authorities: those of policies do not count. */
  readonly hasRoot: boolean;
}

/** What says who must vouch for a signature, the strongest first. */
export interface DemandSource {
  readonly target: { readonly transparency?: "none" | ManifestTransparency };
  readonly flags: {
    readonly log?: boolean;
    readonly generation: Generation;
    readonly experimental: boolean;
    readonly trust?: TrustFlags;
  };
  readonly defaults: { readonly transparency?: "none" | ManifestTransparency };
}

/**
 * What must hold beside keys: what the target says of it, else the flags, else the policy, else the
 * manifest's defaults, else the generation of cosign. Nothing when keys alone decide.
 *
 * @param policy Absent when flags stand in its place.
 * @param root The policy's trusted root, as the run knows it.
 */
export function demandsOf(
  source: DemandSource,
  policy: ManifestPolicy | undefined,
  root: string | undefined,
): TrustDemands | undefined {
  const { trust } = source.flags;
  const identities =
    policy === undefined ? trust?.identities : policy.identities?.map(identityDemand);
  const thresholds = thresholdsOf(source, policy);
  if (identities === undefined && thresholds.logThreshold + thresholds.timestampThreshold === 0) {
    return undefined;
  }
  return {
    ...thresholds,
    sct: identities !== undefined && (trust?.sct ?? policy?.sct ?? true),
    ...(identities === undefined ? {} : { identities }),
    ...(trust?.now === undefined ? {} : { now: trust.now }),
    ...(trust?.certificate === undefined ? {} : { certificate: trust.certificate }),
    ...(trust?.detachedSct === undefined ? {} : { detachedSct: trust.detachedSct }),
    ...(root === undefined || trust?.hasRoot ? {} : { root }),
  };
}

function thresholdsOf(
  { target, flags, defaults }: DemandSource,
  policy: ManifestPolicy | undefined,
): Thresholds {
  const byFlag =
    flags.log === undefined
      ? undefined
      : { logThreshold: flags.log ? 1 : 0, timestampThreshold: 0 };
  const byGeneration = {
    logThreshold: flags.generation !== 1 || flags.experimental ? 1 : 0,
    timestampThreshold: 0,
  };
  const said =
    thresholdsBy(target.transparency) ??
    byFlag ??
    thresholdsBy(policy?.transparency) ??
    thresholdsBy(defaults.transparency) ??
    byGeneration;
  return flags.trust?.timestamps
    ? { ...said, timestampThreshold: Math.max(1, said.timestampThreshold) }
    : said;
}

/** Nothing when it says nothing of what is required. */
function thresholdsBy(said: "none" | ManifestTransparency | undefined): Thresholds | undefined {
  if (said === undefined) return undefined;
  if (said === "none") return { logThreshold: 0, timestampThreshold: 0 };
  const { require, logs, timestamps } = said;
  if (require === undefined && logs === undefined && timestamps === undefined) return undefined;
  const asksLog = require === "log" || require === "both";
  const asksTimestamp = require === "timestamp" || require === "both";
  return {
    logThreshold: logs ?? (asksLog ? 1 : 0),
    timestampThreshold: timestamps ?? (asksTimestamp ? 1 : 0),
  };
}

function identityDemand(identity: ManifestIdentity): IdentityDemand {
  const { issuer, issuerRegExp, subject, subjectRegExp, workflow } = identity;
  return {
    ...(issuer === undefined ? {} : { issuer: { exact: issuer } }),
    ...(issuerRegExp === undefined ? {} : { issuer: { regExp: issuerRegExp } }),
    ...(subject === undefined ? {} : { subject: { exact: subject } }),
    ...(subjectRegExp === undefined ? {} : { subject: { regExp: subjectRegExp } }),
    ...(workflow === undefined ? {} : { workflow }),
  };
}
