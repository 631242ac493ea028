import { sha256 } from "../crypto/hash.ts";
import type { LogEntryFact, SignatureFact } from "../model/verdict.ts";
import { identityFacts } from "./identity.ts";
import type { VerifiedLogEntry } from "./log_entry.ts";
import type { VerifiedSigner } from "./signer.ts";

/** What reports tell of who made a signature. */
export function signerFacts({
  key,
  certificate,
  logEntries,
  timestamps,
  warnings,
}: VerifiedSigner): Pick<
  SignatureFact,
  "key" | "keyDigest" | "certificate" | "logEntries" | "timestamps" | "warnings"
> {
  const [leaf] = certificate?.chain ?? [];
  return {
    key: key.uri,
    keyDigest: `sha256:${sha256(key.spki).toHex()}`,
    ...(leaf === undefined ? {} : { certificate: identityFacts(leaf) }),
    ...(logEntries.length === 0 ? {} : { logEntries: logEntries.map(logEntryFact) }),
    ...(timestamps.length === 0
      ? {}
      : {
          timestamps: timestamps.map(({ time, authority }) => ({
            authority: authority.uri,
            time: time.toISOString(),
          })),
        }),
    ...(warnings.length === 0 ? {} : { warnings }),
  };
}

function logEntryFact({ entry, log, integratedTime }: VerifiedLogEntry): LogEntryFact {
  return {
    log: log.baseUrl,
    index: entry.logIndex,
    ...(integratedTime === undefined ? {} : { integratedTime: integratedTime.toISOString() }),
    ...(entry.lookedUp ? { lookedUp: true } : {}),
  };
}
