import { parseDer, parseDerSequence, TAG } from "../crypto/der.ts";
import { parsePublicKeyDer } from "../crypto/public_key.ts";
import { formatDistinguishedName, parseDistinguishedName } from "../formats/distinguished_name.ts";
import { embeddedScts, type Sct } from "../formats/sct.ts";
import type { TrustedRoot } from "../formats/trusted_root.ts";
import { type Certificate, dottedOid, parseCertificate } from "../formats/x509.ts";
import { equalBytes } from "../model/bytes.ts";
import { describeError } from "../model/errors.ts";
import { type InspectNode, node, presentNode, timeText } from "./inspect_node.ts";

/** Contents of OBJECT IDENTIFIERs in hexadecimal. */
const OID = {
  keyUsage: "551d0f",
  extendedKeyUsage: "551d25",
  subjectKeyId: "551d0e",
  authorityKeyId: "551d23",
  alternativeNames: "551d11",
  sctList: "2b06010401d679020402",
} as const;
/** Shown by themselves, so that they do not stand among the others. */
const SHOWN: ReadonlySet<string> = new Set([
  OID.keyUsage,
  OID.extendedKeyUsage,
  OID.subjectKeyId,
  OID.authorityKeyId,
  OID.alternativeNames,
]);
/** RFC 5280 §4.2.1.3, by their bits. */
const KEY_USAGES = [
  "Digital Signature",
  "Content Commitment",
  "Key Encipherment",
  "Data Encipherment",
  "Key Agreement",
  "Cert Sign",
  "CRL Sign",
  "Encipher Only",
  "Decipher Only",
] as const;
const EXTENDED_KEY_USAGES: Readonly<Record<string, string>> = {
  "2.5.29.37.0": "Any",
  "1.3.6.1.5.5.7.3.1": "Server Auth",
  "1.3.6.1.5.5.7.3.2": "Client Auth",
  "1.3.6.1.5.5.7.3.3": "Code Signing",
  "1.3.6.1.5.5.7.3.4": "Email Protection",
  "1.3.6.1.5.5.7.3.5": "IPSEC End System",
  "1.3.6.1.5.5.7.3.6": "IPSEC Tunnel",
  "1.3.6.1.5.5.7.3.7": "IPSEC User",
  "1.3.6.1.5.5.7.3.8": "Time Stamping",
  "1.3.6.1.5.5.7.3.9": "OCSP Signing",
};
/** Fulcio's extensions below 1.3.6.1.4.1.57264.1 (fulcio, `docs/oid-info.md`), from 1 on. */
const FULCIO = [
  "OIDC Issuer",
  "GitHub Workflow Trigger",
  "GitHub Workflow SHA",
  "GitHub Workflow Name",
  "GitHub Workflow Repository",
  "GitHub Workflow Ref",
  "OtherName SAN",
  "Issuer (V2)",
  "Build Signer URI",
  "Build Signer Digest",
  "Runner Environment",
  "Source Repository URI",
  "Source Repository Digest",
  "Source Repository Ref",
  "Source Repository Identifier",
  "Source Repository Owner URI",
  "Source Repository Owner Identifier",
  "Build Config URI",
  "Build Config Digest",
  "Build Trigger",
  "Run Invocation URI",
  "Source Repository Visibility At Signing",
  "Deployment Environment",
  "Token Subject",
] as const;
const FULCIO_PREFIX = "2b0601040183bf3001";
/** UTF8String, PrintableString, T61String, IA5String: what Go reads into a text. */
const TEXT_TAGS: ReadonlySet<number> = new Set([0x0c, 0x13, 0x14, 0x16]);
const TAG_KEY_ID = 0x80;
const CURVES = { "ecdsa-p256": "P-256", "ecdsa-p384": "P-384", "ecdsa-p521": "P-521" } as const;
const ED25519_BYTES = 32;

