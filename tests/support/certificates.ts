import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { encodeDer, TAG } from "../../engine/crypto/der.ts";
import { sha256 } from "../../engine/crypto/hash.ts";
import { encodePem } from "../../engine/crypto/pem.ts";

/** A certificate made for a test, with its private key. */
export interface TestCertificate {
  readonly der: Uint8Array;
  readonly pem: string;
  readonly privateKey: KeyObject;
  readonly subject: string;
}

/** What a certificate says; all of it may be wrong on purpose. */
export interface CertificateOptions {
  readonly subject: string;
  /** Who signs; itself when absent. */
  readonly issuer?: TestCertificate;
  /** Whose name stands as the issuer's, when it is another's than the signer's. */
  readonly issuerName?: string;
  readonly key?: KeyObject;
  /** The public key in it, when that is another than `key`'s: DER. */
  readonly spki?: Uint8Array;
  /** Default 2026-01-01 and 2036-01-01. */
  readonly notBefore?: string;
  readonly notAfter?: string;
  readonly ca?: boolean;
  readonly pathLength?: number;
  /** Bits from the left of the BIT STRING's first octet. */
  readonly keyUsage?: number;
  /** Contents of OBJECT IDENTIFIERs in hexadecimal. */
  readonly extendedKeyUsages?: readonly string[];
  /** Tag and content of each name: `[0x81, "mail@example.com"]`. */
  readonly names?: readonly (readonly [number, string | Uint8Array])[];
  readonly permitted?: readonly (readonly [number, string | Uint8Array])[];
  readonly excluded?: readonly (readonly [number, string | Uint8Array])[];
  readonly more?: readonly Uint8Array[];
  /** Identifies the algorithm inside, when that is another than outside. */
  readonly innerAlgorithm?: Uint8Array;
  readonly signature?: Uint8Array;
  readonly version?: number;
}

/** id-kp-codeSigning, id-kp-serverAuth. */
export const CODE_SIGNING = "2b06010505070303";
export const SERVER_AUTH = "2b06010505070301";
/** Bits of KeyUsage. */
export const DIGITAL_SIGNATURE = 0x80;
export const CERTIFICATE_SIGN = 0x04;

const bytesOf = (value: string | Uint8Array): Uint8Array =>
  typeof value === "string" ? new TextEncoder().encode(value) : value;
const sequence = (...parts: readonly Uint8Array[]): Uint8Array => encodeDer(TAG.sequence, ...parts);
const oid = (hex: string): Uint8Array => encodeDer(TAG.oid, Uint8Array.fromHex(hex));
const integer = (value: number): Uint8Array => encodeDer(TAG.integer, Uint8Array.of(value));

/** A new key of the kind that most tests need. */
export function newKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

/** One extension. */
export function extension(hex: string, value: Uint8Array, critical = false): Uint8Array {
  const flag = critical ? [encodeDer(0x01, Uint8Array.of(0xff))] : [];
  return sequence(oid(hex), ...flag, encodeDer(TAG.octetString, value));
}

/** Makes a certificate, signed with ECDSA, RSA or Ed25519 after the signer's key. */
export function makeCertificate(options: CertificateOptions): TestCertificate {
  const privateKey = options.key ?? newKey();
  const signer = options.issuer?.privateKey ?? privateKey;
  const algorithm = algorithmOf(signer);
  const issuerName = options.issuerName ?? options.issuer?.subject ?? options.subject;
  const version = options.version ?? 2;
  const spki = options.spki ?? publicOf(privateKey);
  const extensions = [...extensionsOf(options), ...keyIdentifiers(spki, publicOf(signer))];
  const tbs = sequence(
    ...(version === 0 ? [] : [encodeDer(0xa0, integer(version))]),
    encodeDer(TAG.integer, serialOf(spki)),
    options.innerAlgorithm ?? algorithm,
    nameOf(issuerName),
    sequence(
      timeOf(options.notBefore ?? "20260101000000Z"),
      timeOf(options.notAfter ?? "20360101000000Z"),
    ),
    nameOf(options.subject),
    spki,
    ...(extensions.length === 0 ? [] : [encodeDer(0xa3, sequence(...extensions))]),
  );
  const digest = signer.asymmetricKeyType === "ed25519" ? null : "sha256";
  const signature = options.signature ?? new Uint8Array(sign(digest, tbs, signer));
  const der = sequence(tbs, algorithm, encodeDer(TAG.bitString, Uint8Array.of(0), signature));
  return { der, pem: encodePem("CERTIFICATE", der), privateKey, subject: options.subject };
}

