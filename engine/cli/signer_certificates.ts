import type { Certificate } from "../formats/x509.ts";
import { equalBytes } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";
import type { PublicKey } from "../model/key.ts";
import { verifyCertificate } from "../verify/certificate.ts";
import { type CertificateContext, readCertificates, trustOfChain } from "./certificate_files.ts";
import { usage } from "./parse.ts";

/** Where the certificate of a key lies that signs, and what stands above it. */
export interface SignerCertificateFlags {
  readonly certificate: string | undefined;
  readonly "certificate-chain": string | undefined;
}

/** Checks the flags before anything is opened. @throws {CosignError} `USAGE`. */
export function checkSignerCertificateFlags(flags: SignerCertificateFlags): void {
  if (flags["certificate-chain"] && !flags.certificate) {
    throw usage("--certificate-chain needs --certificate", "Add --certificate FILE");
  }
}

/**
 * Reads the certificate of a key, which must be the key's, and holds it against its chain.
 *
 * @returns the certificate, then its chain; nothing where none is named.
 * @throws {CosignError} `CERTIFICATE_INVALID`, `CERTIFICATE_UNTRUSTED`, `FILE_READ`, `LIMIT_EXCEEDED`.
 */
export async function readSignerCertificates(
  { certificate: source, "certificate-chain": chainSource }: SignerCertificateFlags,
  key: PublicKey,
  context: CertificateContext,
): Promise<readonly Certificate[]> {
  if (!source) return [];
  const [certificate] = await readCertificates(source, context);
  if (!equalBytes(certificate.spki, key.spki)) {
    throw new CosignError(
      "CERTIFICATE_INVALID",
      "public key in certificate does not match the provided public key",
    );
  }
  if (!chainSource) return [certificate];
  try {
    const chain = await readCertificates(chainSource, context);
    verifyCertificate(certificate, trustOfChain(chain), new Date());
    return [certificate, ...chain];
  } catch (error) {
    if (!(error instanceof CosignError)) throw error;
    throw new CosignError(
      error.code,
      `unable to validate certificate chain: ${describeError(error)}`,
      { cause: error },
    );
  }
}