/** What a certificate says. What is none is told of. @param root Names logs and authorities. */
export function inspectCertificate(
  der: Uint8Array,
  root: TrustedRoot | undefined,
): readonly InspectNode[] {
  let certificate: Certificate;
  try {
    certificate = parseCertificate(der);
  } catch (error) {
    return [node("Error", `parsing certificate: ${describeError(error)}`)];
  }
  const { subject, signature, notBefore, notAfter } = certificate;
  const subjectText = formatDistinguishedName(parseDistinguishedName(subject));
  return [
    node("Signature Algorithm", algorithmText(certificate)),
    ...(subjectText === "" ? [] : [node("Subject", subjectText)]),
    ...issuerNodes(certificate),
    node(
      "Validity",
      "",
      node("Not Before", timeText(notBefore)),
      node("Not After", timeText(notAfter)),
    ),
    node("Subject Public Key Info", "", keyNodes(certificate)),
    node("Extensions", "", extensionNodes(certificate, root)),
    presentNode("Signature", signature),
  ];
}

function algorithmText({ signatureAlgorithm: algorithm }: Certificate): string {
  if (algorithm.key === "ed25519") return "Ed25519";
  const digest = algorithm.digest.toUpperCase();
  return algorithm.key === "ecdsa" ? `ECDSA-${digest}` : `${digest}-RSA`;
}

function issuerNodes({ issuer }: Certificate): readonly InspectNode[] {
  const parts = parseDistinguishedName(issuer);
  const commonName = parts.findLast(({ type }) => type === "CN")?.value ?? "";
  const organization = parts.find(({ type }) => type === "O")?.value;
  const country = parts.find(({ type }) => type === "C")?.value;
  if (commonName === "" && organization === undefined && country === undefined) return [];
  return [
    node(
      "Issuer",
      "",
      commonName === "" ? undefined : node("Common Name", commonName),
      organization === undefined ? undefined : node("Organization", organization),
      country === undefined ? undefined : node("Country", country),
    ),
  ];
}

function keyNodes({ spki }: Certificate): readonly InspectNode[] {
  let type: string;
  try {
    type = parsePublicKeyDer(spki, "certificate").type;
  } catch {
    return [node("Algorithm", "Unknown")];
  }
  if (type in CURVES) {
    const point = parseDer(parseDerSequence(spki)[1]?.raw ?? spki, TAG.bitString).content;
    return [
      node("Algorithm", "ECDSA"),
      node("Curve", CURVES[type as keyof typeof CURVES]),
      node("Public Key", abbreviated(point.subarray(1))),
    ];
  }
  if (type === "ed25519") {
    return [
      node("Algorithm", "Ed25519"),
      node("Public Key", abbreviated(spki.subarray(-ED25519_BYTES))),
    ];
  }
  return [node("Algorithm", "RSA"), node("Key Size", `${type.split("-")[1]} bits`)];
}

function abbreviated(bytes: Uint8Array): string {
  const hex = bytes.toHex();
  return `${hex.slice(0, 8)}...${hex.slice(-8)} (${bytes.length} bytes)`;
}

function extensionNodes(
  certificate: Certificate,
  root: TrustedRoot | undefined,
): readonly InspectNode[] {
  const { extensions } = certificate;
  return [
    ...identityNodes(certificate),
    ...usageNodes(certificate),
    ...keyIdNodes(certificate, root),
    ...[...extensions]
      .filter(([oid]) => !SHOWN.has(oid))
      .map(([oid, value]) => otherNode(oid, value, certificate, root)),
  ];
}

function identityNodes({ subject, alternativeNames }: Certificate): readonly InspectNode[] {
  const commonName = parseDistinguishedName(subject).findLast(({ type }) => type === "CN")?.value;
  const of = (kind: "email" | "uri") =>
    alternativeNames.filter((name) => name.kind === kind).map(({ value }) => value);
  const nodes = [
    ...(commonName ? [node("Common Name", commonName)] : []),
    ...of("email").map((email) => node("Email", email)),
    ...of("uri").map((uri) => node("URI", uri)),
  ];
  return nodes.length === 0 ? [] : [node("Identity (Subject Alternative Name)", "", nodes)];
}

