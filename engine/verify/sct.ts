import { verifySignature } from "../crypto/signature.ts";
import {
  embeddedScts,
  parseDetachedSct,
  type Sct,
  signedByDetached,
  signedByEmbedded,
} from "../formats/sct.ts";
import { isWithin, type TrustedLog } from "../formats/trusted_root.ts";
import type { Certificate } from "../formats/x509.ts";
import { equalBytes } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";

/** A certificate's timestamp that a trusted log has signed. */
export interface VerifiedSct {
  readonly time: Date;
  readonly log: TrustedLog;
}

/**
 * Checks that a trusted log has seen a certificate: by a timestamp in it, else by a detached one. One
 * is enough. A log counts when it was trusted at the time that its timestamp states.
 *
 * @param issuer The certificate above it in its chain.
 * @param detached JSON, as {@link parseDetachedSct} reads it; attacker-controlled.
 * @throws {CosignError} `SCT_MISSING` when there is none, `SCT_INVALID` when none holds.
 */
export function verifySct(
  certificate: Certificate,
  issuer: Certificate,
  logs: readonly TrustedLog[],
  detached?: Uint8Array,
): VerifiedSct {
  const embedded = parsed(() => embeddedScts(certificate));
  const found: readonly { readonly sct: Sct; readonly signed: Uint8Array }[] =
    embedded.length > 0 || detached === undefined
      ? embedded.map((sct) => ({ sct, signed: signedByEmbedded(sct, certificate, issuer) }))
      : [parsed(() => parseDetachedSct(detached))].map((sct) => ({
          sct,
          signed: signedByDetached(sct, certificate),
        }));
  if (found.length === 0) {
    throw new CosignError(
      "SCT_MISSING",
      "certificate does not include required embedded SCT and no detached SCT was set",
      { hint: "Name a detached one with --sct, or verify without: --insecure-ignore-sct" },
    );
  }
  const refusals: string[] = [];
  for (const { sct, signed } of found) {
    for (const log of logs.filter(({ keyId }) => equalBytes(keyId, sct.logId))) {
      const why = refusalOf(sct, signed, log);
      if (why === undefined) return { time: sct.time, log };
      refusals.push(why);
    }
  }
  throw invalid(refusals[0] ?? "no trusted certificate transparency log has signed it");
}

function refusalOf(sct: Sct, signed: Uint8Array, log: TrustedLog): string | undefined {
  if (!isWithin(sct.time, log.validFor)) {
    return `the log "${log.baseUrl}" was not trusted at ${sct.time.toISOString()}`;
  }
  try {
    verifySignature(log.key, signed, sct.signature, sct.digest);
    return undefined;
  } catch (error) {
    if (!(error instanceof CosignError)) throw error;
    return `it is not signed by the log "${log.baseUrl}", or is about another certificate`;
  }
}

function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw invalid(describeError(cause));
  }
}

function invalid(why: string): CosignError {
  return new CosignError("SCT_INVALID", `failed to verify signed certificate timestamp: ${why}`);
}
