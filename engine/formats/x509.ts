import {
  type DerElement,
  derElements,
  expectTag,
  parseDer,
  parseDerBitString,
  parseDerOid,
  parseDerSequence,
  parseDerUnsigned,
  TAG,
} from "../crypto/der.ts";
import { parsePem } from "../crypto/pem.ts";
import { latin1, parseUtf8 } from "../model/bytes.ts";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";

/** An X.509 certificate (RFC 5280 §4), parsed and not believed. Attacker-controlled. */
export interface Certificate {
  readonly der: Uint8Array;
  /** What its issuer has signed. */
  readonly tbs: Uint8Array;
  readonly signatureAlgorithm: CertificateSignatureAlgorithm;
  readonly signature: Uint8Array;
  /** Big-endian, without leading zeros. */
  readonly serialNumber: Uint8Array;
  /** Names as DER: two are equal when their bytes are. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  readonly isCa: boolean;
  /** How many certificates of authorities may follow below it. */
  readonly pathLength?: number;
  /** Absent: for any use. */
  readonly keyUsage?: ReadonlySet<KeyUsage>;
  /** Contents of OBJECT IDENTIFIERs, in hexadecimal. Absent: for any use. */
  readonly extendedKeyUsages?: readonly string[];
  /** By the hexadecimal of their OBJECT IDENTIFIERs. */
  readonly criticalExtensions: ReadonlySet<string>;
  readonly alternativeNames: readonly AlternativeName[];
  readonly nameConstraints?: NameConstraints;
  /** Values of all extensions by their OBJECT IDENTIFIERs' contents, in hexadecimal. */
  readonly extensions: ReadonlyMap<string, Uint8Array>;
  /** Critical extensions that nothing here understands; by dotted OBJECT IDENTIFIERs. */
  readonly unknownCritical: readonly string[];
}

/** How certificates are signed. */
export type CertificateSignatureAlgorithm =
  | { readonly key: "ecdsa" | "rsa"; readonly digest: SignatureDigestAlgorithm }
  | { readonly key: "ed25519" };

/** What a key may do (RFC 5280 §4.2.1.3), as far as anybody asks here. */
export type KeyUsage = "digital-signature" | "certificate-sign" | "other";

/** A name of the subject (RFC 5280 §4.2.1.6). */
export interface AlternativeName {
  readonly kind: "email" | "dns" | "uri" | "ip" | "other" | "unknown";
  /** As text; an IP address as hexadecimal of its 4 or 16 bytes; empty for `unknown`. */
  readonly value: string;
}

/** What names certificates below may have (RFC 5280 §4.2.1.10). IP ranges: hexadecimal of address and mask. */
export interface NameConstraints {
  readonly permitted: readonly AlternativeName[];
  readonly excluded: readonly AlternativeName[];
}

const OID = {
  basicConstraints: "551d13",
  keyUsage: "551d0f",
  extendedKeyUsage: "551d25",
  alternativeNames: "551d11",
  nameConstraints: "551d1e",
  policies: "551d20",
} as const;
/** Fulcio's name of what is no email and no URI (1.3.6.1.4.1.57264.1.7). */
const OID_FULCIO_OTHER_NAME = "2b0601040183bf300107";
const UNDERSTOOD: ReadonlySet<string> = new Set(Object.values(OID));
const SIGNATURE_ALGORITHMS: ReadonlyMap<string, CertificateSignatureAlgorithm> = new Map([
  ["2a8648ce3d040302", { key: "ecdsa", digest: "sha256" }],
  ["2a8648ce3d040303", { key: "ecdsa", digest: "sha384" }],
  ["2a8648ce3d040304", { key: "ecdsa", digest: "sha512" }],
  ["2a864886f70d01010b", { key: "rsa", digest: "sha256" }],
  ["2a864886f70d01010c", { key: "rsa", digest: "sha384" }],
  ["2a864886f70d01010d", { key: "rsa", digest: "sha512" }],
  ["2b6570", { key: "ed25519" }],
]);
const TAGS = {
  boolean: 0x01,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  version: 0xa0,
  extensions: 0xa3,
} as const;
const NAME_KINDS: ReadonlyMap<number, AlternativeName["kind"]> = new Map([
  [0x81, "email"],
  [0x82, "dns"],
  [0x86, "uri"],
  [0x87, "ip"],
]);
const TAG_OTHER_NAME = 0xa0;
const VERSION_3 = 2;
const MAX_PEM_CERTIFICATES = 100; // of one file: a system's whole store has 140, a private one a handful

/**
 * Reads all certificates of a PEM file, in their order; text may stand around them.
 *
 * @throws {SyntaxError} when there is none, or a block that is something else.
 */
export function parseCertificatesPem(pem: string): readonly Certificate[] {
  const certificates: Certificate[] = [];
  for (let rest = pem; certificates.length === 0 || rest.includes("-----BEGIN "); ) {
    if (certificates.length === MAX_PEM_CERTIFICATES) {
      throw new SyntaxError(`more than ${MAX_PEM_CERTIFICATES} certificates`);
    }
    const block = parsePem(rest);
    if (block.type !== "CERTIFICATE") {
      throw new SyntaxError(`a PEM block of type "${block.type}", expected "CERTIFICATE"`);
    }
    certificates.push(parseCertificate(block.bytes));
    rest = block.rest;
  }
  return certificates;
}