function usageNodes({ extensions, extendedKeyUsages = [] }: Certificate): readonly InspectNode[] {
  const usage = extensions.get(OID.keyUsage);
  const [, first = 0, second = 0] =
    usage === undefined ? [] : parseDer(usage, TAG.bitString).content;
  const bits = (first << 8) | second;
  const usages = KEY_USAGES.filter((_, at) => (bits & (0x8000 >> at)) !== 0);
  const extended = extendedKeyUsages.map(dottedOid);
  const known = extended.flatMap((oid) => EXTENDED_KEY_USAGES[oid] ?? []);
  const unknown = extended.filter((oid) => !(oid in EXTENDED_KEY_USAGES));
  return [
    ["Key Usage", usages] as const,
    ["Extended Key Usage", known] as const,
    ["Unknown Extended Key Usage", unknown] as const,
  ].flatMap(([label, names]) => (names.length === 0 ? [] : [node(label, names.join(", "))]));
}

function keyIdNodes(
  { extensions }: Certificate,
  root: TrustedRoot | undefined,
): readonly InspectNode[] {
  const own = keyIdOf(extensions);
  const sequence = extensions.get(OID.authorityKeyId);
  const issuer =
    sequence && parseDerSequence(sequence).find(({ tag }) => tag === TAG_KEY_ID)?.content;
  const authority = root?.certificateAuthorities.find(({ chain }) =>
    chain.some((each) => isSame(keyIdOf(each.extensions), issuer)),
  );
  return [
    ...(own === undefined ? [] : [node("Subject Key ID", own.toHex())]),
    ...(issuer === undefined
      ? []
      : [
          authority?.uri
            ? node("Authority URL", authority.uri)
            : node("Authority Key ID", issuer.toHex()),
        ]),
  ];
}

function keyIdOf(extensions: Certificate["extensions"]): Uint8Array | undefined {
  const value = extensions.get(OID.subjectKeyId);
  return value && parseDer(value, TAG.octetString).content;
}

function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one !== undefined && other !== undefined && equalBytes(one, other);
}

function otherNode(
  oid: string,
  value: Uint8Array,
  certificate: Certificate,
  root: TrustedRoot | undefined,
): InspectNode {
  const scts = oid === OID.sctList ? sctsOf(certificate) : [];
  if (scts.length > 0) {
    return node(
      "Signed Certificate Timestamps",
      `${scts.length}`,
      scts.map((sct, at) => sctNode(sct, at, root)),
    );
  }
  const number = oid.startsWith(FULCIO_PREFIX) ? oid.slice(FULCIO_PREFIX.length) : "";
  const name = number.length === 2 ? FULCIO[Number.parseInt(number, 16) - 1] : undefined;
  if (name !== undefined) return node(name, textOf(value));
  const critical = certificate.criticalExtensions.has(oid);
  return node(`OID: ${dottedOid(oid)}`, `(Critical: ${critical}) [${value.length} bytes]`);
}

function sctsOf(certificate: Certificate): readonly Sct[] {
  try {
    return embeddedScts(certificate);
  } catch {
    return []; // shown as any other extension
  }
}

function sctNode(sct: Sct, at: number, root: TrustedRoot | undefined): InspectNode {
  const log = root?.ctLogs.find(({ keyId }) => equalBytes(keyId, sct.logId));
  const { extensions } = sct;
  return node(
    `Signed Certificate Timestamp [${at}]`,
    "",
    node("Version", "v1"),
    log?.baseUrl ? node("Log URL", log.baseUrl) : node("Log ID", sct.logId.toHex()),
    node("Timestamp", timeText(sct.time)),
    node("Extensions", extensions.length === 0 ? "none" : `${extensions.length} bytes`),
    presentNode("Signature", sct.signature),
  );
}

/** Old extensions are the text as it is, new ones DER. */
function textOf(value: Uint8Array): string {
  const tag = value[0] ?? 0;
  try {
    if (TEXT_TAGS.has(tag)) return new TextDecoder().decode(parseDer(value, tag).content);
  } catch {
    // it begins like DER, and is none
  }
  return new TextDecoder().decode(value);
}
