import type { RunSetup } from "../batch/run_setup.ts";
import type { TrustedRoot } from "../formats/trusted_root.ts";
import { encodeTrustedRoot } from "../formats/trusted_root_json.ts";
import { Budgets, createBudgetMemory } from "../io/budget.ts";
import { httpClient } from "../io/http.ts";
import { identityOf, KEYLESS, type KeyHost, lentKey, type RunKey } from "../keys/key_ring.ts";
import { CosignError } from "../model/errors.ts";
import { openVouching, type VouchSetup } from "../sign/open_vouching.ts";
import { NO_VOUCHERS, type Signing } from "../sign/vouch.ts";
import type { IdentityToken } from "../transparency/identity_token.ts";
import { openSigningKeys, type SigningKeys } from "./open_keys.ts";
import type { Leases } from "./open_leases.ts";
import type { OpenedVouchers, OpenVouchersOptions } from "./open_vouchers.ts";
import { readSignerCertificates, type SignerCertificateFlags } from "./signer_certificates.ts";
import type { SigningCall, SigningPlan } from "./signing.ts";
import { userAgent } from "./version.ts";

/** How what signs is opened. */
export interface OpenSigningOptions extends OpenVouchersOptions {
  /** The keys that jobs name, `keyless` perhaps among them. */
  readonly keys: readonly string[];
  /** Where the certificate of the one key lies. */
  readonly certificates?: SignerCertificateFlags;
}

/** All that signatures are made with. Whoever opened it disposes of it. */
export interface OpenedSigning {
  /** The keys that last: what is leased is not among them. */
  readonly keys: readonly RunKey[];
  readonly keyHost: KeyHost;
  readonly vouching?: VouchSetup;
  /** Absent where no service is asked. */
  readonly trustedRoot?: TrustedRoot;
  /** Who signs by certificates; absent where keys alone sign. */
  readonly identity?: (signal: AbortSignal) => Promise<IdentityToken>;
  /** Signs in this thread with one of the keys. */
  readonly signing: (uri: string) => Signing;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens what a plan needs: keys, once each; the trusted root; the services; who one is.
 *
 * @throws {CosignError} `KEY_…`, `PLUGIN_…`, `TRUST_…`, `SIGNING_CONFIG_INVALID`, `IDENTITY_…`, `PROMPT_DECLINED`,
 * `USAGE`, `FILE_READ`.
 */
export async function openSigning(
  plan: SigningPlan,
  call: SigningCall,
  options: OpenSigningOptions,
): Promise<OpenedSigning> {
  const { keys, leased } = options;
  // Before anybody is asked over the network: a key that is not there is told of at once.
  const opened = await openSigningKeys(
    keys.filter((uri) => uri !== leased || uri !== KEYLESS),
    call,
    options,
  );
  try {
    const lasting = await withCertificates(opened, call, options);
    const services =
      plan.services === undefined
        ? undefined
        : await (await import("./open_vouchers.ts")).openVouchers(plan, call, options, opened);
    if (services === undefined) await readUnusedRoot(call, options);
    return assemble(call, options, opened, lasting, services);
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

function assemble(
  call: SigningCall,
  { leased }: OpenSigningOptions,
  opened: SigningKeys,
  lasting: readonly RunKey[],
  services: OpenedVouchers | undefined,
): OpenedSigning {
  const leases = services?.leases;
  const leasesOf = (uri: string): Leases => {
    if (uri === leased && leases !== undefined) return leases;
    throw new CosignError("KEY_NOT_FOUND", `Cannot sign with "${uri}": it was not opened`);
  };
  return {
    keys: lasting,
    keyHost: {
      sign: (uri, message, signal) => opened.signer(uri).sign(message, signal),
      lease: async (uri, ended, signal) => lentKey(uri, await leasesOf(uri).lease(signal, ended)),
    },
    ...(services === undefined
      ? {}
      : { vouching: services.vouching, trustedRoot: services.trustedRoot }),
    ...(leases === undefined ? {} : { identity: leases.identity }),
    signing: (uri) => ({
      identity: async (signal, ended) => {
        const key = lasting.find((each) => each.uri === uri);
        if (key === undefined) return await leasesOf(uri).lease(signal, ended?.der);
        return identityOf(key, opened.signer(uri), false);
      },
      vouchers: services?.vouching.vouchers ?? NO_VOUCHERS,
      ...(services === undefined
        ? {}
        : { context: openVouching(services.vouching, services.trustedRoot, vouchWorld(call)) }),
    }),
    [Symbol.asyncDispose]: async () => {
      await leases?.[Symbol.asyncDispose]();
      await opened[Symbol.asyncDispose]();
    },
  };
}

/** What the threads of a run are given of it. */
export function setupOf({
  keys,
  vouching,
  trustedRoot,
}: OpenedSigning): Pick<RunSetup, "keys" | "vouching" | "trustedRoot"> {
  return {
    keys,
    ...(vouching === undefined ? {} : { vouching }),
    ...(trustedRoot === undefined ? {} : { trustedRoot: encodeTrustedRoot(trustedRoot) }),
  };
}

/** The keys that last, each with its certificate. */
async function withCertificates(
  { keys, signer }: SigningKeys,
  { env }: SigningCall,
  { leased, certificates, signal }: OpenSigningOptions,
): Promise<readonly RunKey[]> {
  const lasting: RunKey[] = [];
  for (const key of keys) {
    if (key.uri === leased) continue;
    const read =
      certificates === undefined
        ? []
        : await readSignerCertificates(certificates, signer(key.uri).publicKey, { env, signal });
    lasting.push(read.length === 0 ? key : { ...key, certificates: read.map(({ der }) => der) });
  }
  return lasting;
}

function vouchWorld({ env, runtime }: SigningCall) {
  const budgets = new Budgets(createBudgetMemory(), 1);
  return { http: httpClient({ env }), budgets, userAgent: userAgent(runtime.platform), threads: 1 };
}

/** It is not asked for, but a file that is not there is told of. */
async function readUnusedRoot(
  { flags, env }: SigningCall,
  { signal }: OpenSigningOptions,
): Promise<void> {
  const path = flags["trusted-root"];
  if (path) await (await import("../trust/open.ts")).readTrustedRoot(path, { env, signal });
}
