import {
  type DerElement,
  derElements,
  expectTag,
  parseDer,
  parseDerOid,
  parseDerSequence,
  parseDerUnsigned,
  TAG,
} from "../crypto/der.ts";
import { encodeBase64, latin1, parseBase64 } from "../model/bytes.ts";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";
import { encodeGoJson, foldedValue, isObject } from "./go_json.ts";
import { parseStrictJson } from "./strict_json.ts";
import { parseDerTime } from "./x509.ts";

/** What a timestamp authority answered (RFC 3161 §2.4.2), parsed and not believed. */
export interface Timestamp {
  readonly imprint: {
    readonly algorithm: SignatureDigestAlgorithm;
    readonly digest: Uint8Array;
  };
  readonly time: Date;
  /** Big-endian, in two's complement as DER has it. */
  readonly serialNumber: Uint8Array;
  /** Under which the authority works: the content of an OBJECT IDENTIFIER, in hexadecimal. */
  readonly policy: string;
  /** Big-endian; absent when the request had none. */
  readonly nonce?: Uint8Array;
  /** TSTInfo, DER: what `signer` vouches for. */
  readonly content: Uint8Array;
  readonly signer: TimestampSigner;
  /** That came along: DER, not parsed. */
  readonly certificates: readonly Uint8Array[];
}

/** Who has signed a timestamp (RFC 5652 §5.3). */
export interface TimestampSigner {
  /** The name of the certificate's issuer, DER. */
  readonly issuer: Uint8Array;
  readonly serialNumber: Uint8Array;
  readonly digest: SignatureDigestAlgorithm;
  /** The signed attributes as they are signed: a SET. */
  readonly attributes: Uint8Array;
  /** The attribute `messageDigest`: of the content, by `digest`. */
  readonly contentDigest: Uint8Array;
  /** The attribute `signingCertificate` of either version: the certificate's hash. */
  readonly certificateHash: {
    readonly algorithm: "sha1" | SignatureDigestAlgorithm;
    readonly digest: Uint8Array;
  };
  readonly signature: Uint8Array;
}

// Contents of OBJECT IDENTIFIERs in hexadecimal.
const OID = {
  signedData: "2a864886f70d010702",
  tstInfo: "2a864886f70d0109100104",
  contentType: "2a864886f70d010903",
  messageDigest: "2a864886f70d010904",
  signingCertificate: "2a864886f70d010910020c",
  signingCertificateV2: "2a864886f70d010910022f",
} as const;
const DIGESTS: ReadonlyMap<string, SignatureDigestAlgorithm> = new Map([
  ["608648016503040204", "sha224"],
  ["608648016503040201", "sha256"],
  ["608648016503040202", "sha384"],
  ["608648016503040203", "sha512"],
]);
/** Algorithms of signatures, and the digest that each is for; of those without one, any. */
const SIGNATURES: ReadonlyMap<string, SignatureDigestAlgorithm | undefined> = new Map([
  ["2a864886f70d010101", undefined], // rsaEncryption (RFC 3370 §3.2)
  ["2a864886f70d01010e", "sha224"],
  ["2a864886f70d01010b", "sha256"],
  ["2a864886f70d01010c", "sha384"],
  ["2a864886f70d01010d", "sha512"],
  ["2a8648ce3d0201", undefined], // id-ecPublicKey, and curves: what Go's PKCS #7 writes and reads
  ["2a8648ce3d030107", undefined],
  ["2b81040022", undefined],
  ["2b81040023", undefined],
  ["2a8648ce3d040301", "sha224"], // RFC 5754 §3.3
  ["2a8648ce3d040302", "sha256"],
  ["2a8648ce3d040303", "sha384"],
  ["2a8648ce3d040304", "sha512"],
  ["2b6570", undefined], // Ed25519 (RFC 8419)
]);
const TAGS = {
  set: 0x31,
  generalizedTime: 0x18,
  boolean: 0x01,
  zero: 0xa0,
  one: 0xa1,
  tsa: 0xa0,
} as const;
/** `granted` and `grantedWithMods` (RFC 3161 §2.4.2). */
const GRANTED: ReadonlySet<number> = new Set([0, 1]);
const MAX_CERTIFICATES = 8;

