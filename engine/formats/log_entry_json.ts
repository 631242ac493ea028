import { encodeBase64, parseBase64, parseBase64Either } from "../model/bytes.ts";
import { foldedValue, isObject, type Json } from "./go_json.ts";
import type { InclusionProof, LogEntry } from "./log_entry.ts";
import { ProtobufMessage } from "./protobuf_json.ts";

const HASH_BYTES = 32;
const MAX_HASHES = 64; // a tree of 2^64 leaves

/** Reads an entry of a bundle's `tlogEntries` (protobuf-specs, `sigstore_rekor.proto`). @throws {SyntaxError} */
export function parseBundleEntry(message: ProtobufMessage): LogEntry {
  message.only(
    "logIndex",
    "logId",
    "kindVersion",
    "integratedTime",
    "inclusionPromise",
    "inclusionProof",
    "canonicalizedBody",
  );
  const kind = message.message("kindVersion")?.only("kind", "version");
  const promise = message
    .message("inclusionPromise")
    ?.only("signedEntryTimestamp")
    .bytes("signedEntryTimestamp");
  const proof = message.message("inclusionProof");
  if (kind === undefined) throw new SyntaxError("The log entry has no kindVersion");
  const body = message.bytes("canonicalizedBody");
  if (body.length === 0) throw new SyntaxError("The log entry has no canonicalizedBody");
  const integratedTime = message.count("integratedTime");
  return {
    logIndex: message.count("logIndex"),
    logId: message.message("logId")?.only("keyId").bytes("keyId") ?? new Uint8Array(),
    body,
    kindVersion: { kind: kind.text("kind"), version: kind.text("version") },
    ...(integratedTime === 0 ? {} : { integratedTime }),
    ...(promise === undefined ? {} : { promise }),
    ...(proof === undefined ? {} : { proof: parseProof(proof) }),
  };
}

function parseProof(message: ProtobufMessage): InclusionProof {
  message.only("logIndex", "rootHash", "treeSize", "hashes", "checkpoint");
  const checkpoint = message.message("checkpoint")?.only("envelope").text("envelope");
  return {
    logIndex: message.count("logIndex"),
    treeSize: message.count("treeSize"),
    rootHash: message.bytes("rootHash"),
    hashes: message.list("hashes", MAX_HASHES).map(parseHash),
    ...(checkpoint === undefined ? {} : { checkpoint }),
  };
}

function parseHash(value: unknown): Uint8Array {
  const hash = typeof value === "string" ? parseBase64Either(value) : new Uint8Array();
  if (hash.length === HASH_BYTES) return hash;
  throw new SyntaxError("The log entry's proof has a hash that has not 32 bytes");
}

/** An entry as bundles have it: 64-bit numbers as texts. Zeros and empty lists stand there: some readers miss them. */
export function bundleEntryJson(entry: LogEntry): Json {
  const { logIndex, logId, kindVersion, integratedTime, promise, proof, body } = entry;
  return {
    logIndex: `${logIndex}`,
    logId: { keyId: encodeBase64(logId) },
    ...(kindVersion === undefined
      ? {}
      : { kindVersion: { kind: kindVersion.kind, version: kindVersion.version } }),
    ...(integratedTime === undefined ? {} : { integratedTime: `${integratedTime}` }),
    ...(promise === undefined
      ? {}
      : { inclusionPromise: { signedEntryTimestamp: encodeBase64(promise) } }),
    ...(proof === undefined ? {} : { inclusionProof: proofJson(proof) }),
    canonicalizedBody: encodeBase64(body),
  };
}

function proofJson({ logIndex, treeSize, rootHash, hashes, checkpoint }: InclusionProof): Json {
  return {
    logIndex: `${logIndex}`,
    rootHash: encodeBase64(rootHash),
    treeSize: `${treeSize}`,
    hashes: hashes.map((hash) => encodeBase64(hash)),
    ...(checkpoint === undefined ? {} : { checkpoint: { envelope: checkpoint } }),
  };
}

