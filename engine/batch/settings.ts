import { isAbsolute, join } from "node:path";
import { KEYLESS } from "../keys/key_ring.ts";
import { parseDurationMs } from "../model/duration.ts";
import type { Generation } from "../model/exit_code.ts";
import type { JobTransparency, SignJob, VerifyJob } from "../model/job.ts";
import type { RecursivePolicy, SignatureDigestAlgorithm } from "../model/policy.ts";
import { demandsOf, type TrustFlags } from "./policy_demands.ts";
import type { ManifestPolicy, TargetTransparency } from "./policy_schema.ts";
import type { ManifestTarget, TargetSettings } from "./schema.ts";

const DEFAULT_TIMEOUT_MS = 180_000; // cosign's 3m0s, here for each target

/** What the command line says instead of the manifest's `defaults`. */
export interface BatchFlags {
  readonly op: "sign" | "verify";
  /** The generation of cosign whose defaults hold. */
  readonly generation: Generation;
  /** Sign: the one key. Verify: keys of which any may have signed. */
  readonly keys: readonly string[];
  readonly format?: "legacy" | "bundle" | "both";
  readonly recursive?: boolean;
  readonly recursivePolicy?: RecursivePolicy;
  readonly skipSigned?: boolean;
  readonly skipUnknownPlatform?: boolean;
  readonly annotations: Readonly<Record<string, string>>;
  readonly identities?: readonly string[];
  readonly timeoutMs?: number;
  /** What a flag says of the transparency log: false for without, true for with; absent when none was given. */
  readonly log?: boolean;
  /** `COSIGN_EXPERIMENTAL`: with it generation 1 wants the log where nothing else is said. */
  readonly experimental: boolean;
  readonly checkClaims: boolean;
  readonly signatureDigestAlgorithm?: SignatureDigestAlgorithm;
  /** Only of `verify`. */
  readonly trust?: TrustFlags;
}

/** A job that has no target and no id yet. */
export type JobSettings = Omit<SignJob, "id" | "target"> | Omit<VerifyJob, "id" | "target">;

/** What the settings of one target are made of, the strongest first. */
export interface SettingsSource {
  readonly target: TargetSettings;
  readonly flags: BatchFlags;
  readonly defaults: TargetSettings;
  readonly policies: Readonly<Record<string, ManifestPolicy>>;
  /** The directory that the manifest's paths are relative to; absent when there is no manifest. */
  readonly base?: string;
}

/**
 * Settles what is to be done with one target: what the target says, else the flags, else the
 * policy, else the manifest's defaults.
 *
 * @throws {SyntaxError} with the detail when something is missing or contradictory.
 */
export function settle(source: SettingsSource): JobSettings {
  const { target, flags, defaults } = source;
  const recursive = target.recursive ?? flags.recursive ?? defaults.recursive ?? false;
  if (target.recursivePolicy !== undefined && !recursive) {
    throw new SyntaxError(`"recursivePolicy" contradicts "recursive: false"`);
  }
  const describe = target.describe ?? defaults.describe;
  const shared = {
    ...(describe === undefined ? {} : { describe }),
    recursive,
    skipUnknownPlatform:
      target.skipUnknownPlatform ??
      flags.skipUnknownPlatform ??
      defaults.skipUnknownPlatform ??
      false,
    timeoutMs: timeoutOf(target) ?? flags.timeoutMs ?? timeoutOf(defaults) ?? DEFAULT_TIMEOUT_MS,
  };
  const annotations = { ...defaults.annotations, ...flags.annotations, ...target.annotations };
  return flags.op === "sign"
    ? settleSign(source, { ...shared, annotations })
    : settleVerify(source, { ...shared, annotations });
}

/**
 * Settles targets as {@link settle} does; those that say nothing of their own, of which there may be a
 * hundred thousand, once for all.
 */
export function settler(
  source: Omit<SettingsSource, "target">,
): (target: ManifestTarget) => JobSettings {
  let plain: JobSettings | undefined;
  return (target) => {
    if (Object.keys(target).length > 1) return settle({ ...source, target });
    plain ??= settle({ ...source, target });
    return plain;
  };
}

type Common = Pick<
  JobSettings,
  "recursive" | "skipUnknownPlatform" | "timeoutMs" | "annotations" | "describe"
>;

function settleSign(source: SettingsSource, common: Common): Omit<SignJob, "id" | "target"> {
  const { target, flags, defaults } = source;
  const key = inManifest(source, target.key) ?? flags.keys[0] ?? inManifest(source, defaults.key);
  if (key === undefined) {
    throw new SyntaxError(`no key to sign with: neither "key" here or in "defaults", nor --key`);
  }
  const format = formatOf(source) ?? (flags.generation === 3 ? "bundle" : "legacy");
  const identities = target.identities ?? flags.identities ?? defaults.identities;
  if (target.identities !== undefined && format === "bundle") {
    throw new SyntaxError(`"identities" contradicts the format "bundle": only "legacy" names them`);
  }
  const transparency = transparencyOf(source, key);
  return {
    op: "sign",
    ...common,
    key,
    ...(transparency === undefined ? {} : { transparency }),
    formats: format === "both" ? ["legacy", "bundle"] : [format],
    skipSigned: target.skipSigned ?? flags.skipSigned ?? defaults.skipSigned ?? false,
    ...(identities === undefined ? {} : { identities }),
  };
}

