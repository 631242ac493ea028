import { parseCheckpoint } from "../formats/checkpoint.ts";
import type { ProtobufMessage } from "../formats/protobuf_json.ts";
import { parseTimestamp, type Timestamp } from "../formats/timestamp.ts";
import type { TrustedRoot } from "../formats/trusted_root.ts";
import { dottedOid } from "../formats/x509.ts";
import { equalBytes, utf8 } from "../model/bytes.ts";
import { type InspectNode, node, presentNode, timeText, warningNode } from "./inspect_node.ts";

const MAX_HASHES = 64;
const MAX_TIMESTAMPS = 32;

/** An entry of a log, and what its bundle's version wants of it. @throws {SyntaxError} */
export function inspectLogEntry(
  entry: ProtobufMessage,
  at: number,
  version: number,
  root: TrustedRoot | undefined,
): InspectNode {
  const logId = entry.message("logId")?.bytes("keyId");
  const kind = entry.message("kindVersion");
  const promise = entry.message("inclusionPromise");
  const proof = entry.message("inclusionProof");
  const seconds = entry.count("integratedTime");
  const body = entry.bytes("canonicalizedBody");
  return node(
    `Entry [${at}]`,
    "",
    node("Log Index", `${entry.count("logIndex")}`),
    logId === undefined ? undefined : logNode(logId, root),
    kind && [node("Kind", kind.text("kind")), node("Version", kind.text("version"))],
    node("Integrated Time", seconds === 0 ? "0 (Not set)" : timeText(new Date(seconds * 1000))),
    promise &&
      node(
        "Inclusion Promise",
        "",
        presentNode("Signed Entry Timestamp", promise.bytes("signedEntryTimestamp")),
      ),
    proof && proofNode(proof),
    body.length === 0 ? undefined : presentNode("Canonicalized Body", body),
    version === 1 && promise === undefined
      ? warningNode("v0.1 bundle tlog entry MUST contain an inclusion promise")
      : undefined,
    version >= 2 && proof === undefined
      ? warningNode(`v0.${version} bundle tlog entry MUST contain an inclusion proof`)
      : undefined,
  );
}

/** The timestamps of a bundle. @throws {SyntaxError} */
export function inspectTimestamps(data: ProtobufMessage): InspectNode {
  const timestamps = data.messages("rfc3161Timestamps", MAX_TIMESTAMPS);
  return node(
    "Timestamp Verification Data",
    "",
    node("RFC3161 Timestamps", `${timestamps.length}`),
    timestamps.map((each, at) =>
      node(`Timestamp [${at}]`, "", timestampNodes(each.bytes("signedTimestamp"))),
    ),
  );
}

function logNode(logId: Uint8Array, root: TrustedRoot | undefined): InspectNode {
  const log = root?.logs.find(({ keyId }) => equalBytes(keyId, logId));
  return log?.baseUrl ? node("Log URL", log.baseUrl) : node("Log ID", logId.toHex());
}

function proofNode(proof: ProtobufMessage): InspectNode {
  const checkpoint = proof.message("checkpoint");
  return node(
    "Inclusion Proof",
    "",
    node("Log Index", `${proof.count("logIndex")}`),
    node("Tree Size", `${proof.count("treeSize")}`),
    node("Hashes", `${proof.list("hashes", MAX_HASHES).length}`),
    checkpoint && node("Checkpoint", "", checkpointNodes(checkpoint.text("envelope"))),
  );
}

function checkpointNodes(note: string): readonly InspectNode[] {
  try {
    const { origin, treeSize, signatures } = parseCheckpoint(note);
    const others = note.slice(0, note.lastIndexOf("\n\n")).split("\n").slice(3);
    return [
      node("Origin", origin),
      node("Tree Size", `${treeSize}`),
      ...(others.length === 0
        ? []
        : [
            node(
              "Other Content",
              `${others.length} lines`,
              others.map((line, at) => node(`[${at}]`, line)),
            ),
          ]),
      node(
        "Witnesses",
        `${signatures.length}`,
        signatures.map(({ name, signature }) =>
          node(name, `Signature Present (${signature.length} bytes)`),
        ),
      ),
    ];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return [presentNode("Envelope", utf8(note))];
  }
}

/** None of what is no timestamp, as in cosign. */
function timestampNodes(response: Uint8Array): readonly InspectNode[] {
  let timestamp: Timestamp;
  try {
    timestamp = parseTimestamp(response);
  } catch {
    return [];
  }
  const { time, imprint, serialNumber, policy } = timestamp;
  return [
    node("Time", timeText(time)),
    node("Hash Algorithm", imprint.algorithm.replace("sha", "SHA-")),
    presentNode("Message Imprint", imprint.digest),
    node("Serial Number", `${signedInteger(serialNumber)}`),
    node("Policy", dottedOid(policy)),
  ];
}

function signedInteger(bytes: Uint8Array): bigint {
  const value = BigInt(`0x0${bytes.toHex()}`);
  return BigInt.asIntN(bytes.length * 8, value);
}
