import type { SignatureMaterial } from "../formats/evidence.ts";
import type { TrustedAuthority, TrustedLog } from "../formats/trusted_root.ts";
import { equalBytes } from "../model/bytes.ts";
import { CosignError, hasCode } from "../model/errors.ts";
import { type LoggedSignature, type VerifiedLogEntry, verifyLogEntry } from "./log_entry.ts";
import { type VerifiedTimestamp, verifyTimestamp } from "./timestamp.ts";

/** Who must vouch for a signature beside its signer. */
export interface WitnessPolicy {
  readonly logs: readonly TrustedLog[];
  /** How many of them must have it, each counted once; 0: entries are not looked at. */
  readonly logThreshold: number;
  readonly timestampAuthorities: readonly TrustedAuthority[];
  /** How many of them must have stamped it, each counted once; 0: nobody must. */
  readonly timestampThreshold: number;
}

/** What vouches for a signature. */
export interface Witnesses {
  readonly logEntries: readonly VerifiedLogEntry[];
  readonly timestamps: readonly VerifiedTimestamp[];
  /** What does not count although enough does. */
  readonly warnings: readonly string[];
}

/**
 * Checks the log entries and the timestamps that lie beside a signature.
 *
 * @param stamped What timestamps may be of.
 * @param policy With `needsTime`, timestamps are looked at though none is demanded.
 * @throws {CosignError} `LOG_ENTRY_…`, `LOG_UNTRUSTED`, `TIMESTAMP_…`.
 */
export function verifyWitnesses(
  about: LoggedSignature,
  stamped: readonly Uint8Array[],
  material: SignatureMaterial,
  policy: WitnessPolicy & { readonly needsTime: boolean },
): Witnesses {
  const logEntries = policy.logThreshold > 0 ? verifyEntries(about, material, policy) : [];
  const isAsked = policy.timestampThreshold > 0 || policy.needsTime;
  const { timestamps, warnings } = isAsked
    ? verifyTimestamps(stamped, material, policy)
    : { timestamps: [], warnings: [] };
  return { logEntries, timestamps, warnings };
}

/** Entries of logs that nobody trusts do not count; one that is wrong refuses the signature. */
function verifyEntries(
  about: LoggedSignature,
  { logEntries, logEvidence }: SignatureMaterial,
  { logs, logThreshold }: WitnessPolicy,
): readonly VerifiedLogEntry[] {
  const verified: VerifiedLogEntry[] = [];
  let untrusted: CosignError | undefined;
  for (const [i, entry] of logEntries.entries()) {
    const isRepeated = logEntries
      .slice(0, i)
      .some((other) => equalBytes(other.logId, entry.logId) && equalBytes(other.body, entry.body));
    if (isRepeated) {
      throw new CosignError(
        "LOG_ENTRY_INVALID",
        "failed to verify log inclusion: duplicate tlog entries found",
      );
    }
    try {
      const found = verifyLogEntry(entry, about, logs, logEvidence);
      if (!verified.some(({ log }) => isSameLog(log, found.log))) verified.push(found);
    } catch (error) {
      if (!hasCode(error, "LOG_UNTRUSTED")) throw error;
      untrusted ??= error;
    }
  }
  if (verified.length >= logThreshold) return verified;
  if (untrusted !== undefined) throw untrusted;
  throw new CosignError(
    "LOG_ENTRY_MISSING",
    `failed to verify log inclusion: not enough verified log entries from transparency log: ${verified.length} < ${logThreshold}`,
    { hint: "Verify without a log: --insecure-ignore-tlog" },
  );
}

function verifyTimestamps(
  stamped: readonly Uint8Array[],
  { timestamps: responses }: SignatureMaterial,
  { timestampAuthorities, timestampThreshold }: WitnessPolicy,
): Pick<Witnesses, "timestamps" | "warnings"> {
  const timestamps: VerifiedTimestamp[] = [];
  const refusals: CosignError[] = [];
  for (const [i, response] of responses.entries()) {
    if (responses.slice(0, i).some((other) => equalBytes(other, response))) continue;
    try {
      timestamps.push(verifyOne(response, stamped, timestampAuthorities));
    } catch (error) {
      if (!(error instanceof CosignError)) throw error;
      refusals.push(error);
    }
  }
  const count = countAuthorities(timestamps);
  const [first] = refusals;
  if (count < timestampThreshold || (timestamps.length === 0 && first !== undefined)) {
    throw (
      first ??
      new CosignError(
        "TIMESTAMP_MISSING",
        `failed to verify timestamps: threshold not met for verified signed timestamps: ${count} < ${timestampThreshold}`,
      )
    );
  }
  return {
    timestamps,
    warnings: refusals.map(({ message }) => `A timestamp does not count: ${message}`),
  };
}

/** CVE-2026-49834: entries of one log are one witness, also under a key that it had before. */
function isSameLog(one: TrustedLog, other: TrustedLog): boolean {
  return (
    equalBytes(one.keyId, other.keyId) || (one.baseUrl !== "" && one.baseUrl === other.baseUrl)
  );
}

/** The same of authorities: a trusted root may list one with each of its certificates. */
function countAuthorities(timestamps: readonly VerifiedTimestamp[]): number {
  const counted: TrustedAuthority[] = [];
  for (const { authority } of timestamps) {
    if (!counted.some((other) => isSameAuthority(other, authority))) counted.push(authority);
  }
  return counted.length;
}

function isSameAuthority(one: TrustedAuthority, other: TrustedAuthority): boolean {
  return one === other || (one.uri !== "" && one.uri === other.uri);
}

function verifyOne(
  response: Uint8Array,
  stamped: readonly Uint8Array[],
  authorities: readonly TrustedAuthority[],
): VerifiedTimestamp {
  let last: unknown;
  for (const message of stamped) {
    try {
      return verifyTimestamp(response, message, authorities);
    } catch (error) {
      if (!(error instanceof CosignError)) throw error;
      last ??= error;
    }
  }
  throw last;
}
