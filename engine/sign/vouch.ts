import type { SignatureMaterial } from "../formats/evidence.ts";
import type { TrustedRoot } from "../formats/trusted_root.ts";
import type { Certificate } from "../formats/x509.ts";
import { curveDigest, type SigningIdentity } from "../keys/signing_identity.ts";
import { type ErrorCode, hasCode } from "../model/errors.ts";
import type { EntryProposal } from "../transparency/rekor.ts";
import type { ServiceContext } from "../transparency/service.ts";
import type { SelectedServices } from "../trust/services.ts";
import type { IdentityPolicy } from "../verify/identity.ts";
import { findSigner, type SignerPolicy, type VerifiedSigner } from "../verify/signer.ts";
import { digestWarnings } from "./digest_warning.ts";
import type { Draft, DraftDigest, SignedDraft } from "./draft.ts";

/** Who vouches for signatures beside their signer: all of them are asked. */
export type Vouchers = Pick<SelectedServices, "logs" | "timestampAuthorities">;

/** What they are asked with, and held against; for all signatures of a thread. */
export interface VouchContext {
  readonly logs: ServiceContext;
  /** Of its own: it may need a client certificate. */
  readonly timestamps: ServiceContext;
  readonly trustedRoot: TrustedRoot;
  /** Takes what services answer that the trusted root does not know. */
  readonly takesUnknownUnsafe: boolean;
  /**
   * Waits for a place among those that ask for vouchers now. Nothing is signed before there is one: the
   * certificate shall not end while its signature stands in a queue.
   */
  readonly place: <T>(task: () => Promise<T>) => Promise<T>;
}

/** Who signs, and who vouches: of one job. */
export interface Signing {
  /** Who signs now. @param ended A certificate that turned out to be over. */
  readonly identity: (signal?: AbortSignal, ended?: Certificate) => Promise<SigningIdentity>;
  readonly vouchers: Vouchers;
  /** Absent where nobody vouches and keys are bare. */
  readonly context?: VouchContext;
}

/** A signature, and all that it takes to believe it. */
export interface VouchedSignature {
  /** Raw bytes. */
  readonly signature: Uint8Array;
  readonly identity: SigningIdentity;
  /** What the signature is over; of plain Ed25519 it says nothing. */
  readonly digest: DraftDigest;
  readonly material: SignatureMaterial;
  /** What somebody should know who relies on it. */
  readonly warnings: readonly string[];
  /** What verification found; absent where nobody vouches, or nobody trusts those who do. */
  readonly verified?: VerifiedSigner;
}

/** Nobody vouches. */
export const NO_VOUCHERS: Vouchers = { logs: [], timestampAuthorities: [] };
/** By a certificate that was over when the services saw its signature, and by a new one. */
const ATTEMPTS = 2;
/** What services that nobody trusts are refused for. */
const UNKNOWN: readonly ErrorCode[] = [
  "CERTIFICATE_UNTRUSTED",
  "LOG_UNTRUSTED",
  "SCT_MISSING",
  "SCT_INVALID",
  "TIMESTAMP_UNTRUSTED",
];

/**
 * Signs a draft and gets what vouches for the signature; all of it is verified before anybody sees it.
 *
 * @throws {CosignError} of the key; `IDENTITY_EXPIRED`, `CERTIFICATE_REFUSED`; what logs and timestamp authorities
 * say (`LOG_REFUSED`, `TIMESTAMP_REFUSED`, `SERVICE_…`); why what they gave does not count (as `findSigner()`).
 */
export async function signVouched(
  draft: Draft,
  signing: Signing,
  signal?: AbortSignal,
): Promise<VouchedSignature> {
  const { vouchers, context } = signing;
  if (context === undefined || !hasVouchers(vouchers)) return await attempt(draft, signing, signal);
  return await context.place(async () => {
    signal?.throwIfAborted();
    return await attempt(draft, signing, signal);
  });
}

/** What a signature by somebody must satisfy that was made with these vouchers. */
export function vouchedPolicy(
  { signer, certificate, isIssued, detachedSct }: SigningIdentity,
  vouchers: Vouchers,
  root: TrustedRoot | undefined,
  identity: IdentityPolicy = {},
): SignerPolicy {
  const { logs, timestampAuthorities } = vouchers;
  const witnesses = {
    logs: root?.logs ?? [],
    logThreshold: logs.length,
    timestampAuthorities: root?.timestampAuthorities ?? [],
    timestampThreshold: timestampAuthorities.length,
  };
  const isTimed =
    timestampAuthorities.length > 0 || logs.some(({ majorVersion }) => majorVersion === 1);
  const now = isTimed || certificate === undefined ? {} : { now: certificate.notBefore };
  return {
    keys: isIssued ? [] : [signer.publicKey],
    ...(hasVouchers(vouchers) || isIssued ? { witnesses } : {}),
    ...(isIssued
      ? {
          certificates: {
            authorities: root?.certificateAuthorities ?? [],
            identities: [identity],
            ctLogs: root?.ctLogs ?? [],
            ...(detachedSct === undefined ? {} : { sct: detachedSct }),
            ...now,
          },
        }
      : {}),
  };
}

