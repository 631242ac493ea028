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
import { latin1 } from "../model/bytes.ts";
import { goOid, orNull } from "./_go_name.ts";
import { goUrl } from "./_go_url.ts";
import type { GoValue } from "./go_value.ts";
import { dottedOid } from "./x509.ts";

/** One extension of a certificate. */
export interface Extension {
  /** In dots. */
  readonly oid: string;
  readonly isCritical: boolean;
  readonly value: Uint8Array;
}

const OID_EXTENSIONS = "2.5.29.";
const OID_AUTHORITY_ACCESS = "1.3.6.1.5.5.7.1.1";
const OID_OCSP = "1.3.6.1.5.5.7.48.1";
const OID_ISSUERS = "1.3.6.1.5.5.7.48.2";
/** Those of 2.5.29 that Go reads. */
const READ = {
  subjectKeyId: 14,
  keyUsage: 15,
  alternativeNames: 17,
  basicConstraints: 19,
  nameConstraints: 30,
  distributionPoints: 31,
  policies: 32,
  policyMappings: 33,
  authorityKeyId: 35,
  policyConstraints: 36,
  extendedKeyUsage: 37,
  inhibitAnyPolicy: 54,
} as const;
/** Extended key usages in the order of Go's numbers. */
const EXTENDED_USAGES: readonly string[] = [
  "2.5.29.37.0",
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((number) => `1.3.6.1.5.5.7.3.${number}`),
  "1.3.6.1.4.1.311.10.3.3",
  "2.16.840.1.113730.4.1",
  "1.3.6.1.4.1.311.2.1.22",
  "1.3.6.1.4.1.311.61.1.1",
];
const TAG_BOOLEAN = 0x01;
const context = (number: number): number => 0x80 | number;
const constructed = (number: number): number => 0xa0 | number;
const NAME = { email: context(1), dns: context(2), uri: context(6), ip: context(7) } as const;

/** The extensions as fields of Go's `x509.Certificate`. @throws {SyntaxError} */
export function goExtensions(
  extensions: readonly Extension[] | undefined,
): Readonly<Record<string, GoValue>> {
  const listed = extensions ?? [];
  const extension = (number: number): Uint8Array | undefined =>
    listed.find(({ oid }) => oid === `${OID_EXTENSIONS}${number}`)?.value;
  const read = <T>(number: number, parse: (value: Uint8Array) => T, otherwise: T): T => {
    const value = extension(number);
    return value === undefined ? otherwise : parse(value);
  };
  const usages = read(READ.extendedKeyUsage, parseOids, []);
  const known = usages.filter((oid) => EXTENDED_USAGES.includes(oid));
  const unknown = usages.filter((oid) => !EXTENDED_USAGES.includes(oid));
  const names = read(READ.alternativeNames, parseDerSequence, []);
  const policies = read(READ.policies, parsePolicies, undefined);
  const access = listed.find(({ oid }) => oid === OID_AUTHORITY_ACCESS)?.value;
  const anyPolicy = read(
    READ.inhibitAnyPolicy,
    (value) => numberOf(parseDer(value, TAG.integer)),
    undefined,
  );
  return {
    KeyUsage: read(READ.keyUsage, parseKeyUsage, 0),
    Extensions:
      extensions === undefined
        ? null
        : listed.map(({ oid, isCritical, value }) => ({
            Id: goOid(oid),
            Critical: isCritical,
            Value: value,
          })),
    ExtraExtensions: null,
    UnhandledCriticalExtensions: orNull(
      listed
        .filter((each) => each.isCritical && !isHandled(each, names))
        .map(({ oid }) => goOid(oid)),
    ),
    ExtKeyUsage: orNull(known.map((oid) => EXTENDED_USAGES.indexOf(oid))),
    UnknownExtKeyUsage: orNull(unknown.map(goOid)),
    ...read(READ.basicConstraints, parseBasicConstraints, {
      BasicConstraintsValid: false,
      IsCA: false,
      MaxPathLen: 0,
      MaxPathLenZero: false,
    }),
    SubjectKeyId: read(
      READ.subjectKeyId,
      (value) => parseDer(value, TAG.octetString).content,
      null,
    ),
    AuthorityKeyId: read(READ.authorityKeyId, parseAuthorityKeyId, null),
    OCSPServer: accessOf(access, OID_OCSP),
    IssuingCertificateURL: accessOf(access, OID_ISSUERS),
    DNSNames: textsOf(names, NAME.dns),
    EmailAddresses: textsOf(names, NAME.email),
    IPAddresses: orNull(contentsOf(names, NAME.ip).map(addressOf)),
    URIs: orNull(contentsOf(names, NAME.uri).map((content) => goUrl(latin1(content)))),
    ...parseNameConstraints(
      listed.find(({ oid }) => oid === `${OID_EXTENSIONS}${READ.nameConstraints}`),
    ),
    CRLDistributionPoints: read(READ.distributionPoints, parseDistributionPoints, null),
    PolicyIdentifiers: policies === undefined ? null : policies.map(goOid),
    Policies: policies === undefined ? null : orNull(policies),
    InhibitAnyPolicy: anyPolicy ?? 0,
    InhibitAnyPolicyZero: anyPolicy === 0,
    ...parsePolicyConstraints(extension(READ.policyConstraints)),
    PolicyMappings: read(READ.policyMappings, parsePolicyMappings, null),
  };
}

