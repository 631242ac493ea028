import { createHash } from "node:crypto";
import type { KnownDigests } from "../crypto/digest_signature.ts";
import { leafHash, rootOfInclusion } from "../crypto/merkle.ts";
import { verifySignature } from "../crypto/signature.ts";
import { parseCheckpoint, signaturesBy } from "../formats/checkpoint.ts";
import { type DsseEnvelope, encodePae } from "../formats/dsse.ts";
import { type LogBody, type LoggedProof, type LogHash, parseLogBody } from "../formats/log_body.ts";
import type { InclusionProof, LogEntry } from "../formats/log_entry.ts";
import { isWithin, type TrustedLog } from "../formats/trusted_root.ts";
import { encodeBase64, equalBytes, utf8 } from "../model/bytes.ts";
import { CosignError, describeError, hasCode } from "../model/errors.ts";

/** What an entry must be about. */
export interface LoggedSignature {
  /** The one that is being verified; raw bytes. */
  readonly signature: Uint8Array;
  readonly signer: {
    /** DER; absent when a bare key has signed. */
    readonly certificate?: Uint8Array;
    /** SubjectPublicKeyInfo, DER. */
    readonly spki: Uint8Array;
  };
  readonly content:
    | { readonly kind: "message"; readonly digests: KnownDigests }
    | { readonly kind: "dsse"; readonly envelope: DsseEnvelope };
}

/** An entry that a trusted log vouches for. */
export interface VerifiedLogEntry {
  readonly entry: LogEntry;
  readonly log: TrustedLog;
  /** When the log took it in; absent where the log has not signed that. */
  readonly integratedTime?: Date;
  /** By what the log vouches for it. */
  readonly byPromise: boolean;
  readonly byProof: boolean;
}

/** What an entry must bring along, by the format that it came in. */
export type LogEvidence = "promise" | "proof" | "either";

/**
 * Checks that an entry is about a signature and that a trusted log has it: the signed entry timestamp
 * (SET) and the proof of inclusion (RFC 6962 §2.1.1), each when it is there.
 *
 * @throws {CosignError} `LOG_ENTRY_MISMATCH` when it is about something else, `LOG_UNTRUSTED` when no
 * trusted log has it, `LOG_ENTRY_INVALID` with what is wrong in it.
 */
export function verifyLogEntry(
  entry: LogEntry,
  about: LoggedSignature,
  logs: readonly TrustedLog[],
  evidence: LogEvidence,
): VerifiedLogEntry {
  const known = logs.filter(({ keyId }) => equalBytes(keyId, entry.logId));
  if (known.length === 0) {
    throw new CosignError(
      "LOG_UNTRUSTED",
      `verifying bundle: rekor log public key not found for payload: no trusted log has the id ${entry.logId.toHex().slice(0, 64)}`,
      { hint: "The trusted root does not know this log: name another with --trusted-root" },
    );
  }
  const body = checkLogBody(entry, about);
  if (evidence === "promise" && entry.promise === undefined) throw lacks("inclusion promise");
  // The log can prove at any time what it has: only what lies beside old signatures is without.
  const mustProve = evidence === "proof" || entry.lookedUp === true;
  if (mustProve && entry.proof === undefined) throw lacks("inclusion proof");
  if (entry.promise === undefined && entry.proof === undefined) {
    throw lacks("inclusion promise or proof");
  }
  if (entry.integratedTime !== undefined && entry.promise === undefined) {
    throw invalid("it states a time that nobody has signed");
  }
  let last: unknown;
  for (const log of known) {
    try {
      return verifyIn(log, entry, isTiled(body));
    } catch (error) {
      if (!(error instanceof CosignError)) throw error;
      last = error; // a log may stand there with an old key and a new one
    }
  }
  throw last;
}

/**
 * Checks that an entry is about a signature, whoever has it in his log.
 *
 * @returns what the entry says.
 * @throws {CosignError} `LOG_ENTRY_MISMATCH` when it is about something else, `LOG_ENTRY_INVALID` when it
 * cannot be read.
 */
export function checkLogBody(entry: LogEntry, about: LoggedSignature): LogBody {
  const body = parsed(() => parseLogBody(entry.body));
  const { kindVersion } = entry;
  if (
    kindVersion !== undefined &&
    (kindVersion.kind !== body.kind || kindVersion.version !== body.version)
  ) {
    throw invalid(
      `it is called ${JSON.stringify(`${kindVersion.kind} ${kindVersion.version}`.slice(0, 80))}, its body is "${body.kind} ${body.version}"`,
    );
  }
  checkSubject(body, about);
  const bySigner = body.signatures.filter(({ verifier }) => isSigner(verifier, about.signer));
  if (bySigner.length === 0) throw mismatch("another certificate or key than the signer's");
  const same = bySigner.some(
    ({ signature }) => signature === undefined || equalBytes(signature, about.signature),
  );
  if (!same) throw mismatch("another signature");
  return body;
}

/**
 * Checks that a log was in service when a signature came to be. Where the entry has no time of its own
 * (Rekor v2), the time is that of a timestamp.
 *
 * @throws {CosignError} `LOG_UNTRUSTED`.
 */
export function checkLogValidity({ log }: VerifiedLogEntry, at: Date): void {
  if (isWithin(at, log.validFor)) return;
  throw new CosignError(
    "LOG_UNTRUSTED",
    `The transparency log "${log.baseUrl}" was not trusted at ${at.toISOString()}`,
  );
}