/**
 * The response in what old cosign keeps of it: `{"SignedRFC3161Timestamp": base64}`.
 *
 * @throws {SyntaxError}
 */
export function parseSignedTimestamp(bytes: Uint8Array): Uint8Array {
  const json = parseStrictJson(new TextDecoder().decode(bytes));
  const value = isObject(json) ? foldedValue(json, "SignedRFC3161Timestamp") : undefined;
  if (typeof value !== "string") throw new SyntaxError("it has no SignedRFC3161Timestamp");
  return parseBase64(value);
}

/** Encodes a response as {@link parseSignedTimestamp} reads it, to the byte as cosign does. @param response DER. */
export function encodeSignedTimestamp(response: Uint8Array): string {
  return encodeGoJson({ SignedRFC3161Timestamp: encodeBase64(response) });
}

/** Reads a response. @throws {SyntaxError} when it is none, or one that refuses. */
export function parseTimestamp(response: Uint8Array): Timestamp {
  const [status, token, ...more] = parseDerSequence(response);
  const code = parseDerUnsigned(parseDerSequence(expectTag(status, TAG.sequence).raw)[0]);
  if (code.length > 1 || !GRANTED.has(code[0] ?? 0)) {
    throw new SyntaxError("the authority has refused to make a timestamp");
  }
  if (token === undefined || more.length > 0) throw new SyntaxError("the timestamp has no token");
  const [type, wrapped] = parseDerSequence(token.raw);
  if (parseDerOid(type) !== OID.signedData) throw new SyntaxError("the timestamp is not signed");
  return parseSignedData(parseDer(expectTag(wrapped, TAGS.zero).content, TAG.sequence));
}

function parseSignedData({ content }: DerElement): Timestamp {
  const [version, digests, encapsulated, ...rest] = derElements(content);
  parseDerUnsigned(version);
  const announced = derElements(expectTag(digests, TAGS.set).content).map(digestOf);
  const [type, wrapped] = parseDerSequence(expectTag(encapsulated, TAG.sequence).raw);
  if (parseDerOid(type) !== OID.tstInfo) {
    throw new SyntaxError("the timestamp's content is of another type");
  }
  const info = parseDer(expectTag(wrapped, TAGS.zero).content, TAG.octetString).content;
  const signers = rest.find(({ tag }) => tag === TAGS.set);
  const [signer, ...others] = derElements(expectTag(signers, TAGS.set).content);
  if (signer === undefined || others.length > 0) {
    throw new SyntaxError("the timestamp must have one signature");
  }
  const listed = derElements(
    rest.find(({ tag }) => tag === TAGS.zero)?.content ?? new Uint8Array(),
  );
  if (listed.length > MAX_CERTIFICATES) {
    throw new SyntaxError(`the timestamp has more than ${MAX_CERTIFICATES} certificates`);
  }
  const parsed = parseSigner(signer);
  if (!announced.includes(parsed.digest)) {
    throw new SyntaxError("the timestamp does not announce the digest of its signature");
  }
  return {
    ...parseInfo(info),
    content: info,
    signer: parsed,
    certificates: listed.map(({ raw }) => raw),
  };
}

function parseInfo(
  info: Uint8Array,
): Pick<Timestamp, "imprint" | "time" | "nonce" | "serialNumber" | "policy"> {
  const [version, policy, imprint, serial, time, ...optional] = parseDerSequence(info);
  if (parseDerUnsigned(version).toHex() !== "01") {
    throw new SyntaxError("the timestamp is not of version 1");
  }
  const [algorithm, digest] = parseDerSequence(expectTag(imprint, TAG.sequence).raw);
  const nonce = optional.find(({ tag }) => tag === TAG.integer);
  return {
    imprint: {
      algorithm: digestOf(algorithm),
      digest: expectTag(digest, TAG.octetString).content,
    },
    time: parseTime(expectTag(time, TAGS.generalizedTime)),
    serialNumber: expectTag(serial, TAG.integer).content,
    policy: parseDerOid(policy),
    ...(nonce === undefined ? {} : { nonce: parseDerUnsigned(nonce) }),
  };
}

