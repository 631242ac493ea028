import {
  type DerElement,
  derElements,
  expectTag,
  parseDerBitString,
  parseDerOid,
  parseDerSequence,
  parseDerUnsigned,
  TAG,
} from "../crypto/der.ts";
import { type Extension, goExtensions } from "./_go_extensions.ts";
import { goName } from "./_go_name.ts";
import type { GoValue } from "./go_value.ts";
import { dottedOid, parseDerTime } from "./x509.ts";

const TAGS = { version: 0xa0, extensions: 0xa3, boolean: 0x01 } as const;
/** Go's numbers of signature algorithms, by the contents of OBJECT IDENTIFIERs. */
const SIGNATURE_ALGORITHMS: ReadonlyMap<string, number> = new Map([
  ["2a864886f70d010104", 2], // MD5 with RSA
  ["2a864886f70d010105", 3], // SHA-1 with RSA
  ["2a864886f70d01010b", 4],
  ["2a864886f70d01010c", 5],
  ["2a864886f70d01010d", 6],
  ["2a8648ce3d0401", 9], // ECDSA with SHA-1
  ["2a8648ce3d040302", 10],
  ["2a8648ce3d040303", 11],
  ["2a8648ce3d040304", 12],
  ["2b6570", 16],
]);
const OID_RSA_PSS = "2a864886f70d01010a";
/** Go's numbers of RSA-PSS, by the digest in its parameters. */
const PSS_DIGESTS: readonly (readonly [string, number])[] = [
  ["0609608648016503040201", 13],
  ["0609608648016503040202", 14],
  ["0609608648016503040203", 15],
];

/**
 * A certificate as Go's `encoding/json` writes its `x509.Certificate`, which cosign prints where a signature
 * has one. Attacker-controlled; nothing of it is checked.
 *
 * @param der The certificate.
 * @throws {SyntaxError} when it cannot be read.
 */
export function goCertificate(der: Uint8Array): GoValue {
  const [tbs, algorithm, signature, ...more] = parseDerSequence(der);
  if (tbs === undefined || algorithm === undefined || more.length > 0) {
    throw new SyntaxError("not a certificate");
  }
  const fields = [...derElements(expectTag(tbs, TAG.sequence).content)];
  const version = fields[0]?.tag === TAGS.version ? fields.shift() : undefined;
  const [serialNumber, , issuer, validity, subject, spki, ...optional] = fields.map(required);
  const [notBefore, notAfter] = parseDerSequence(required(validity).raw);
  const key = parseKey(required(spki).raw);
  return {
    Raw: der,
    RawTBSCertificate: tbs.raw,
    RawSubjectPublicKeyInfo: required(spki).raw,
    RawSubject: required(subject).raw,
    RawIssuer: required(issuer).raw,
    Signature: parseDerBitString(signature),
    SignatureAlgorithm: signatureAlgorithm(algorithm),
    PublicKeyAlgorithm: key.algorithm,
    PublicKey: key.value,
    Version: version === undefined ? 1 : Number(unsigned(derElements(version.content)[0])) + 1,
    SerialNumber: unsigned(serialNumber),
    Issuer: goName(required(issuer)),
    Subject: goName(required(subject)),
    NotBefore: goTime(notBefore),
    NotAfter: goTime(notAfter),
    ...goExtensions(parseExtensions(optional.find(({ tag }) => tag === TAGS.extensions))),
  };
}

function parseExtensions(tagged: DerElement | undefined): readonly Extension[] | undefined {
  if (tagged === undefined) return undefined;
  return parseDerSequence(tagged.content).map((each) => {
    const parts = [...parseDerSequence(each.raw)];
    const oid = dottedOid(parseDerOid(parts.shift()));
    const critical = parts[0]?.tag === TAGS.boolean ? parts.shift() : undefined;
    const { content } = expectTag(parts[0], TAG.octetString);
    return { oid, isCritical: (critical?.content[0] ?? 0) !== 0, value: content };
  });
}

function parseKey(spki: Uint8Array): { readonly algorithm: number; readonly value: GoValue } {
  const [algorithm, key] = parseDerSequence(spki);
  const [oid] = parseDerSequence(required(algorithm).raw);
  const bits = parseDerBitString(key);
  switch (parseDerOid(oid)) {
    case "2a864886f70d010101": {
      const [modulus, exponent] = parseDerSequence(bits);
      return { algorithm: 1, value: { N: unsigned(modulus), E: Number(unsigned(exponent)) } };
    }
    case "2a8648ce3d0201": {
      const half = (bits.length - 1) / 2; // behind 04, the uncompressed form
      const [x, y] = [bits.subarray(1, 1 + half), bits.subarray(1 + half)].map(bigEndian);
      return { algorithm: 3, value: { Curve: {}, X: x, Y: y } };
    }
    case "2b6570":
      return { algorithm: 4, value: bits };
    default:
      return { algorithm: 0, value: null };
  }
}

function signatureAlgorithm(element: DerElement): number {
  const [oid, parameters] = parseDerSequence(element.raw);
  const hex = parseDerOid(oid);
  if (hex !== OID_RSA_PSS) return SIGNATURE_ALGORITHMS.get(hex) ?? 0;
  const text = parameters?.raw.toHex() ?? "";
  return PSS_DIGESTS.find(([digest]) => text.includes(digest))?.[1] ?? 0;
}

function goTime(element: DerElement | undefined): string {
  return `${parseDerTime(element).toISOString().slice(0, 19)}Z`;
}

function unsigned(element: DerElement | undefined): bigint {
  return bigEndian(parseDerUnsigned(element));
}

function bigEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x0${bytes.toHex()}`);
}

function required(element: DerElement | undefined): DerElement {
  if (element === undefined) throw new SyntaxError("a part of the certificate is missing");
  return element;
}
