import { sha256 } from "../crypto/hash.ts";
import { encodeBase64, parseUtf8 } from "../model/bytes.ts";
import { type DsseEnvelope, dsseValue, parseDsse } from "./dsse.ts";
import type { SignatureMaterial } from "./evidence.ts";
import { isObject, type Json } from "./go_json.ts";
import { encodeGoValueBytes, type GoValue } from "./go_value.ts";
import type { LogEntry } from "./log_entry.ts";
import { bundleEntryJson, parseBundleEntry } from "./log_entry_json.ts";
import { MEDIA } from "./media_types.ts";
import { normalizeNames, ProtobufMessage } from "./protobuf_json.ts";
import { parseStrictJson } from "./strict_json.ts";

/** A Sigstore bundle (protobuf-specs, `sigstore_bundle.proto`), parsed and not believed. */
export interface Bundle {
  readonly version: "0.1" | "0.2" | "0.3";
  readonly content:
    | { readonly kind: "dsse"; readonly envelope: DsseEnvelope }
    | {
        readonly kind: "message-signature";
        /** Raw bytes. */
        readonly signature: Uint8Array;
        /** What the signer says that the message's digest is; some write none. */
        readonly digest?: MessageDigest;
      };
  readonly material: "public-key" | "certificate";
  /** DER, the signer's own first; empty when the material is a public key. */
  readonly certificates: readonly Uint8Array[];
  /** Whatever the signer wrote to help find the key; never a verifier. */
  readonly keyHint?: string;
  /** Entries of transparency logs, at most 32. */
  readonly logEntries: readonly LogEntry[];
  /** RFC 3161 TimeStampResp, DER; at most 32. */
  readonly timestamps: readonly Uint8Array[];
}

/** What vouches for a bundle's signature: of version 0.1 the log's promise, of later ones its proof. */
export function materialOf(bundle: Bundle): SignatureMaterial {
  const { certificates, logEntries, timestamps, version } = bundle;
  const logEvidence = version === "0.1" ? "promise" : "proof";
  return { certificates, logEntries, logEvidence, timestamps };
}

/** The digest of a message that was signed. */
export interface MessageDigest {
  readonly algorithm: "sha256" | "sha384" | "sha512";
  readonly digest: Uint8Array;
}

/** What a new bundle says of the signer and of those who vouch for the signature. */
export interface NewMaterial
  extends Pick<SignatureMaterial, "certificates" | "logEntries" | "timestamps"> {
  /** SubjectPublicKeyInfo, DER: hinted at where there is no certificate. */
  readonly spki: Uint8Array;
}

/** The digests by the names that bundles have for them (protobuf-specs, `HashAlgorithm`). */
const DIGEST_NAMES = { sha256: "SHA2_256", sha384: "SHA2_384", sha512: "SHA2_512" } as const;
const MAX_WITNESSES = 32; // entries, and timestamps, as sigstore-go reads
const MAX_CERTIFICATES = 10; // of a chain: Fulcio's has three
const ROOT_FIELDS: ReadonlySet<string> = new Set([
  "mediaType",
  "verificationMaterial",
  "dsseEnvelope",
  "messageSignature",
]);

/**
 * Reads a bundle. Fields that the format does not have are refused, as are two contents, and keys that
 * stand twice.
 *
 * @throws {SyntaxError} when it is none, or of a version that is not known.
 */
export function parseBundle(bytes: Uint8Array): Bundle {
  return readBundle(parseBundleJson(bytes));
}

/** Reads the JSON of a bundle, new or old: no key stands in it twice. @throws {SyntaxError} */
export function parseBundleJson(bytes: Uint8Array): unknown {
  return parseStrictJson(decode(bytes));
}

