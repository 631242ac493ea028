import type { TrustedRoot } from "../formats/trusted_root.ts";
import { KEYLESS } from "../keys/key_ring.ts";
import type { KeyType } from "../model/key.ts";
import type { SignatureFormat } from "../model/policy.ts";
import type { VouchSetup } from "../sign/open_vouching.ts";
import type { Vouchers } from "../sign/vouch.ts";
import { openTrustedRoot, type TrustPart } from "../trust/open.ts";
import type { SigningKeys } from "./open_keys.ts";
import { type Leases, openLeases } from "./open_leases.ts";
import { PrivacyNotice } from "./privacy.ts";
import type { SigningCall, SigningPlan } from "./signing.ts";
import { openServices } from "./signing_services.ts";
import { trustContext } from "./trust_context.ts";

/** How those are opened who vouch for signatures. */
export interface OpenVouchersOptions {
  readonly signal: AbortSignal;
  /** The key that certificates are issued for. */
  readonly leased?: string;
  readonly formats: readonly SignatureFormat[];
  /** Standard input holds something else than a password or a token. Default false. */
  readonly stdinIsTaken?: boolean;
  /** Of the keys that are made for certificates. Default `ecdsa-p256`. */
  readonly keyType?: KeyType;
  /** Jobs may name services of their own: all of the trusted root is needed. Default false. */
  readonly isOpenEnded?: boolean;
  /** Nothing is said of certificates: somebody else writes to the terminal. Default false. */
  readonly quiet?: boolean;
  /** The run may be longer than a token is valid. Default false. */
  readonly isLong?: boolean;
}

/** What is asked over the network. Whoever opened it disposes of the leases. */
export interface OpenedVouchers {
  readonly trustedRoot: TrustedRoot;
  readonly vouching: VouchSetup;
  readonly leases?: Leases;
}

/**
 * Opens the trusted root, the services, and who one is.
 *
 * @throws {CosignError} `TRUST_…`, `SIGNING_CONFIG_INVALID`, `IDENTITY_…`, `PROMPT_DECLINED`, `USAGE`, `FILE_READ`.
 */
export async function openVouchers(
  plan: SigningPlan,
  call: SigningCall,
  options: OpenVouchersOptions,
  opened: SigningKeys,
): Promise<OpenedVouchers> {
  const { signal, formats, leased, keyType } = options;
  const { isOpenEnded = false, stdinIsTaken = false, quiet = false, isLong = false } = options;
  const { flags, stderr } = call;
  const trust = trustContext(call, signal);
  const services = await openServices(plan, call, formats, trust);
  const path = flags["trusted-root"];
  const needs = neededParts(services.vouching.vouchers, leased !== undefined);
  const trustedRoot = await openTrustedRoot(
    { ...(isOpenEnded ? {} : { needs }), ...(path ? { trustedRoot: path } : {}) },
    trust,
  );
  const yes = flags.yes || flags.force === true;
  const privacy = new PrivacyNotice({ generation: plan.generation, yes, stderr });
  if (plan.upload && plan.services === "flags") await privacy.beforeLog();
  const { vouching } = services;
  if (leased === undefined) return { trustedRoot, vouching };
  const leases = await openLeases(
    {
      ...{ plan, services, trustedRoot, privacy, stdinIsTaken, quiet, isLong },
      ...(leased === KEYLESS ? {} : { signer: opened.signer(leased) }),
      ...(keyType === undefined ? {} : { keyType }),
    },
    call,
  );
  return { trustedRoot, vouching, leases };
}

function neededParts(
  { logs, timestampAuthorities }: Vouchers,
  isIssued: boolean,
): ReadonlySet<TrustPart> {
  return new Set<TrustPart>([
    ...(isIssued ? (["certificateAuthorities", "ctLogs"] as const) : []),
    ...(logs.length > 0 ? (["logs"] as const) : []),
    ...(timestampAuthorities.length > 0 ? (["timestampAuthorities"] as const) : []),
  ]);
}