/**
 * Reads what old cosign keeps of an entry: `rekorBundle` of a blob's bundle, the annotation
 * `dev.sigstore.cosign/bundle` of a layer. Its keys without regard to their case, as Go reads them.
 *
 * @throws {SyntaxError} when it is none.
 */
export function parseRekorBundle(value: unknown): LogEntry {
  if (!isObject(value)) throw new SyntaxError("The log's bundle is no JSON object");
  const promise = foldedValue(value, "SignedEntryTimestamp");
  const payload = foldedValue(value, "Payload");
  if (typeof promise !== "string" || !isObject(payload)) {
    throw new SyntaxError("The log's bundle lacks its SignedEntryTimestamp or its Payload");
  }
  const body = foldedValue(payload, "body");
  const logId = foldedValue(payload, "logID");
  if (typeof body !== "string" || typeof logId !== "string" || !/^[0-9a-f]{64}$/i.test(logId)) {
    throw new SyntaxError("The log's bundle lacks its body or its logID");
  }
  return {
    logIndex: countOf(payload, "logIndex"),
    logId: Uint8Array.fromHex(logId),
    integratedTime: countOf(payload, "integratedTime"),
    body: parseBase64(body),
    promise: parseBase64(promise),
  };
}

/**
 * What old cosign keeps of an entry, in the order in which it writes it. There is no place for a proof in
 * it, so only entries with a promise are worth keeping so.
 */
export function rekorBundleJson({
  promise = new Uint8Array(),
  body,
  integratedTime = 0,
  logIndex,
  logId,
}: LogEntry): Json {
  return {
    SignedEntryTimestamp: encodeBase64(promise),
    Payload: { body: encodeBase64(body), integratedTime, logIndex, logID: logId.toHex() },
  };
}

/**
 * Reads an entry as the API of Rekor v1 answers it: hashes in hexadecimal, two indices (rekor,
 * `openapi.yaml`, `LogEntry`). Its kind is told by the body alone.
 *
 * @throws {SyntaxError} when it is none.
 */
export function parseApiEntry(value: unknown): LogEntry {
  const entry = new ProtobufMessage(value, "The log's entry");
  for (const name of ["body", "logID", "logIndex", "integratedTime"]) {
    if (!entry.has(name)) throw new SyntaxError(`The log's entry lacks its ${name}`);
  }
  const verification = entry.message("verification");
  const promise = verification?.bytes("signedEntryTimestamp") ?? new Uint8Array();
  const proof = verification?.message("inclusionProof");
  return {
    logIndex: entry.count("logIndex"),
    logId: hexOf(entry.text("logID"), "logID"),
    integratedTime: entry.count("integratedTime"),
    body: parseBase64(entry.text("body")),
    ...(promise.length === 0 ? {} : { promise }),
    ...(proof === undefined ? {} : { proof: parseApiProof(proof) }),
  };
}

function parseApiProof(message: ProtobufMessage): InclusionProof {
  const checkpoint = message.text("checkpoint");
  return {
    logIndex: message.count("logIndex"),
    treeSize: message.count("treeSize"),
    rootHash: hexOf(message.text("rootHash"), "rootHash"),
    hashes: message
      .list("hashes", MAX_HASHES)
      .map((each) => hexOf(typeof each === "string" ? each : "", "hash")),
    ...(checkpoint === "" ? {} : { checkpoint }),
  };
}

function hexOf(text: string, name: string): Uint8Array {
  if (/^[0-9a-f]{64}$/i.test(text)) return Uint8Array.fromHex(text);
  throw new SyntaxError(`The log's entry has a ${name} that has not ${HASH_BYTES} bytes`);
}

function countOf(payload: object, name: string): number {
  const value = foldedValue(payload, name);
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new SyntaxError(`The log's bundle lacks its ${name}`);
}