/** Makes a bundle of what {@link parseBundleJson} has read. @throws {SyntaxError} as {@link parseBundle}. */
export function readBundle(json: unknown): Bundle {
  const root = normalizeNames(json);
  if (!isObject(root)) throw new SyntaxError("The bundle is no JSON object");
  const unknown = Object.keys(root).find((field) => !ROOT_FIELDS.has(field));
  if (unknown !== undefined) {
    throw new SyntaxError(
      `The bundle has an unknown field ${JSON.stringify(unknown.slice(0, 80))}`,
    );
  }
  const version = parseVersion(root["mediaType"]);
  const material = root["verificationMaterial"];
  if (!isObject(material)) throw new SyntaxError("The bundle has no verificationMaterial");
  const witnesses = new ProtobufMessage(material, "The bundle's verificationMaterial").only(
    "publicKey",
    "certificate",
    "x509CertificateChain",
    "tlogEntries",
    "timestampVerificationData",
  );
  const { publicKey, certificate, x509CertificateChain } = material;
  const named = [publicKey, certificate, x509CertificateChain].filter((part) => part !== undefined);
  if (named.length !== 1 || !isObject(named[0])) {
    throw new SyntaxError("The bundle must name one public key or one certificate");
  }
  const hint = witnesses.message("publicKey")?.only("hint").text("hint") ?? "";
  return {
    version,
    content: parseContent(root["dsseEnvelope"], root["messageSignature"]),
    material: publicKey === undefined ? "certificate" : "public-key",
    certificates: parseCertificates(version, witnesses),
    ...(hint === "" ? {} : { keyHint: hint }),
    logEntries: witnesses.messages("tlogEntries", MAX_WITNESSES).map(parseBundleEntry),
    timestamps:
      witnesses
        .message("timestampVerificationData")
        ?.only("rfc3161Timestamps")
        .messages("rfc3161Timestamps", MAX_WITNESSES)
        .map((each) => each.only("signedTimestamp").bytes("signedTimestamp")) ?? [],
  };
}

/** Encodes a v0.3 bundle of an envelope. */
export function encodeEnvelopeBundle(envelope: DsseEnvelope, material: NewMaterial): Uint8Array {
  return encodeBundle({ content: { kind: "dsse", envelope }, ...hinted(material) });
}

/** Encodes a v0.3 bundle of a message that was signed as it is, such as a blob. */
export function encodeMessageBundle(
  signature: Uint8Array,
  digest: MessageDigest,
  material: NewMaterial,
): Uint8Array {
  const content = { kind: "message-signature", signature, digest } as const;
  return encodeBundle({ content, ...hinted(material) });
}

/** Encodes a bundle as one of v0.3: of a chain, that has the signer's certificate alone. */
export function encodeBundle({
  content,
  certificates: [certificate],
  keyHint = "",
  logEntries,
  timestamps,
}: Omit<Bundle, "version" | "material">): Uint8Array {
  const rfc3161Timestamps = timestamps.map((each) => ({ signedTimestamp: encodeBase64(each) }));
  const verificationMaterial: Json = {
    ...(certificate === undefined
      ? { publicKey: keyHint === "" ? {} : { hint: keyHint } }
      : { certificate: { rawBytes: encodeBase64(certificate) } }),
    ...(logEntries.length === 0 ? {} : { tlogEntries: logEntries.map(bundleEntryJson) }),
    ...(timestamps.length === 0 ? {} : { timestampVerificationData: { rfc3161Timestamps } }),
  };
  const mediaType = MEDIA.bundleV03;
  return encodeGoValueBytes({ mediaType, verificationMaterial, ...contentValue(content) });
}

function hinted({ spki, ...material }: NewMaterial): Omit<NewMaterial, "spki"> & {
  readonly keyHint: string;
} {
  return { ...material, keyHint: encodeBase64(sha256(spki)) };
}

function contentValue(content: Bundle["content"]): Readonly<Record<string, GoValue>> {
  if (content.kind === "dsse") return { dsseEnvelope: dsseValue(content.envelope) };
  const { digest, signature } = content;
  const messageDigest: Json =
    digest === undefined
      ? {}
      : { algorithm: DIGEST_NAMES[digest.algorithm], digest: encodeBase64(digest.digest) };
  return { messageSignature: { messageDigest, signature: encodeBase64(signature) } };
}

