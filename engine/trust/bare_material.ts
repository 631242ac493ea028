import { sha256 } from "../crypto/hash.ts";
import { parsePublicKeyDer, parsePublicKeyPem } from "../crypto/public_key.ts";
import type { TrustedAuthority, TrustedLog } from "../formats/trusted_root.ts";
import { type Certificate, parseCertificatesPem } from "../formats/x509.ts";
import { equalBytes } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";

const DER_SEQUENCE = 0x30; // no PEM begins with it

/**
 * The logs whose keys stand in a file: PEM blocks one after another, or one key as DER. Of when they
 * signed nothing is known, so that it is always.
 *
 * @param name Of the file; the log has no other.
 * @throws {CosignError} `KEY_…`.
 */
export function logsOf(file: Uint8Array, name: string): readonly TrustedLog[] {
  return publicKeysOf(file, name).map((key) => ({
    baseUrl: name,
    key,
    keyId: sha256(key.spki),
    validFor: {},
  }));
}

/** The authorities of certificates: each that has signed itself is a root, by way of all others. */
export function authoritiesOf(
  certificates: readonly Certificate[],
  uri: string,
): readonly TrustedAuthority[] {
  const between = certificates.filter((certificate) => !isSelfSigned(certificate));
  return certificates
    .filter(isSelfSigned)
    .map((root) => ({ uri, chain: [...between, root], validFor: {} }));
}

/** Whether a certificate names itself as its issuer: a root. */
export function isSelfSigned({ issuer, subject }: Certificate): boolean {
  return equalBytes(issuer, subject);
}

/** Reads PEM certificates. @param what In messages, behind "Cannot read". @throws {CosignError} `TRUST_INVALID`. */
export function certificatesOf(file: Uint8Array, what: string): readonly Certificate[] {
  try {
    return parseCertificatesPem(new TextDecoder().decode(file));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new CosignError("TRUST_INVALID", `Cannot read ${what}: ${describeError(cause)}`, {
      cause,
    });
  }
}

function publicKeysOf(file: Uint8Array, name: string): readonly TrustedLog["key"][] {
  if (file[0] === DER_SEQUENCE) return [parsePublicKeyDer(file, name)];
  const pem = new TextDecoder().decode(file);
  const blocks = pem.match(/-----BEGIN [\s\S]*?-----END [^\n]*/g) ?? [pem];
  return blocks.map((block) => parsePublicKeyPem(block, name));
}
