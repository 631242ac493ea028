import type { TrustedRoot } from "../formats/trusted_root.ts";
import { Budgets, createBudgetMemory } from "../io/budget.ts";
import { httpClient } from "../io/http.ts";
import { type KeylessSigner, openKeyless } from "../keys/keyless.ts";
import type { OpenedSigner } from "../keys/open.ts";
import type { KeyType } from "../model/key.ts";
import { isUnknownService } from "../sign/vouch.ts";
import {
  type CertificateRequest,
  type IssuedCertificate,
  requestCertificate,
} from "../transparency/fulcio.ts";
import type { IdentityToken } from "../transparency/identity_token.ts";
import { checkIssued } from "../transparency/issued_certificate.ts";
import { openIdentity } from "../transparency/oidc.ts";
import { identityOptions } from "./identity_options.ts";
import type { PrivacyNotice } from "./privacy.ts";
import type { SigningCall, SigningPlan } from "./signing.ts";
import type { SigningServices } from "./signing_services.ts";
import { userAgent } from "./version.ts";

/** What certificates are issued with. */
export interface LeaseOptions {
  readonly plan: SigningPlan;
  readonly services: SigningServices;
  readonly trustedRoot: TrustedRoot;
  readonly privacy: PrivacyNotice;
  /** The key that they are for; one is made for each when absent. */
  readonly signer?: OpenedSigner;
  /** Of the keys that are made. Default `ecdsa-p256`. */
  readonly keyType?: KeyType;
  /** Standard input holds something else than a token. */
  readonly stdinIsTaken: boolean;
  /** Somebody else writes to the terminal: nothing is said of certificates. */
  readonly quiet: boolean;
  /** Asks for what renews tokens without a person, where the issuer has it. */
  readonly isLong: boolean;
}

/** Certificates for as long as they are valid, and who they are for. Whoever opened it disposes of it. */
export interface Leases extends KeylessSigner {
  /** Who signs: somebody logs in, if need be. @throws {CosignError} `IDENTITY_…`, `LOGIN_…`, `PROMPT_DECLINED`. */
  readonly identity: (signal: AbortSignal) => Promise<IdentityToken>;
}

/**
 * Makes ready for certificates. Nobody is asked for anything before the first is needed.
 *
 * @throws {CosignError} `USAGE`, `FILE_READ`, `IDENTITY_UNAVAILABLE`.
 */
export async function openLeases(options: LeaseOptions, call: SigningCall): Promise<Leases> {
  const { plan, services, trustedRoot, privacy, stdinIsTaken, quiet, isLong } = options;
  const { flags, env, stderr, runtime } = call;
  const context = {
    http: httpClient({ env }),
    budgets: new Budgets(createBudgetMemory(), 1),
    userAgent: userAgent(runtime.platform),
  };
  const wanted = await identityOptions(flags, services.issuer);
  const source = await openIdentity(
    { ...wanted, renewable: isLong },
    { services: context, env, stdinIsTaken },
  );
  const say = (text: string) => {
    if (!quiet) stderr.write(`${text}\n`);
  };
  const identity = async (signal: AbortSignal): Promise<IdentityToken> => {
    await privacy.beforeIdentity(source.flow === "normal");
    return await source.token(signal);
  };
  const takesUnknown = services.vouching.takesUnknownUnsafe;
  const certify = async (
    request: CertificateRequest,
    signal: AbortSignal,
  ): Promise<IssuedCertificate> => {
    if (plan.generation < 3) say("Retrieving signed certificate...");
    const issued = await requestCertificate(request, services.fulcioUrl, { ...context, signal });
    try {
      checkIssued(issued, request.token, trustedRoot, { sct: !takesUnknown });
      if (plan.generation < 3 && !takesUnknown) say("Successfully verified SCT...");
    } catch (error) {
      if (!takesUnknown || !isUnknownService(error)) throw error;
    }
    return issued;
  };
  if (options.signer === undefined) say("Generating ephemeral keys...");
  const keyless = openKeyless({
    token: identity,
    certify,
    now: () => new Date(),
    ...(options.signer === undefined ? {} : { signer: options.signer }),
    ...(options.keyType === undefined ? {} : { keyType: options.keyType }),
  });
  return {
    identity,
    lease: keyless.lease,
    [Symbol.asyncDispose]: async () => {
      await keyless[Symbol.asyncDispose]();
      await source[Symbol.asyncDispose]();
    },
  };
}