/** An authority with the usual extensions. */
export function makeAuthority(
  subject: string,
  issuer?: TestCertificate,
  more: Partial<CertificateOptions> = {},
): TestCertificate {
  return makeCertificate({
    subject,
    ca: true,
    keyUsage: CERTIFICATE_SIGN,
    ...(issuer === undefined ? {} : { issuer }),
    ...more,
  });
}

/** A code signing certificate with the usual extensions. */
export function makeLeaf(
  issuer: TestCertificate,
  more: Partial<CertificateOptions> = {},
): TestCertificate {
  return makeCertificate({
    subject: "leaf",
    issuer,
    keyUsage: DIGITAL_SIGNATURE,
    extendedKeyUsages: [CODE_SIGNING],
    names: [[0x81, "mail@example.com"]],
    ...more,
  });
}

/** The key's own identifier, and that of the authority's (RFC 5280 §4.2.1.1, §4.2.1.2). */
function keyIdentifiers(spki: Uint8Array, issuer: Uint8Array): readonly Uint8Array[] {
  const identifier = (key: Uint8Array): Uint8Array => sha256(key).subarray(0, 20);
  return [
    extension("551d0e", encodeDer(TAG.octetString, identifier(spki))),
    extension("551d23", sequence(encodeDer(0x80, identifier(issuer)))),
  ];
}

/** One issuer gives no number twice (RFC 5280 §4.1.2.2). */
function serialOf(spki: Uint8Array): Uint8Array {
  const serial = sha256(spki).subarray(0, 8);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40; // positive, and as long as it looks
  return serial;
}

function publicOf(privateKey: KeyObject): Uint8Array {
  return new Uint8Array(createPublicKey(privateKey).export({ format: "der", type: "spki" }));
}

function algorithmOf(key: KeyObject): Uint8Array {
  if (key.asymmetricKeyType === "ed25519") return sequence(oid("2b6570"));
  if (key.asymmetricKeyType === "rsa") return sequence(oid("2a864886f70d01010b"), encodeDer(5));
  return sequence(oid("2a8648ce3d040302"));
}

function nameOf(text: string): Uint8Array {
  if (text === "") return sequence();
  return sequence(encodeDer(0x31, sequence(oid("550403"), encodeDer(0x0c, bytesOf(text)))));
}

/** Until 2049 a UTCTime, in two digits (RFC 5280 §4.1.2.5). */
function timeOf(text: string): Uint8Array {
  const isShort = text.length === 13;
  if (!isShort && text < "2050") return encodeDer(0x17, bytesOf(text.slice(2)));
  return encodeDer(isShort ? 0x17 : 0x18, bytesOf(text));
}

function extensionsOf(options: CertificateOptions): readonly Uint8Array[] {
  const { ca, pathLength, keyUsage, extendedKeyUsages, names, permitted, excluded } = options;
  const list: Uint8Array[] = [];
  if (ca !== undefined) {
    const flag = ca ? [encodeDer(0x01, Uint8Array.of(0xff))] : [];
    const length = pathLength === undefined ? [] : [integer(pathLength)];
    list.push(extension("551d13", sequence(...flag, ...length), true));
  }
  if (keyUsage !== undefined) {
    list.push(extension("551d0f", encodeDer(TAG.bitString, Uint8Array.of(0, keyUsage)), true));
  }
  if (extendedKeyUsages !== undefined) {
    list.push(extension("551d25", sequence(...extendedKeyUsages.map(oid))));
  }
  const listed = (all: NonNullable<typeof names>): readonly Uint8Array[] =>
    all.map(([tag, value]) => encodeDer(tag, bytesOf(value)));
  if (names !== undefined) list.push(extension("551d11", sequence(...listed(names)), true));
  if (permitted !== undefined || excluded !== undefined) {
    const subtrees = (tag: number, all: typeof names): readonly Uint8Array[] =>
      all === undefined ? [] : [encodeDer(tag, ...listed(all).map((name) => sequence(name)))];
    list.push(
      extension(
        "551d1e",
        sequence(...subtrees(0xa0, permitted), ...subtrees(0xa1, excluded)),
        true,
      ),
    );
  }
  return [...list, ...(options.more ?? [])];
}
