import { parsePublicKeyDer, parseRsaPublicKeyDer } from "../crypto/public_key.ts";
import { encodeBase64, utf8 } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import type { KeyType } from "../model/key.ts";
import { type NameType, parseDistinguishedName } from "./distinguished_name.ts";
import type { Json } from "./go_json.ts";
import { type ProtobufMessage, parseProtobufJson } from "./protobuf_json.ts";
import type { TrustedAuthority, TrustedLog, TrustedRoot, Validity } from "./trusted_root.ts";
import { encodeValidity, parseValidity } from "./validity_json.ts";
import { type Certificate, parseCertificate } from "./x509.ts";

const MEDIA_TYPES: ReadonlySet<string> = new Set([
  "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
  "application/vnd.dev.sigstore.trustedroot+json;version=0.2",
  "application/vnd.dev.sigstore.trustedroot.v0.2+json",
]);
/** Names of keys (protobuf-specs, `PublicKeyDetails`); weak ones have none. */
const KEY_DETAILS: Readonly<Partial<Record<KeyType, string>>> = {
  "ecdsa-p256": "PKIX_ECDSA_P256_SHA_256",
  "ecdsa-p384": "PKIX_ECDSA_P384_SHA_384",
  "ecdsa-p521": "PKIX_ECDSA_P521_SHA_512",
  ed25519: "PKIX_ED25519",
  "rsa-2048": "PKIX_RSA_PKCS1V15_2048_SHA256",
  "rsa-3072": "PKIX_RSA_PKCS1V15_3072_SHA256",
  "rsa-4096": "PKIX_RSA_PKCS1V15_4096_SHA256",
};
/** The one kind of key that is no SubjectPublicKeyInfo: of Sigstore's staging log of certificates of 2021. */
const PKCS1_DETAILS = "PKCS1_RSA_PKCS1V5";
/** Since when what has no beginning is valid: the format demands one, and no signature is older. */
const BEGINNING = new Date(0);
const MAX_MEMBERS = 128; // of each kind: Sigstore's own root has 4
const MAX_CHAIN = 8;

/**
 * Reads a trusted root (protobuf-specs, `sigstore_trustroot.proto`).
 *
 * @throws {SyntaxError} when it is none, or of a version that is not known.
 */
export function parseTrustedRoot(bytes: Uint8Array): TrustedRoot {
  const root = parseProtobufJson(bytes, "The trusted root");
  const mediaType = root.text("mediaType");
  if (!MEDIA_TYPES.has(mediaType)) {
    throw new SyntaxError(
      `The trusted root has the media type ${JSON.stringify(mediaType.slice(0, 120))}, versions 0.1 and 0.2 are known`,
    );
  }
  const logs = (name: string) => root.messages(name, MAX_MEMBERS).map(parseLog);
  const authorities = (name: string) => root.messages(name, MAX_MEMBERS).map(parseAuthority);
  return {
    logs: logs("tlogs"),
    certificateAuthorities: authorities("certificateAuthorities"),
    ctLogs: logs("ctlogs"),
    timestampAuthorities: authorities("timestampAuthorities"),
  };
}

/** Encodes a trusted root of version 0.1 as cosign does: protobuf's JSON, the fields that hold something. */
export function encodeTrustedRoot(root: TrustedRoot): Uint8Array {
  const list = (name: string, members: readonly Json[]) =>
    members.length === 0 ? {} : { [name]: members };
  return utf8(
    JSON.stringify({
      mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
      ...list("tlogs", root.logs.map(logJson)),
      ...list("certificateAuthorities", root.certificateAuthorities.map(authorityJson)),
      ...list("ctlogs", root.ctLogs.map(logJson)),
      ...list("timestampAuthorities", root.timestampAuthorities.map(authorityJson)),
    }),
  );
}

function logJson({ baseUrl, key, keyId, validFor, operator }: TrustedLog): Json {
  return {
    ...textJson("baseUrl", baseUrl),
    hashAlgorithm: "SHA2_256",
    publicKey: {
      rawBytes: encodeBase64(key.spki),
      keyDetails: KEY_DETAILS[key.type],
      validFor: encodeValidity({ start: BEGINNING, ...validFor }),
    },
    logId: { keyId: encodeBase64(keyId) },
    ...textJson("operator", operator),
  };
}

function authorityJson({ uri, chain, validFor, operator }: TrustedAuthority): Json {
  return {
    subject: subjectJson(chain.at(-1)),
    ...textJson("uri", uri),
    certChain: { certificates: chain.map(({ der }) => ({ rawBytes: encodeBase64(der) })) },
    validFor: encodeValidity({ start: BEGINNING, ...validFor }),
    ...textJson("operator", operator),
  };
}

/** What people call an authority: how its root names itself. */
function subjectJson(root: Certificate | undefined): Json {
  const names = root === undefined ? [] : parseDistinguishedName(root.subject);
  const first = (type: NameType) => names.find((name) => name.type === type)?.value;
  return {
    ...textJson("organization", first("O")),
    ...textJson("commonName", first("CN")),
  };
}

function textJson(name: string, text: string | undefined): { readonly [name: string]: Json } {
  return text === undefined || text === "" ? {} : { [name]: text };
}

function parseLog(log: ProtobufMessage): TrustedLog {
  const key = log.message("publicKey");
  const der = key?.bytes("rawBytes") ?? new Uint8Array();
  const baseUrl = log.text("baseUrl");
  const keyId = (log.message("logId") ?? log.message("checkpointKeyId"))?.bytes("keyId");
  if (key === undefined || der.length === 0) {
    throw new SyntaxError(`The trusted root's log "${baseUrl.slice(0, 200)}" has no key`);
  }
  if (keyId === undefined || keyId.length === 0) {
    throw new SyntaxError(`The trusted root's log "${baseUrl.slice(0, 200)}" has no logId`);
  }
  return {
    baseUrl,
    key: readKey(der, key.text("keyDetails"), baseUrl),
    keyId,
    validFor: startedValidity(key.message("validFor"), baseUrl),
    ...operatorOf(log),
  };
}

function readKey(der: Uint8Array, details: string, baseUrl: string): TrustedLog["key"] {
  const parse = details === PKCS1_DETAILS ? parseRsaPublicKeyDer : parsePublicKeyDer;
  try {
    return parse(der, baseUrl || "log");
  } catch (error) {
    if (!(error instanceof CosignError)) throw error;
    throw new SyntaxError(`The trusted root's log cannot be used: ${error.message}`, {
      cause: error,
    });
  }
}

function parseAuthority(authority: ProtobufMessage): TrustedAuthority {
  const chain = authority.message("certChain")?.messages("certificates", MAX_CHAIN) ?? [];
  if (chain.length === 0) {
    throw new SyntaxError("The trusted root has an authority without certificates");
  }
  const uri = authority.text("uri");
  return {
    uri,
    chain: chain.map((each) => parseCertificate(each.bytes("rawBytes"))),
    validFor: startedValidity(authority.message("validFor"), uri),
    ...operatorOf(authority),
  };
}

/** An interval without its start is no open one: whoever wrote it has left something out. */
function startedValidity(range: ProtobufMessage | undefined, whose: string): Validity {
  const validity = parseValidity(range);
  if (validity.start !== undefined) return validity;
  throw new SyntaxError(
    `The trusted root does not say since when "${whose.slice(0, 200)}" is valid: validFor has no start`,
  );
}

function operatorOf(message: ProtobufMessage): { readonly operator?: string } {
  const operator = message.text("operator");
  return operator === "" ? {} : { operator };
}
