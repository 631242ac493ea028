import { isObject } from "../formats/go_json.ts";
import { type ProtobufMessage, parseProtobufJson } from "../formats/protobuf_json.ts";
import { parseStrictJson } from "../formats/strict_json.ts";
import type { TrustedRoot } from "../formats/trusted_root.ts";
import { parseBase64, parseUtf8 } from "../model/bytes.ts";
import { inspectCertificate } from "./inspect_certificate.ts";
import { type InspectNode, node, presentNode, warningNode } from "./inspect_node.ts";
import { inspectLogEntry, inspectTimestamps } from "./inspect_witnesses.ts";

const VERSIONS: Readonly<Record<string, number>> = {
  "application/vnd.dev.sigstore.bundle+json;version=0.1": 1,
  "application/vnd.dev.sigstore.bundle+json;version=0.2": 2,
  "application/vnd.dev.sigstore.bundle+json;version=0.3": 3,
  "application/vnd.dev.sigstore.bundle.v0.3+json": 3,
};
const DIGESTS = [
  "HASH_ALGORITHM_UNSPECIFIED",
  "SHA2_256",
  "SHA2_384",
  "SHA2_512",
  "SHA3_256",
  "SHA3_384",
] as const;
const MAX_LISTED = 128; // of certificates, entries, signatures: a bundle has a handful

/**
 * What stands in a bundle, and what of it is not as its version wants it; nothing is believed or
 * verified. It shows what other readers refuse.
 *
 * @param root Names logs and authorities.
 * @throws {SyntaxError} when it is no bundle at all.
 */
export function inspectBundle(
  bytes: Uint8Array,
  root: TrustedRoot | undefined,
): readonly InspectNode[] {
  const bundle = parseProtobufJson(bytes, "The bundle").only(
    "mediaType",
    "verificationMaterial",
    "dsseEnvelope",
    "messageSignature",
  );
  const mediaType = bundle.text("mediaType");
  const version = VERSIONS[mediaType];
  const material = bundle.message("verificationMaterial");
  const envelope = bundle.message("dsseEnvelope");
  const message = bundle.message("messageSignature");
  if (envelope !== undefined && message !== undefined) {
    throw new SyntaxError("The bundle must hold one of dsseEnvelope and messageSignature");
  }
  return [
    node("Bundle Media Type", mediaType),
    ...(mediaType === "" ? [warningNode("Missing Bundle Media Type")] : []),
    ...(mediaType !== "" && version === undefined ? [warningNode("Unrecognized Media Type")] : []),
    material === undefined
      ? warningNode("Missing Verification Material")
      : materialNode(material, version ?? 0, root),
    envelope !== undefined
      ? node("Content", "", envelopeNodes(envelope, material?.message("publicKey")))
      : message !== undefined
        ? node("Content", "", messageNodes(message))
        : warningNode("Missing Content"),
  ];
}

function materialNode(
  material: ProtobufMessage,
  version: number,
  root: TrustedRoot | undefined,
): InspectNode {
  const entries = material.messages("tlogEntries", MAX_LISTED);
  const timestamps = material.message("timestampVerificationData");
  return node(
    "Verification Material",
    "",
    signerNode(material, version, root),
    entries.length === 0
      ? undefined
      : node(
          "Transparency Log Entries",
          `${entries.length}`,
          entries.map((entry, at) => inspectLogEntry(entry, at, version, root)),
        ),
    timestamps && inspectTimestamps(timestamps),
  );
}

