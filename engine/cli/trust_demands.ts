import type { RunSetup } from "../batch/run_setup.ts";
import type { TrustedAuthority, TrustedRoot } from "../formats/trusted_root.ts";
import { encodeTrustedRoot } from "../formats/trusted_root_json.ts";
import { readShort } from "../io/blob.ts";
import { encodeBase64 } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";
import type { Generation } from "../model/exit_code.ts";
import type { IdentityDemand, TrustDemands, WantedDemand, WorkflowField } from "../model/policy.ts";
import type { TrustPart } from "../trust/open.ts";
import { identityPolicy } from "../verify/identity.ts";
import { parsePattern } from "../verify/re2.ts";
import { type CertificateContext, readCertificates } from "./certificate_files.ts";
import type { World } from "./command.ts";
import type { FlagValues } from "./flag.ts";
import type { VERIFY_LOG_FLAGS } from "./flags/format.ts";
import type { GLOBAL_FLAGS } from "./flags/global.ts";
import type { CERTIFICATE_VERIFY_FLAGS } from "./flags/keyless.ts";
import type { COMMON_VERIFY_FLAGS } from "./flags/verify.ts";
import { DEFAULT_GENERATION, isExperimental, namedGeneration } from "./generation.ts";
import { usage } from "./parse.ts";
import { searchUrl } from "./searched_log.ts";
import { trustContext } from "./trust_context.ts";
import { ignoresLog } from "./verification.ts";

type CertificateFlags = Partial<FlagValues<typeof CERTIFICATE_VERIFY_FLAGS>>;
type Flags = CertificateFlags &
  FlagValues<typeof VERIFY_LOG_FLAGS> &
  Pick<
    FlagValues<typeof COMMON_VERIFY_FLAGS>,
    | "offline"
    | "rekor-url"
    | "trusted-root"
    | "timestamp-certificate-chain"
    | "use-signed-timestamps"
    | "verify-time"
  >;

/** A call of a command that verifies. */
export interface TrustCall extends Pick<World, "env" | "stderr" | "runtime"> {
  readonly flags: Flags;
  readonly given: ReadonlySet<string>;
}

const WORKFLOW_FIELDS: readonly WorkflowField[] = ["trigger", "sha", "name", "repository", "ref"];
const MAX_SCT_BYTES = 65_536;

/**
 * What the flags demand of a signature beside its key.
 *
 * @param isKeyed A key was named: certificates count for nothing.
 * @throws {CosignError} `USAGE`, `CERTIFICATE_INVALID`, `FILE_READ`.
 */
export async function trustDemands(
  call: TrustCall,
  generation: Generation,
  isKeyed: boolean,
  context: CertificateContext,
): Promise<TrustDemands> {
  const { flags, env } = call;
  const ignoreLog = ignoresLog(call);
  const isLogged = ignoreLog === undefined ? generation !== 1 || isExperimental(env) : !ignoreLog;
  const isStamped = flags["use-signed-timestamps"] || Boolean(flags["timestamp-certificate-chain"]);
  const thresholds = { logThreshold: isLogged ? 1 : 0, timestampThreshold: isStamped ? 1 : 0 };
  if (isKeyed) return { ...thresholds, sct: false };
  const hasOwnAuthorities = Boolean(flags["certificate-chain"] || flags["ca-roots"]);
  // Whoever names his own authorities and no log has nothing that states a time.
  const now = flags["verify-time"] === "now" || (hasOwnAuthorities && !isLogged);
  const { certificate, sct } = flags;
  return {
    ...thresholds,
    identities: [identityOf(call)],
    sct: generation === 1 ? flags["enforce-sct"] === true : flags["insecure-ignore-sct"] !== true,
    ...(now ? { now: new Date().toISOString() } : {}),
    ...(certificate
      ? { certificate: encodeBase64((await readCertificates(certificate, context))[0].der) }
      : {}),
    ...(sct ? { detachedSct: encodeBase64(await readShort(sct, MAX_SCT_BYTES, context)) } : {}),
  };
}

/**
 * What the jobs of a command demand, and what they are held against.
 *
 * @throws {CosignError} as {@link trustDemands} and {@link openTrust}.
 */
export async function openDemands(
  call: TrustCall & {
    readonly flags: { readonly key: string | undefined } & Pick<
      FlagValues<typeof GLOBAL_FLAGS>,
      "compat"
    >;
  },
  context: CertificateContext,
): Promise<{
  readonly demands: TrustDemands;
  readonly trust: Pick<RunSetup, "trustedRoot" | "searchUrl">;
}> {
  const generation = namedGeneration(call.flags.compat) ?? DEFAULT_GENERATION;
  const demands = await trustDemands(call, generation, Boolean(call.flags.key), context);
  const root = await openTrust(call, demands, context);
  const url = searchUrl(call.flags, demands);
  return {
    demands,
    trust: {
      ...(root === undefined ? {} : { trustedRoot: encodeTrustedRoot(root) }),
      ...(url === undefined ? {} : { searchUrl: url }),
    },
  };
}