/** Alternative names of kinds that Go does not read are not handled. */
function isHandled({ oid }: Extension, names: readonly DerElement[]): boolean {
  if (oid === `${OID_EXTENSIONS}${READ.alternativeNames}`) {
    return names.some(({ tag }) => Object.values(NAME).some((known) => known === tag));
  }
  return Object.values(READ).some((number) => oid === `${OID_EXTENSIONS}${number}`);
}

/** Go counts the bits of a BIT STRING from the first. */
function parseKeyUsage(value: Uint8Array): number {
  const [, ...octets] = parseDer(value, TAG.bitString).content;
  let usage = 0;
  for (let bit = 0; bit < 9; bit++) {
    if (((octets[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0) usage |= 1 << bit;
  }
  return usage;
}

function parseBasicConstraints(value: Uint8Array): Record<string, GoValue> {
  const parts = [...parseDerSequence(value)];
  const isCa = parts[0]?.tag === TAG_BOOLEAN ? (parts.shift()?.content[0] ?? 0) !== 0 : false;
  const length = parts[0] === undefined ? -1 : numberOf(parts[0]);
  return {
    BasicConstraintsValid: true,
    IsCA: isCa,
    MaxPathLen: length,
    MaxPathLenZero: length === 0,
  };
}

function parseAuthorityKeyId(value: Uint8Array): Uint8Array | null {
  return parseDerSequence(value).find(({ tag }) => tag === context(0))?.content ?? null;
}

function accessOf(value: Uint8Array | undefined, method: string): GoValue {
  const listed =
    value === undefined ? [] : parseDerSequence(value).map(({ raw }) => parseDerSequence(raw));
  const places = listed.flatMap(([oid, place]) =>
    place?.tag === NAME.uri && dottedOid(parseDerOid(oid)) === method
      ? [latin1(place.content)]
      : [],
  );
  return orNull(places);
}

function parseNameConstraints(extension: Extension | undefined): Record<string, GoValue> {
  const parts = extension === undefined ? [] : parseDerSequence(extension.value);
  const basesOf = (number: number): readonly DerElement[] =>
    parts
      .filter(({ tag }) => tag === constructed(number))
      .flatMap(({ content }) => derElements(content))
      .flatMap((subtree) => derElements(expectTag(subtree, TAG.sequence).content).slice(0, 1));
  const [permitted, excluded] = [basesOf(0), basesOf(1)];
  const rangesOf = (bases: readonly DerElement[]) =>
    orNull(contentsOf(bases, NAME.ip).map(rangeOf));
  return {
    PermittedDNSDomainsCritical: extension?.isCritical ?? false,
    PermittedDNSDomains: textsOf(permitted, NAME.dns),
    ExcludedDNSDomains: textsOf(excluded, NAME.dns),
    PermittedIPRanges: rangesOf(permitted),
    ExcludedIPRanges: rangesOf(excluded),
    PermittedEmailAddresses: textsOf(permitted, NAME.email),
    ExcludedEmailAddresses: textsOf(excluded, NAME.email),
    PermittedURIDomains: textsOf(permitted, NAME.uri),
    ExcludedURIDomains: textsOf(excluded, NAME.uri),
  };
}

function parseDistributionPoints(value: Uint8Array): GoValue {
  const urls = parseDerSequence(value)
    .flatMap(({ raw }) => parseDerSequence(raw).filter(({ tag }) => tag === constructed(0)))
    .flatMap(({ content }) => derElements(content).filter(({ tag }) => tag === constructed(0)))
    .flatMap(({ content }) => derElements(content));
  return textsOf(urls, NAME.uri);
}

function parsePolicies(value: Uint8Array): readonly string[] {
  return parseDerSequence(value).map(({ raw }) => dottedOid(parseDerOid(parseDerSequence(raw)[0])));
}

function parsePolicyMappings(value: Uint8Array): GoValue {
  const mappings = parseDerSequence(value).map(({ raw }) => {
    const [issuer, subject] = parseDerSequence(raw).map((oid) => dottedOid(parseDerOid(oid)));
    return { IssuerDomainPolicy: issuer ?? "", SubjectDomainPolicy: subject ?? "" };
  });
  return orNull(mappings);
}

function parsePolicyConstraints(value: Uint8Array | undefined): Record<string, GoValue> {
  const parts = value === undefined ? [] : parseDerSequence(value);
  const limitOf = (number: number): number | undefined => {
    const part = parts.find(({ tag }) => tag === context(number));
    return part === undefined
      ? undefined
      : numberOf({ tag: TAG.integer, content: part.content, raw: part.raw });
  };
  const [explicit, mapping] = [limitOf(0), limitOf(1)];
  return {
    InhibitPolicyMapping: mapping ?? 0,
    InhibitPolicyMappingZero: mapping === 0,
    RequireExplicitPolicy: explicit ?? 0,
    RequireExplicitPolicyZero: explicit === 0,
  };
}

function parseOids(value: Uint8Array): readonly string[] {
  return parseDerSequence(value).map((oid) => dottedOid(parseDerOid(oid)));
}

function contentsOf(names: readonly DerElement[], tag: number): readonly Uint8Array[] {
  return names.flatMap((name) => (name.tag === tag ? [name.content] : []));
}

function textsOf(names: readonly DerElement[], tag: number): readonly string[] | null {
  return orNull(contentsOf(names, tag).map(latin1));
}

function numberOf(element: DerElement): number {
  return Number(`0x0${parseDerUnsigned(element).toHex()}`);
}

/** An address as Go writes it (RFC 5952). */
function addressOf(bytes: Uint8Array): string {
  const hex = bytes.toHex();
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) throw new SyntaxError(`an IP address of ${bytes.length} bytes`);
  if (hex.startsWith("00000000000000000000ffff")) return bytes.subarray(12).join(".");
  return new URL(`http://[${hex.replaceAll(/(.{4})(?=.)/g, "$1:")}]`).hostname.slice(1, -1);
}

/** @param bytes Address and mask. */
function rangeOf(bytes: Uint8Array): GoValue {
  const half = bytes.length / 2;
  return { IP: addressOf(bytes.subarray(0, half)), Mask: bytes.subarray(half) };
}
