import { encodeBase64, parseUtf8, utf8 } from "../model/bytes.ts";
import { type DsseEnvelope, dsseJson, parseDsse } from "./dsse.ts";
import { encodeGoJson, isObject } from "./go_json.ts";
import { MEDIA } from "./media_types.ts";

/** A Sigstore bundle (protobuf-specs, `sigstore_bundle.proto`), parsed and not believed. */
export interface Bundle {
  readonly version: "0.1" | "0.2" | "0.3";
  readonly content:
    | { readonly kind: "dsse"; readonly envelope: DsseEnvelope }
    | { readonly kind: "message-signature" };
  readonly material: "public-key" | "certificate";
  /** Whatever the signer wrote to help find the key; never a verifier. */
  readonly keyHint?: string;
}

const ROOT_FIELDS: ReadonlySet<string> = new Set([
  "mediaType",
  "verificationMaterial",
  "dsseEnvelope",
  "messageSignature",
]);

/**
 * Reads a bundle of an image. Fields that the format does not have are refused, as are two contents.
 *
 * @throws {SyntaxError} when it is none, or of a version that is not known.
 */
export function parseBundle(bytes: Uint8Array): Bundle {
  const root: unknown = JSON.parse(decode(bytes));
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
  const { publicKey, certificate, x509CertificateChain } = material;
  const named = [publicKey, certificate, x509CertificateChain].filter((part) => part !== undefined);
  if (named.length !== 1 || !isObject(named[0])) {
    throw new SyntaxError("The bundle must name one public key or one certificate");
  }
  const hint = isObject(publicKey) ? publicKey["hint"] : undefined;
  return {
    version,
    content: parseContent(root["dsseEnvelope"], root["messageSignature"]),
    material: publicKey === undefined ? "certificate" : "public-key",
    ...(typeof hint === "string" ? { keyHint: hint } : {}),
  };
}

/**
 * Encodes a v0.3 bundle of an envelope that was signed with a key.
 *
 * @param keyHint SHA-256 of the key's SubjectPublicKeyInfo, 32 raw bytes.
 */
export function encodeKeyBundle(envelope: DsseEnvelope, keyHint: Uint8Array): Uint8Array {
  return utf8(
    encodeGoJson({
      mediaType: MEDIA.bundleV03,
      verificationMaterial: { publicKey: { hint: encodeBase64(keyHint) } },
      dsseEnvelope: dsseJson(envelope),
    }),
  );
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
  return envelope === undefined
    ? { kind: "message-signature" }
    : { kind: "dsse", envelope: parseDsse(envelope) };
}

function decode(bytes: Uint8Array): string {
  try {
    return parseUtf8(bytes);
  } catch (cause) {
    throw new SyntaxError("The bundle is not UTF-8", { cause });
  }
}