function signerNode(
  material: ProtobufMessage,
  version: number,
  root: TrustedRoot | undefined,
): InspectNode {
  const certificate = material.message("certificate");
  const chain = material.message("x509CertificateChain");
  const publicKey = material.message("publicKey");
  if ([certificate, chain, publicKey].filter((part) => part !== undefined).length > 1) {
    throw new SyntaxError("The bundle must name one public key or one certificate");
  }
  if (certificate !== undefined) {
    const der = certificate.bytes("rawBytes");
    return node(
      "Content",
      "X.509 Certificate",
      der.length === 0
        ? warningNode("Certificate raw_bytes is empty")
        : inspectCertificate(der, root),
      version > 0 && version < 3
        ? warningNode("v0.1/v0.2 bundle should use certificate chain, not single certificate")
        : undefined,
    );
  }
  if (chain !== undefined) {
    const certificates = chain.messages("certificates", MAX_LISTED);
    return node(
      "Content",
      "X.509 Certificate Chain",
      certificates.length === 0
        ? warningNode("Certificate chain is empty")
        : [
            node("Certificates", `${certificates.length}`),
            ...certificates.map((each, at) =>
              node(`Certificate [${at}]`, "", inspectCertificate(each.bytes("rawBytes"), root)),
            ),
          ],
      version >= 3
        ? warningNode("v0.3 bundle should use single certificate, not chain")
        : undefined,
    );
  }
  if (publicKey === undefined) {
    return warningNode(
      "Missing Verification Material Content (must be certificate, chain, or public key)",
    );
  }
  const hint = publicKey.text("hint");
  return node(
    "Content",
    "Public Key Identifier",
    hint === "" ? warningNode("Public key hint is empty") : node("Hint", hintText(hint)),
  );
}

function envelopeNodes(
  envelope: ProtobufMessage,
  publicKey: ProtobufMessage | undefined,
): readonly InspectNode[] {
  const payload = envelope.bytes("payload");
  const payloadType = envelope.text("payloadType");
  const signatures = envelope.messages("signatures", MAX_LISTED);
  return [
    node("Type", "DSSE Envelope"),
    node("Payload Type", payloadType),
    presentNode("Payload", payload),
    ...(payloadType === "application/vnd.in-toto+json" ? statementNodes(payload) : []),
    node(
      "Signatures",
      `${signatures.length}`,
      signatures.map((each, at) => {
        const keyId = each.text("keyid");
        const isOther = publicKey !== undefined && publicKey.text("hint") !== keyId;
        return node(
          `Signature [${at}]`,
          "",
          presentNode("Signature", each.bytes("sig")),
          keyId === "" ? undefined : node("Key Hint", hintText(keyId)),
          keyId !== "" && isOther
            ? warningNode("Key hint mismatch with Verification Material")
            : undefined,
        );
      }),
    ),
    ...(signatures.length === 1
      ? []
      : [warningNode("DSSE envelope MUST contain only one signature")]),
  ];
}

/** None of what is no statement, as in cosign. */
function statementNodes(payload: Uint8Array): readonly InspectNode[] {
  let statement: unknown;
  try {
    statement = parseStrictJson(parseUtf8(payload));
  } catch {
    return [];
  }
  if (!isObject(statement)) return [];
  const { predicateType, subject } = statement;
  const names = Array.isArray(subject)
    ? subject.flatMap((each) =>
        isObject(each) && typeof each["name"] === "string" ? [node("Name", each["name"])] : [],
      )
    : [];
  return [
    node(
      "Payload Content (in-toto)",
      "",
      typeof predicateType === "string" ? node("Predicate Type", predicateType) : undefined,
      Array.isArray(subject) ? node("Subjects", `${subject.length}`, names) : undefined,
    ),
  ];
}

function messageNodes(message: ProtobufMessage): readonly InspectNode[] {
  const digest = message.message("messageDigest");
  return [
    node("Type", "Message Signature"),
    ...(digest === undefined
      ? []
      : [
          node(
            "Message Digest",
            "",
            node("Algorithm", digest.member("algorithm", DIGESTS)),
            presentNode("Digest", digest.bytes("digest")),
          ),
        ]),
    presentNode("Signature", message.bytes("signature")),
  ];
}

/** In hexadecimal, where it is base64. */
function hintText(hint: string): string {
  try {
    return parseBase64(hint).toHex();
  } catch {
    return hint;
  }
}