/** Whether an entry is of Rekor v2, whose log is one tree without shards. */
function isTiled({ kind, version }: LogBody): boolean {
  return version === "0.0.2" && kind !== "intoto";
}

function verifyIn(log: TrustedLog, entry: LogEntry, isOneTree: boolean): VerifiedLogEntry {
  const { promise, proof } = entry;
  if (promise !== undefined) verifyPromise(log, entry, promise);
  if (proof !== undefined) verifyProof(log, entry, proof, isOneTree);
  const integratedTime =
    promise === undefined || entry.integratedTime === undefined
      ? undefined
      : new Date(entry.integratedTime * 1000);
  const verified = {
    entry,
    log,
    byPromise: promise !== undefined,
    byProof: proof !== undefined,
    ...(integratedTime === undefined ? {} : { integratedTime }),
  };
  if (integratedTime !== undefined) checkLogValidity(verified, integratedTime);
  return verified;
}

/** The SET is over canonicalized JSON (RFC 8785) of four members. */
function verifyPromise(log: TrustedLog, entry: LogEntry, promise: Uint8Array): void {
  const { integratedTime, logIndex } = entry;
  if (integratedTime === undefined) throw invalid("it has a promise without an integratedTime");
  const signed = JSON.stringify({
    body: encodeBase64(entry.body),
    integratedTime,
    logID: entry.logId.toHex(),
    logIndex,
  });
  checkSignature(log, utf8(signed), [promise], "its signed entry timestamp is not by the log");
}

function verifyProof(
  log: TrustedLog,
  entry: LogEntry,
  proof: InclusionProof,
  isOneTree: boolean,
): void {
  if (proof.checkpoint === undefined) throw invalid("its inclusion proof has no checkpoint");
  const checkpoint = parsed(() => parseCheckpoint(proof.checkpoint ?? ""));
  const signatures = signaturesBy(checkpoint, entry.logId).map(({ signature }) => signature);
  if (signatures.length === 0) throw invalid("the checkpoint has no signature by the log");
  checkSignature(log, checkpoint.signed, signatures, "the checkpoint is not signed by the log");
  if (proof.treeSize !== checkpoint.treeSize) {
    throw invalid(
      `the proof is of a tree of ${proof.treeSize} leaves, the checkpoint of one of ${checkpoint.treeSize}`,
    );
  }
  if (!equalBytes(proof.rootHash, checkpoint.rootHash)) {
    throw invalid("the proof's root hash is not the checkpoint's");
  }
  // In Rekor v1 the proof's index is that in its shard.
  if (isOneTree && hostOf(log.baseUrl) !== checkpoint.origin) {
    throw invalid(
      `the checkpoint is of ${JSON.stringify(checkpoint.origin.slice(0, 200))}, the trusted log is "${log.baseUrl}"`,
    );
  }
  if (isOneTree && proof.logIndex !== entry.logIndex) {
    throw invalid(`the proof is of entry ${proof.logIndex}, the entry is ${entry.logIndex}`);
  }
  const root = parsed(() =>
    rootOfInclusion(leafHash(entry.body), proof.logIndex, proof.treeSize, proof.hashes),
  );
  if (!equalBytes(root, checkpoint.rootHash)) {
    throw invalid("the proof does not lead from the entry to the checkpoint's root hash");
  }
}

/** The name under which a log of Rekor v2 signs: the host of its address. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname : url;
}

function checkSignature(
  log: TrustedLog,
  message: Uint8Array,
  signatures: readonly Uint8Array[],
  why: string,
): void {
  for (const signature of signatures) {
    try {
      verifySignature(log.key, message, signature);
      return;
    } catch (error) {
      if (!hasCode(error, "SIGNATURE_INVALID")) throw error;
    }
  }
  throw invalid(why);
}

function checkSubject({ subject, kind }: LogBody, { content }: LoggedSignature): void {
  const { hash } = subject;
  if (content.kind === "message") {
    if (subject.kind !== "message") throw mismatch(`an envelope (${kind}), and not a message`);
    const digest = content.digests[hash.algorithm];
    if (digest === undefined || !equalBytes(digest, hash.value)) throw mismatch("another artifact");
    return;
  }
  const { payloadType, payload } = content.envelope;
  const bytes = subject.kind === "payload" ? payload : encodePae(payloadType, payload);
  if (!equalBytes(hashOf(bytes, hash.algorithm), hash.value)) throw mismatch("another attestation");
}

function isSigner(
  { kind, der }: LoggedProof["verifier"],
  signer: LoggedSignature["signer"],
): boolean {
  if (kind === "key") return signer.certificate === undefined && equalBytes(der, signer.spki);
  return signer.certificate !== undefined && equalBytes(der, signer.certificate);
}

function hashOf(bytes: Uint8Array, algorithm: LogHash["algorithm"]): Uint8Array {
  return new Uint8Array(createHash(algorithm).update(bytes).digest());
}

function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw invalid(describeError(cause), cause);
  }
}

function lacks(what: string): CosignError {
  return invalid(`it has no ${what}`);
}

function invalid(why: string, cause?: unknown): CosignError {
  return new CosignError("LOG_ENTRY_INVALID", `failed to verify log inclusion: ${why}`, { cause });
}

function mismatch(what: string): CosignError {
  return new CosignError(
    "LOG_ENTRY_MISMATCH",
    `failed to verify log inclusion: the log entry is about ${what}`,
  );
}