/**
 * Opens whom the flags trust; nothing when nobody is asked. What cannot be refreshed is told of on stderr.
 *
 * @throws {CosignError} `TRUST_INVALID`, `TRUST_EXPIRED`, `TRUST_UNAVAILABLE`, `USAGE`,
 * `CERTIFICATE_INVALID`, `FILE_READ`.
 */
export async function openTrust(
  call: TrustCall,
  demands: TrustDemands,
  context: CertificateContext,
): Promise<TrustedRoot | undefined> {
  const { flags } = call;
  const authorities = await readAuthorities(flags, context);
  const needs = neededParts(demands);
  if (needs.size === 0) {
    // It is not asked for, but a file that is not there is told of.
    const path = flags["trusted-root"];
    if (path) await (await import("../trust/open.ts")).readTrustedRoot(path, context);
    return undefined;
  }
  const chain = flags["timestamp-certificate-chain"];
  const { openTrustedRoot } = await import("../trust/open.ts");
  return await openTrustedRoot(
    {
      ...(flags["trusted-root"] ? { trustedRoot: flags["trusted-root"] } : {}),
      ...(authorities === undefined ? {} : { authorities }),
      ...(chain ? { timestampChain: chain } : {}),
      needs,
    },
    { ...trustContext(call, context.signal), offline: flags.offline },
  );
}

/** Whose word is asked for. A timestamp that nobody demands counts by those who are there anyhow. */
function neededParts(demands: TrustDemands): ReadonlySet<TrustPart> {
  const { identities, sct, logThreshold, timestampThreshold } = demands;
  const parts: Readonly<Record<TrustPart, boolean>> = {
    certificateAuthorities: identities !== undefined,
    ctLogs: sct,
    logs: logThreshold > 0,
    timestampAuthorities: timestampThreshold > 0,
  };
  const names = Object.keys(parts) as TrustPart[];
  return new Set(names.filter((part) => parts[part]));
}

/** The authorities of `--certificate-chain`, or of `--ca-roots` and `--ca-intermediates`. */
async function readAuthorities(
  flags: Flags,
  context: CertificateContext,
): Promise<readonly TrustedAuthority[] | undefined> {
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
  if (chain) {
    return [{ uri: chain, chain: await readCertificates(chain, context), validFor: {} }];
  }
  if (!roots) return undefined;
  const intermediates = between ? await readCertificates(between, context) : [];
  return (await readCertificates(roots, context)).map((root) => ({
    uri: roots,
    chain: [...intermediates, root],
    validFor: {},
  }));
}

function identityOf({ flags, stderr }: TrustCall): IdentityDemand {
  const text = (name: "certificate-identity" | "certificate-oidc-issuer") => {
    const wanted = wantedOf(flags[name], flags[`${name}-regexp`]);
    if (wanted !== undefined && "regExp" in wanted && !isAnchored(name, wanted.regExp)) {
      stderr.write(
        `WARNING: --${name}-regexp may match in the middle of a name: write ^…$ to match all of it\n`,
      );
    }
    return wanted;
  };
  const subject = text("certificate-identity") ?? wantedOf(flags["certificate-email"], undefined);
  const issuer = text("certificate-oidc-issuer");
  const workflow = WORKFLOW_FIELDS.flatMap((field) => {
    const value = flags[`certificate-github-workflow-${field}`];
    return value ? [[field, value] as const] : [];
  });
  const demand = {
    ...(subject === undefined ? {} : { subject }),
    ...(issuer === undefined ? {} : { issuer }),
    workflow: Object.fromEntries(workflow),
  };
  identityPolicy(demand); // a pattern that is none is told of before anything is fetched
  return demand;
}

/** The pattern goes before the text, as in cosign. */
function wantedOf(exact: string | undefined, regExp: string | undefined): WantedDemand | undefined {
  if (regExp) return { regExp };
  return exact ? { exact } : undefined;
}

function isAnchored(name: string, source: string): boolean {
  try {
    return parsePattern(source).isAnchored;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new CosignError("USAGE", `Cannot read --${name}-regexp: ${describeError(cause)}`, {
      hint: "Patterns are in Go's syntax (https://golang.org/s/re2syntax)",
      cause,
    });
  }
}