function settleVerify(source: SettingsSource, common: Common): Omit<VerifyJob, "id" | "target"> {
  const { target, flags, defaults } = source;
  const isNamed = flags.keys.length > 0 || flags.trust?.identities !== undefined;
  const byFlag = isNamed && target.policy === undefined;
  const policy = byFlag ? undefined : policyOf(source, target.policy ?? defaults.policy);
  if (!byFlag && policy === undefined) {
    throw new SyntaxError(
      `nothing to verify against: neither "policy" here or in "defaults", nor --key or --certificate-identity`,
    );
  }
  const format = formatOf(source);
  const demands = demandsOf(source, policy, inManifest(source, policy?.trustedRoot));
  return {
    op: "verify",
    ...common,
    annotations: merged(common.annotations, policy?.annotations ?? {}),
    keys:
      policy === undefined
        ? flags.keys
        : (policy.keys ?? []).map((key) => resolvePath(source, key)),
    recursivePolicy:
      target.recursivePolicy ??
      flags.recursivePolicy ??
      policy?.recursivePolicy ??
      defaults.recursivePolicy ??
      "all",
    checkClaims: flags.checkClaims,
    ...(policy?.artifact === undefined ? {} : { artifact: policy.artifact }),
    ...(demands === undefined ? {} : { demands }),
    ...(flags.signatureDigestAlgorithm === undefined
      ? {}
      : { signatureDigestAlgorithm: flags.signatureDigestAlgorithm }),
    ...(format === undefined || format === "both" ? {} : { expectFormat: format }),
  };
}

/** Who vouches for the signatures of a target; nothing when nobody does. */
function transparencyOf(source: SettingsSource, key: string): JobTransparency | undefined {
  const { target, defaults } = source;
  const said = target.transparency ?? defaults.transparency;
  if (key === KEYLESS && said === "none") {
    throw new SyntaxError(
      `"transparency: none" contradicts the key "keyless": nothing would say when its certificate was valid`,
    );
  }
  const settled = target.transparency ?? transparencyByFlag(source);
  if (settled === "none") return key === KEYLESS ? { upload: false } : undefined;
  const { upload = true, rekor, timestamp } = settled;
  return {
    upload,
    ...(rekor === undefined ? {} : { rekorUrl: rekor }),
    ...(timestamp === undefined ? {} : { timestampUrl: timestamp }),
  };
}

/** What the flag says of the log, else the defaults, else the generation. */
function transparencyByFlag({ flags, defaults }: SettingsSource): "none" | TargetTransparency {
  const wantsLog = flags.log ?? (flags.generation !== 1 || flags.experimental);
  const { transparency } = defaults;
  if (flags.log === undefined && transparency !== undefined) return transparency;
  if (transparency === undefined || transparency === "none") return wantsLog ? {} : "none";
  return { ...transparency, upload: wantsLog };
}

function policyOf(source: SettingsSource, name: string | undefined): ManifestPolicy | undefined {
  if (name === undefined) return undefined;
  if (!Object.hasOwn(source.policies, name)) {
    const known = Object.keys(source.policies).join(", ") || "none";
    throw new SyntaxError(`no policy is named "${name}"; there are: ${known}`);
  }
  return source.policies[name];
}

/** Both demands together. @throws {SyntaxError} when one name has two values. */
function merged(
  demanded: Readonly<Record<string, string>>,
  byPolicy: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(byPolicy)) {
    if (Object.hasOwn(demanded, name) && demanded[name] !== value) {
      throw new SyntaxError(`the annotation "${name}" contradicts the one of the policy`);
    }
  }
  return { ...byPolicy, ...demanded };
}

function formatOf({ target, flags, defaults }: SettingsSource): BatchFlags["format"] {
  return target.format ?? flags.format ?? defaults.format;
}

function timeoutOf(settings: TargetSettings): number | undefined {
  return settings.timeout === undefined ? undefined : parseDurationMs(settings.timeout);
}

function inManifest(source: SettingsSource, path: string | undefined): string | undefined {
  return path === undefined || path === KEYLESS ? path : resolvePath(source, path);
}

/** A path of the manifest as seen from here; an URI is left as it is. */
export function resolvePath({ base = "" }: Pick<SettingsSource, "base">, path: string): string {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path) || isAbsolute(path)) return path;
  return join(base, path);
}
