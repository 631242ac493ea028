import { encodePem } from "../crypto/pem.ts";
import { parsePublicKeyPem } from "../crypto/public_key.ts";
import { type Certificate, parseCertificatesPem } from "../formats/x509.ts";
import { readShort } from "../io/blob.ts";
import { parseBase64, parseUtf8 } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";
import type { PublicKey } from "../model/key.ts";
import type { Trust } from "../verify/certificate.ts";
import type { World } from "./command.ts";

/** Where certificates are read from. */
export interface CertificateContext {
  readonly env: World["env"];
  readonly signal: AbortSignal;
}

/** How a certificate begins in DER: a SEQUENCE whose length takes two bytes. */
const DER_SEQUENCE = 0x30;
const DER_LONG = 0x82;
const MAX_CERTIFICATES_BYTES = 1024 * 1024; // a certificate has 2 KB

/**
 * Reads the certificates of a PEM file, or of base64 of PEM, or one of DER; a file or a URL.
 *
 * @throws {CosignError} `CERTIFICATE_INVALID`, `FILE_READ`, `LIMIT_EXCEEDED`.
 */
export async function readCertificates(
  source: string,
  context: CertificateContext,
): Promise<readonly [Certificate, ...Certificate[]]> {
  const bytes = await readShort(source, MAX_CERTIFICATES_BYTES, context);
  const isDer = bytes[0] === DER_SEQUENCE && bytes[1] === DER_LONG;
  const pem = isDer ? encodePem("CERTIFICATE", bytes) : decodePem(bytes);
  return parseCertificates(pem, `"${source}"`);
}

/** Reads certificates from PEM. @param what Where they come from. @throws {CosignError} */
export function parseCertificates(
  pem: string,
  what: string,
): readonly [Certificate, ...Certificate[]] {
  try {
    const [first, ...more] = parseCertificatesPem(pem);
    if (first === undefined) throw new SyntaxError("no certs found in pem file");
    return [first, ...more];
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new CosignError(
      "CERTIFICATE_INVALID",
      `Cannot read certificate ${what}: ${describeError(cause)}`,
      { cause },
    );
  }
}

/** Reads what old bundles call `cert`: a certificate, or a bare public key. @throws {CosignError} */
export function parseCertificateOrKey(
  pem: string,
  what: string,
):
  | { readonly kind: "certificate"; readonly certificate: Certificate }
  | { readonly kind: "key"; readonly key: PublicKey } {
  if (/-----BEGIN (?:RSA )?PUBLIC KEY-----/.test(pem)) {
    return { kind: "key", key: parsePublicKeyPem(pem, what) };
  }
  return { kind: "certificate", certificate: parseCertificates(pem, what)[0] };
}

/** Whom a `--certificate-chain` file makes believed: its last certificate, by way of the others. */
export function trustOfChain(chain: readonly [Certificate, ...Certificate[]]): Trust {
  const root = chain.at(-1) ?? chain[0];
  return { roots: [root], intermediates: chain.slice(0, -1) };
}

function decodePem(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes);
  if (text.includes("-----BEGIN ")) return text;
  try {
    return parseUtf8(parseBase64(text.trim()));
  } catch {
    return text; // neither: the parser says what is wrong
  }
}
