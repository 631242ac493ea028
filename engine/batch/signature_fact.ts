import { sha256 } from "../crypto/hash.ts";
import { isObject, sortKeys } from "../formats/go_json.ts";
import type { LogEntry } from "../formats/log_entry.ts";
import { encodeBase64 } from "../model/bytes.ts";
import type { LogEntryFact, SignatureFact } from "../model/verdict.ts";
import { identityFacts } from "../verify/identity.ts";
import type { VerifiedLogEntry } from "../verify/log_entry.ts";
import type { VerifiedSigner } from "../verify/signer.ts";

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

/** Fulcio's extensions by the names that cosign prints: the OBJECT IDENTIFIER, and its own. */
const EXTENSIONS = [
  ["trigger", "1.3.6.1.4.1.57264.1.2", "githubWorkflowTrigger"],
  ["sha", "1.3.6.1.4.1.57264.1.3", "githubWorkflowSha"],
  ["name", "1.3.6.1.4.1.57264.1.4", "githubWorkflowName"],
  ["repository", "1.3.6.1.4.1.57264.1.5", "githubWorkflowRepository"],
  ["ref", "1.3.6.1.4.1.57264.1.6", "githubWorkflowRef"],
] as const;
const OID_ISSUER = "1.3.6.1.4.1.57264.1.1";

/**
 * The payload of a legacy signature as cosign prints it: with what vouches for it among its `optional`.
 * Only what was verified is put there.
 */
export function printedPayload(payload: unknown, signer: VerifiedSigner): unknown {
  // cosign prints the entries that lie beside signatures, and not those that it has looked up.
  const entry = signer.logEntries.find((each) => !each.entry.lookedUp);
  const { certificate } = signerFacts(signer);
  if (!isObject(payload) || (entry === undefined && certificate === undefined)) return payload;
  const { optional } = payload;
  return {
    ...payload,
    optional: sortKeys({
      ...(isObject(optional) ? optional : {}),
      ...(certificate === undefined ? {} : certificateFacts(certificate)),
      ...(entry === undefined ? {} : { Bundle: bundleJson(entry.entry) }),
    }),
  };
}

function certificateFacts({
  subjects,
  issuer,
  workflow,
}: NonNullable<SignatureFact["certificate"]>): Record<string, string> {
  const named = EXTENSIONS.flatMap(([field, oid, name]) => {
    const value = workflow[field];
    return value === undefined ? [] : [[oid, value] as const, [name, value] as const];
  });
  return {
    ...Object.fromEntries(named),
    ...(issuer === "" ? {} : { [OID_ISSUER]: issuer, Issuer: issuer }),
    Subject: subjects[0] ?? "",
  };
}

function bundleJson({ promise, body, integratedTime, logIndex, logId }: LogEntry): unknown {
  return {
    SignedEntryTimestamp: encodeBase64(promise ?? new Uint8Array()),
    Payload: { body: encodeBase64(body), integratedTime, logIndex, logID: logId.toHex() },
  };
}