function parseVersion(mediaType: unknown): Bundle["version"] {
  if (typeof mediaType === "string") {
    const old = /^application\/vnd\.dev\.sigstore\.bundle\+json;version=(0\.[123])$/.exec(
      mediaType,
    );
    if (old !== null) return old[1] as Bundle["version"];
    if (/^application\/vnd\.dev\.sigstore\.bundle\.v0\.3(?:\.\d+)?\+json$/.test(mediaType)) {
      return "0.3";
    }
  }
  throw new SyntaxError(
    `The bundle has the media type ${JSON.stringify(mediaType)?.slice(0, 120)}, versions 0.1 to 0.3 are known`,
  );
}

function parseContent(envelope: unknown, message: unknown): Bundle["content"] {
  if ((envelope === undefined) === (message === undefined)) {
    throw new SyntaxError("The bundle must hold one of dsseEnvelope and messageSignature");
  }
  if (envelope === undefined) {
    return parseMessageSignature(new ProtobufMessage(message, "The bundle's messageSignature"));
  }
  const parts = new ProtobufMessage(envelope, "The bundle's dsseEnvelope");
  parts.only("payload", "payloadType", "signatures");
  for (const each of parts.messages("signatures", Infinity)) each.only("sig", "keyid");
  return { kind: "dsse", envelope: parseDsse(envelope) };
}

function parseMessageSignature(message: ProtobufMessage): Bundle["content"] {
  const signature = message.only("messageDigest", "signature").bytes("signature");
  if (signature.length === 0) throw new SyntaxError("The bundle lacks its signature");
  const digest = parseMessageDigest(message.message("messageDigest"));
  return {
    kind: "message-signature",
    signature,
    ...(digest === undefined ? {} : { digest }),
  };
}

/** cosign 3.1 writes an empty one where the message was not hashed. */
function parseMessageDigest(message: ProtobufMessage | undefined): MessageDigest | undefined {
  message?.only("algorithm", "digest");
  if (message === undefined || !(message.has("algorithm") || message.has("digest")))
    return undefined;
  const algorithm = message.text("algorithm");
  const known = (["sha256", "sha384", "sha512"] as const).find(
    (name) => DIGEST_NAMES[name] === algorithm,
  );
  if (known === undefined) {
    throw new SyntaxError(
      `The bundle names the digest ${JSON.stringify(algorithm.slice(0, 80))}, expected SHA2_256, SHA2_384 or SHA2_512`,
    );
  }
  const digest = message.bytes("digest");
  if (digest.length === 0) throw new SyntaxError("The bundle lacks its digest");
  return { algorithm: known, digest };
}

function parseCertificates(
  version: Bundle["version"],
  material: ProtobufMessage,
): readonly Uint8Array[] {
  const chain = material.message("x509CertificateChain")?.only("certificates");
  if (chain !== undefined && version === "0.3") {
    throw new SyntaxError("The bundle has an x509CertificateChain, which version 0.3 has not");
  }
  const listed = chain?.messages("certificates", MAX_CERTIFICATES);
  if (listed?.length === 0) {
    throw new SyntaxError("The bundle has a certificate chain without certificates");
  }
  const certificate = material.message("certificate");
  return (listed ?? (certificate === undefined ? [] : [certificate])).map((each) => {
    const der = each.only("rawBytes").bytes("rawBytes");
    if (der.length === 0) throw new SyntaxError("The bundle lacks a certificate's rawBytes");
    return der;
  });
}

function decode(bytes: Uint8Array): string {
  try {
    return parseUtf8(bytes);
  } catch (cause) {
    throw new SyntaxError("The bundle is not UTF-8", { cause });
  }
}
