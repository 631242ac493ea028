import { createHash } from "node:crypto";
import { verifySignature } from "../crypto/signature.ts";
import { parseTimestamp, type Timestamp } from "../formats/timestamp.ts";
import { isWithin, type TrustedAuthority } from "../formats/trusted_root.ts";
import { type Certificate, parseCertificate } from "../formats/x509.ts";
import { equalBytes } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";
import { USE, verifyCertificate } from "./certificate.ts";

/** A time that a trusted authority vouches for. */
export interface VerifiedTimestamp {
  readonly time: Date;
  readonly authority: TrustedAuthority;
}

/** Contents of the OBJECT IDENTIFIER of the extension extKeyUsage in hexadecimal. */
const OID_EXTENDED_KEY_USAGE = "551d25";

/**
 * Checks a timestamp (RFC 3161 §2.4.2) of `message` by one of the authorities: content, signature,
 * certificate and chain at the time that it states.
 *
 * @param response TimeStampResp, DER; attacker-controlled.
 * @throws {CosignError} `TIMESTAMP_INVALID` with what is wrong in it, `TIMESTAMP_UNTRUSTED` when none of
 * the authorities has made it.
 */
export function verifyTimestamp(
  response: Uint8Array,
  message: Uint8Array,
  authorities: readonly TrustedAuthority[],
): VerifiedTimestamp {
  const timestamp = parsed(response);
  const { imprint, signer, content, time } = timestamp;
  if (!equalBytes(hashOf(imprint.algorithm, message), imprint.digest)) {
    throw invalid("it is of something else than this signature");
  }
  if (!equalBytes(hashOf(signer.digest, content), signer.contentDigest)) {
    throw invalid("what is signed is not its content");
  }
  let why = "no trusted timestamp authority has made it";
  for (const authority of authorities) {
    // What came along is looked at only where the trusted root does not have the signer's certificate.
    const trusted = certificatesNamed(timestamp, authority.chain);
    const brought = trusted.length > 0 ? [] : timestamp.certificates.map(readBrought);
    const named = trusted.length > 0 ? trusted : certificatesNamed(timestamp, brought);
    if (named.length === 0) continue;
    const certificate = named.find((each) => isCertificateOf(timestamp, each));
    const refusal =
      certificate === undefined
        ? "it names another certificate than the one that has signed it"
        : refusalOf(timestamp, certificate, brought, authority);
    if (refusal === undefined) return { time, authority };
    why = refusal;
  }
  throw new CosignError("TIMESTAMP_UNTRUSTED", `failed to verify timestamps: ${why}`);
}

/** By issuer and number, which others may bear as well. */
function certificatesNamed(
  { signer }: Timestamp,
  certificates: readonly Certificate[],
): readonly Certificate[] {
  return certificates.filter(
    ({ issuer, serialNumber }) =>
      equalBytes(issuer, signer.issuer) && equalBytes(serialNumber, signer.serialNumber),
  );
}

function readBrought(der: Uint8Array): Certificate {
  try {
    return parseCertificate(der);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw invalid(describeError(cause), cause);
  }
}

/** Whether what was signed says that it was signed with this certificate (RFC 5816 §2.2.1). */
function isCertificateOf({ signer }: Timestamp, { der }: Certificate): boolean {
  const { algorithm, digest } = signer.certificateHash;
  return equalBytes(hashOf(algorithm, der), digest);
}

function refusalOf(
  { signer, time }: Timestamp,
  certificate: Certificate,
  brought: readonly Certificate[],
  { chain, validFor, uri }: TrustedAuthority,
): string | undefined {
  if (!isWithin(time, validFor)) {
    return `the authority "${uri}" was not trusted at ${time.toISOString()}`;
  }
  const [first] = chain;
  if (first?.isCa === false && !equalBytes(first.der, certificate.der)) {
    return "it is by another certificate than the trusted authority's";
  }
  const uses = certificate.extendedKeyUsages ?? [];
  const isOnlyForThis = uses.length === 1 && uses[0] === USE.timeStamping;
  if (!isOnlyForThis || !certificate.criticalExtensions.has(OID_EXTENDED_KEY_USAGE)) {
    return "its certificate is not one for time stamping only";
  }
  const root = chain.at(-1);
  try {
    const trust = {
      roots: root === undefined ? [] : [root],
      intermediates: [...chain.slice(0, -1), ...brought],
    };
    const { key } = verifyCertificate(certificate, trust, time, USE.timeStamping);
    verifySignature(key, signer.attributes, signer.signature, signer.digest);
    return undefined;
  } catch (error) {
    if (error instanceof CosignError) return error.message;
    throw error;
  }
}

function parsed(response: Uint8Array): Timestamp {
  try {
    return parseTimestamp(response);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw invalid(describeError(cause), cause);
  }
}

function hashOf(algorithm: string, bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash(algorithm).update(bytes).digest());
}

function invalid(why: string, cause?: unknown): CosignError {
  return new CosignError("TIMESTAMP_INVALID", `failed to verify timestamps: ${why}`, { cause });
}
