import { NO_MATERIAL } from "../formats/evidence.ts";
import { parseCertificate } from "../formats/x509.ts";
import { CosignError } from "../model/errors.ts";
import type { SearchedLog } from "../transparency/look_up.ts";
import type { LoggedSigner } from "../transparency/rekor_index.ts";
import { type SignedBlob, verifyBlob } from "../verify/blob.ts";
import { expectedSigner } from "../verify/blob_signer.ts";
import type { SignerPolicy, VerifiedSigner } from "../verify/signer.ts";

/**
 * Verifies a signature of which nobody says who made it: the log is asked, as cosign 1 does with
 * `COSIGN_EXPERIMENTAL=1`. The certificate that the log names must satisfy the policy like any other.
 *
 * @param blob With its SHA-256, and the digests that signatures may be over.
 * @throws {CosignError} `LOG_ENTRY_MISSING` when the log does not know the signature, or why the one that it
 * knows does not count.
 */
export async function verifyBlobByLog(
  blob: SignedBlob,
  signature: Uint8Array,
  policy: SignerPolicy,
  log: SearchedLog,
): Promise<VerifiedSigner> {
  const digest = blob.digests.sha256 ?? new Uint8Array();
  let last: CosignError | undefined;
  for (const signer of await log.findSigners(digest, signature)) {
    try {
      return verifyAs(signer, blob, signature, policy);
    } catch (error) {
      if (!(error instanceof CosignError)) throw error;
      last ??= error;
    }
  }
  throw (
    last ??
    new CosignError("LOG_ENTRY_MISSING", "could not find a tlog entry for provided blob", {
      hint: "Name the signer: --certificate, or --key",
    })
  );
}

function verifyAs(
  { certificate: der, entry }: LoggedSigner,
  blob: SignedBlob,
  signature: Uint8Array,
  trust: SignerPolicy,
): VerifiedSigner {
  const certificate = parsed(der);
  const { policy } = expectedSigner(trust, {
    kind: "certificate",
    certificate,
    isKeyless: false,
    intermediates: [],
  });
  const material = {
    ...NO_MATERIAL,
    certificates: [der],
    logEntries: [entry],
    logEvidence: "promise",
  } as const;
  return verifyBlob(blob, { kind: "signature", signature }, material, policy);
}

function parsed(der: Uint8Array): ReturnType<typeof parseCertificate> {
  try {
    return parseCertificate(der);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new CosignError(
      "CERTIFICATE_INVALID",
      `Cannot read the certificate in the log's entry: ${cause.message}`,
      { cause },
    );
  }
}