async function attempt(
  draft: Draft,
  signing: Signing,
  signal: AbortSignal | undefined,
): Promise<VouchedSignature> {
  let ended: Certificate | undefined;
  for (let left = ATTEMPTS; ; left--) {
    const identity = await signing.identity(signal, ended);
    try {
      return await signAs(identity, draft, signing, signal);
    } catch (error) {
      // It was good when it was issued, so it can only have ended on the way.
      const mayRenew = identity.isIssued && hasCode(error, "CERTIFICATE_INVALID") && left > 1;
      if (!mayRenew) throw error;
      ended = identity.certificate;
    }
  }
}

async function signAs(
  identity: SigningIdentity,
  draft: Draft,
  { vouchers, context }: Signing,
  signal: AbortSignal | undefined,
): Promise<VouchedSignature> {
  const { signer, certificate, chain, detachedSct, isIssued } = identity;
  const digest = digestFor(identity, draft.kind, vouchers);
  const signature = await draft.sign(signer, digest, signal);
  // Of a large attestation it is a copy or two, which nobody needs where nobody vouches.
  const isVouched = isIssued || hasVouchers(vouchers);
  const signed = isVouched ? draft.signed(signature, digest) : undefined;
  const certificates = [...(certificate === undefined ? [] : [certificate]), ...chain];
  const material: SignatureMaterial = {
    certificates: certificates.map(({ der }) => der),
    ...(signed === undefined
      ? { logEntries: [], timestamps: [] }
      : await vouchFor(signed, identity, vouchers, context, signal)),
    logEvidence: draft.logEvidence,
    ...(detachedSct === undefined ? {} : { detachedSct }),
  };
  const verified =
    signed !== undefined && context !== undefined
      ? check(signed, signature, material, identity, vouchers, context)
      : undefined;
  const warnings = digestWarnings(identity, digest, draft, vouchers.logs.length > 0);
  const made = { signature, identity, digest, material, warnings };
  return verified === undefined ? made : { ...made, verified };
}

/** Timestamps first: a log keeps for ever what it gets, also what is then good for nothing. */
async function vouchFor(
  { entry, stamped }: SignedDraft,
  { signer, certificate }: SigningIdentity,
  vouchers: Vouchers,
  context: VouchContext | undefined,
  signal: AbortSignal | undefined,
): Promise<Pick<SignatureMaterial, "logEntries" | "timestamps">> {
  if (!hasVouchers(vouchers)) return { logEntries: [], timestamps: [] };
  if (context === undefined) throw new TypeError("There is nothing to ask services with");
  // Signing with a key alone needs neither.
  const { requestTimestamp } = await import("../transparency/timestamp_authority.ts");
  const { uploadEntry } = await import("../transparency/rekor.ts");
  const ended = signal === undefined ? {} : { signal };
  const timestamps = await Promise.all(
    vouchers.timestampAuthorities.map(({ url }) =>
      requestTimestamp(stamped, url, { ...context.timestamps, ...ended }),
    ),
  );
  const verifier =
    certificate === undefined ? { publicKey: signer.publicKey } : { certificate: certificate.der };
  const proposal: EntryProposal = { ...entry, verifier };
  const trusted = context.trustedRoot.logs;
  const logEntries = await Promise.all(
    vouchers.logs.map((log) =>
      uploadEntry(proposal, { ...log, trusted }, { ...context.logs, ...ended }),
    ),
  );
  return { timestamps, logEntries };
}

function check(
  { content }: SignedDraft,
  signature: Uint8Array,
  material: SignatureMaterial,
  identity: SigningIdentity,
  vouchers: Vouchers,
  { trustedRoot, takesUnknownUnsafe }: VouchContext,
): VerifiedSigner | undefined {
  try {
    const policy = vouchedPolicy(identity, vouchers, trustedRoot);
    return findSigner(content, [signature], material, policy);
  } catch (error) {
    if (!takesUnknownUnsafe || !isUnknownService(error)) throw error;
    return undefined;
  }
}

/** Whether something was refused only because nobody trusts the service that it is from. */
export function isUnknownService(error: unknown): boolean {
  return hasCode(error, ...UNKNOWN);
}

/**
 * The digest that a signature is to be over: SHA-256, and plain Ed25519, which every generation of cosign
 * verifies with `--key`; that of the key's own size (of Ed25519, Ed25519ph) where a log takes no other or
 * a certificate is verified so. A key that lies elsewhere has its own.
 */
export function digestFor(
  { signer, isIssued }: SigningIdentity,
  kind: Draft["kind"],
  { logs }: Vouchers,
): DraftDigest {
  const { privateKey, publicKey, digest } = signer;
  if (privateKey === undefined) return digest === "sha224" ? "sha256" : digest; // no log takes SHA-224
  const isTiled = logs.some(({ majorVersion }) => majorVersion === 2);
  const isHashed = kind === "message" && (logs.length > 0 || isIssued);
  return isTiled || isHashed ? curveDigest(publicKey.type) : "sha256";
}

function hasVouchers({ logs, timestampAuthorities }: Vouchers): boolean {
  return logs.length + timestampAuthorities.length > 0;
}