/** Reads one certificate in DER. @throws {SyntaxError} */
export function parseCertificate(der: Uint8Array): Certificate {
  const [tbs, algorithm, signature, ...more] = parseDerSequence(der);
  if (tbs === undefined || algorithm === undefined || more.length > 0) {
    throw new SyntaxError("not a certificate");
  }
  const fields = [...derElements(expectTag(tbs, TAG.sequence).content)];
  const version = fields[0]?.tag === TAGS.version ? fields.shift() : undefined;
  const [, inner, issuer, validity, subject, spki, ...optional] = fields;
  // The inner one is what was signed: another one outside would say what to check it with.
  if (inner?.raw.toHex() !== algorithm.raw.toHex()) {
    throw new SyntaxError("its two signature algorithms differ");
  }
  const tagged = optional.find(({ tag }) => tag === TAGS.extensions);
  if (tagged !== undefined && !isVersion3(version)) {
    throw new SyntaxError("extensions in a certificate that is not of version 3");
  }
  const [notBefore, notAfter] = derElements(expectTag(validity, TAG.sequence).content);
  return {
    der,
    tbs: tbs.raw,
    signatureAlgorithm: parseSignatureAlgorithm(algorithm),
    signature: parseDerBitString(signature),
    serialNumber: parseDerUnsigned(fields[0]),
    issuer: expectTag(issuer, TAG.sequence).raw,
    subject: expectTag(subject, TAG.sequence).raw,
    notBefore: parseDerTime(notBefore),
    notAfter: parseDerTime(notAfter),
    spki: expectTag(spki, TAG.sequence).raw,
    ...parseExtensions(tagged),
  };
}

/** An OBJECT IDENTIFIER's contents in dots. */
export function dottedOid(hex: string): string {
  const bytes = Uint8Array.fromHex(hex);
  const parts: number[] = [];
  let value = 0;
  for (const byte of bytes) {
    value = value * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    parts.push(value);
    value = 0;
  }
  const first = parts.shift() ?? 0;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...parts].join(".");
}

function isVersion3(version: DerElement | undefined): boolean {
  if (version === undefined) return false;
  return parseDerUnsigned(derElements(version.content)[0])[0] === VERSION_3;
}

function parseSignatureAlgorithm(element: DerElement): CertificateSignatureAlgorithm {
  const [oid, parameters] = parseDerSequence(element.raw);
  const hex = parseDerOid(oid);
  const known = SIGNATURE_ALGORITHMS.get(hex);
  if (known === undefined) {
    throw new SyntaxError(
      `its signature algorithm is ${dottedOid(hex)}, expected ECDSA, RSA (PKCS#1 v1.5) or Ed25519 with SHA-2`,
    );
  }
  const isFine = known.key === "rsa" ? parameters?.tag === TAG.null : parameters === undefined;
  if (!isFine) throw new SyntaxError("the parameters of its signature algorithm are wrong");
  return known;
}

/**
 * Reads UTCTime and GeneralizedTime as RFC 5280 §4.1.2.5 allows them: in UTC, with seconds, without
 * fractions.
 *
 * @throws {SyntaxError}
 */
export function parseDerTime(element: DerElement | undefined): Date {
  const isShort = element?.tag === TAGS.utcTime;
  const { content } = isShort ? element : expectTag(element, TAGS.generalizedTime);
  const digits = isShort ? 2 : 4;
  const number = (at: number) => digitsOf(content, digits + at, 2);
  const start = digitsOf(content, 0, digits);
  const year = isShort ? start + (start < 50 ? 2000 : 1900) : start;
  const [month, day] = [number(0), number(2)];
  const [hours, minutes, seconds] = [number(4), number(6), number(8)];
  const time = new Date(Date.UTC(year, month - 1, day, hours, minutes, seconds));
  // Date takes the 31st of April for the 1st of May, and the year 20 for 1920.
  const isSame =
    content.length === digits + 11 &&
    content[digits + 10] === 0x5a &&
    time.getUTCFullYear() === year &&
    time.getUTCMonth() === month - 1 &&
    time.getUTCDate() === day &&
    time.getUTCHours() === hours &&
    time.getUTCMinutes() === minutes &&
    time.getUTCSeconds() === seconds;
  if (isSame) return time;
  throw new SyntaxError(`the time ${JSON.stringify(latin1(content.subarray(0, 40)))} is none`);
}

/** The number that stands there in decimal; none (NaN) where there are other characters. */
function digitsOf(bytes: Uint8Array, start: number, count: number): number {
  let value = 0;
  for (let at = start; at < start + count; at++) {
    const digit = (bytes[at] ?? 0) - 0x30;
    value = digit >= 0 && digit <= 9 ? value * 10 + digit : Number.NaN;
  }
  return value;
}

type Extensions = Pick<
  Certificate,
  | "isCa"
  | "pathLength"
  | "keyUsage"
  | "extendedKeyUsages"
  | "alternativeNames"
  | "nameConstraints"
  | "extensions"
  | "criticalExtensions"
  | "unknownCritical"