/** GeneralizedTime, here also with fractions of a second, which are cut (RFC 3161 §2.4.2). */
function parseTime(element: DerElement): Date {
  const text = latin1(element.content);
  const content = new TextEncoder().encode(text.replace(/\.\d{1,9}Z$/, "Z"));
  return parseDerTime({ tag: element.tag, content, raw: element.raw });
}

function parseSigner(element: DerElement): TimestampSigner {
  const [version, identifier, digest, attributes, algorithm, signature] = derElements(
    expectTag(element, TAG.sequence).content,
  );
  parseDerUnsigned(version);
  const [issuer, serial] = parseDerSequence(expectTag(identifier, TAG.sequence).raw);
  const name = digestOf(digest);
  checkSignatureAlgorithm(algorithm, name);
  const listed = derElements(expectTag(attributes, TAGS.zero).content);
  const values = new Map<string, DerElement>();
  for (const each of listed) {
    const [oid, set] = derElements(expectTag(each, TAG.sequence).content);
    const [value, ...more] = derElements(expectTag(set, TAGS.set).content);
    const hex = parseDerOid(oid);
    if (value === undefined || more.length > 0 || values.has(hex)) {
      throw new SyntaxError("the timestamp has an attribute without or with several values");
    }
    values.set(hex, value);
  }
  if (parseDerOid(values.get(OID.contentType)) !== OID.tstInfo) {
    throw new SyntaxError("the timestamp's signature is over content of another type");
  }
  const signed = Uint8Array.from(expectTag(attributes, TAGS.zero).raw);
  signed[0] = TAGS.set; // RFC 5652 §5.4
  return {
    issuer: expectTag(issuer, TAG.sequence).raw,
    serialNumber: parseDerUnsigned(serial),
    digest: name,
    attributes: signed,
    contentDigest: expectTag(values.get(OID.messageDigest), TAG.octetString).content,
    certificateHash: parseCertificateHash(values),
    signature: expectTag(signature, TAG.octetString).content,
  };
}

function checkSignatureAlgorithm(
  element: DerElement | undefined,
  digest: SignatureDigestAlgorithm,
): void {
  const [oid] = parseDerSequence(expectTag(element, TAG.sequence).raw);
  const hex = parseDerOid(oid);
  if (!SIGNATURES.has(hex) || (SIGNATURES.get(hex) ?? digest) !== digest) {
    throw new SyntaxError("the timestamp's signature is of an algorithm that does not fit");
  }
}

/** The first `ESSCertID` or `ESSCertIDv2` (RFC 5035 §3): that of the signer. */
function parseCertificateHash(
  values: ReadonlyMap<string, DerElement>,
): TimestampSigner["certificateHash"] {
  const second = values.get(OID.signingCertificateV2);
  const value = second ?? values.get(OID.signingCertificate);
  if (value === undefined) {
    throw new SyntaxError("the timestamp does not say which certificate has signed it");
  }
  const [ids] = parseDerSequence(expectTag(value, TAG.sequence).raw);
  const [first] = derElements(expectTag(ids, TAG.sequence).content);
  const parts = [...derElements(expectTag(first, TAG.sequence).content)];
  const named = parts[0]?.tag === TAG.sequence ? digestOf(parts.shift()) : "sha256";
  return {
    algorithm: second === undefined ? "sha1" : named,
    digest: expectTag(parts[0], TAG.octetString).content,
  };
}

function digestOf(element: DerElement | undefined): SignatureDigestAlgorithm {
  const [oid] = parseDerSequence(expectTag(element, TAG.sequence).raw);
  const digest = DIGESTS.get(parseDerOid(oid));
  if (digest === undefined) throw new SyntaxError("the timestamp has a digest that is not SHA-2");
  return digest;
}