>;

function parseExtensions(tagged: DerElement | undefined): Extensions {
  const values = new Map<string, Uint8Array>();
  const unknownCritical: string[] = [];
  const criticalExtensions = new Set<string>();
  const listed = tagged === undefined ? [] : parseDerSequence(tagged.content);
  for (const each of listed) {
    const parts = [...derElements(expectTag(each, TAG.sequence).content)];
    const hex = parseDerOid(parts.shift());
    const critical = parts[0]?.tag === TAGS.boolean ? isTrue(parts.shift()) : false;
    if (values.has(hex))
      throw new SyntaxError(`the extension ${dottedOid(hex)} stands there twice`);
    values.set(hex, expectTag(parts[0], TAG.octetString).content);
    if (critical) criticalExtensions.add(hex);
    if (critical && !UNDERSTOOD.has(hex)) unknownCritical.push(dottedOid(hex));
  }
  const read = <T>(hex: string, parse: (value: Uint8Array) => T): T | undefined => {
    const value = values.get(hex);
    return value === undefined ? undefined : parse(value);
  };
  const basic = read(OID.basicConstraints, parseBasicConstraints);
  const keyUsage = read(OID.keyUsage, parseKeyUsage);
  const extendedKeyUsages = read(OID.extendedKeyUsage, (value) =>
    parseDerSequence(value).map(parseDerOid),
  );
  const nameConstraints = read(OID.nameConstraints, parseNameConstraints);
  return {
    isCa: basic?.isCa ?? false,
    ...(basic?.pathLength === undefined ? {} : { pathLength: basic.pathLength }),
    ...(keyUsage === undefined ? {} : { keyUsage }),
    ...(extendedKeyUsages === undefined ? {} : { extendedKeyUsages }),
    alternativeNames:
      read(OID.alternativeNames, (value) => parseDerSequence(value).map(parseName)) ?? [],
    ...(nameConstraints === undefined ? {} : { nameConstraints }),
    extensions: values,
    criticalExtensions,
    unknownCritical,
  };
}

function isTrue(element: DerElement | undefined): boolean {
  const { content } = expectTag(element, TAGS.boolean);
  if (content.length !== 1) throw new SyntaxError("a BOOLEAN of more than one octet");
  return content[0] !== 0;
}

function parseBasicConstraints(value: Uint8Array): { isCa: boolean; pathLength?: number } {
  const parts = [...parseDerSequence(value)];
  const isCa = parts[0]?.tag === TAGS.boolean ? isTrue(parts.shift()) : false;
  if (parts[0] === undefined) return { isCa };
  const length = parseDerUnsigned(parts[0]);
  if (length.length > 1) return { isCa }; // more than 255: no limit that anything reaches
  return { isCa, pathLength: length[0] ?? 0 };
}

function parseKeyUsage(value: Uint8Array): ReadonlySet<KeyUsage> {
  const { content } = parseDer(value, TAG.bitString);
  const bits = content[1] ?? 0;
  const uses = new Set<KeyUsage>(["other"]);
  if ((bits & 0x80) !== 0) uses.add("digital-signature");
  if ((bits & 0x04) !== 0) uses.add("certificate-sign");
  return uses;
}

function parseName({ tag, content }: DerElement): AlternativeName {
  const kind = NAME_KINDS.get(tag);
  if (kind === "ip") return { kind, value: content.toHex() };
  if (kind !== undefined) return { kind, value: asciiText(content) };
  if (tag !== TAG_OTHER_NAME) return { kind: "unknown", value: "" };
  const [oid, wrapped] = derElements(content);
  const value = wrapped === undefined ? undefined : derElements(wrapped.content)[0];
  if (parseDerOid(oid) !== OID_FULCIO_OTHER_NAME || value?.tag !== TAGS.utf8String) {
    return { kind: "unknown", value: "" };
  }
  return { kind: "other", value: utf8Text(value.content) };
}

function utf8Text(bytes: Uint8Array): string {
  try {
    return parseUtf8(bytes);
  } catch (cause) {
    throw new SyntaxError("a name that is not UTF-8", { cause });
  }
}

/** IA5String: a name with other bytes, a NUL among them, could look like another. */
function asciiText(bytes: Uint8Array): string {
  const text = latin1(bytes);
  if (/^[\x20-\x7e]*$/.test(text)) return text;
  throw new SyntaxError("a name with characters outside of printable ASCII");
}

function parseNameConstraints(value: Uint8Array): NameConstraints {
  const parts = parseDerSequence(value);
  const subtrees = (tag: number): readonly AlternativeName[] =>
    parts
      .filter((part) => part.tag === tag)
      .flatMap((part) => derElements(part.content))
      .map((subtree) => {
        const [base, ...distances] = derElements(expectTag(subtree, TAG.sequence).content);
        if (base === undefined || distances.length > 0) {
          throw new SyntaxError("a name constraint with a minimum or maximum");
        }
        return parseName(base);
      });
  return { permitted: subtrees(0xa0), excluded: subtrees(0xa1) };
}
