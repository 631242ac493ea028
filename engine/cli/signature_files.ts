import { encodePem } from "../crypto/pem.ts";
import { writeOutputFile } from "../io/output_file.ts";
import { parseBase64 } from "../model/bytes.ts";
import { digestHex } from "../model/digest.ts";
import type { SignatureFact, Verdict } from "../model/verdict.ts";
import type { Output } from "./command.ts";
import type { FlagValues } from "./flag.ts";
import type { SIGN_FLAGS } from "./flags/sign.ts";
import { printableText } from "./printable.ts";

type Flags = Pick<
  FlagValues<typeof SIGN_FLAGS>,
  "output-signature" | "output-payload" | "output-certificate" | "bundle" | "recursive"
>;

const PRIVATE_MODE = 0o600;

/** Whether what was made is asked for in files. */
export function wantsSignatureFiles(flags: Flags): boolean {
  return Boolean(
    flags["output-signature"] ||
      flags["output-payload"] ||
      flags["output-certificate"] ||
      flags.bundle,
  );
}

/**
 * Writes what was made into the files that the user named; with `--recursive`, each image of an index
 * into a file of its own, as cosign names them.
 *
 * @param spki Of the key that signs without a certificate: it is written in the certificate's place.
 * @throws {CosignError} `FILE_WRITE`.
 */
export function writeSignatureFiles(
  verdict: Verdict,
  spki: Uint8Array | undefined,
  flags: Flags,
  stderr: Output,
): void {
  if (!wantsSignatureFiles(flags)) return;
  for (const { digest, signatures } of verdict.subjects) {
    const suffix = flags.recursive ? `-sha256-${digestHex(digest)}` : "";
    const legacy = lastOf(signatures, "legacy");
    const bundle = lastOf(signatures, "bundle")?.made?.bundle;
    const signaturePath = flags["output-signature"];
    const payloadPath = flags["output-payload"];
    if (signaturePath && legacy?.made !== undefined) {
      writeOutputFile(`${signaturePath}${suffix}`, legacy.made.signature, PRIVATE_MODE);
    }
    if (payloadPath && legacy?.made !== undefined) {
      writeOutputFile(`${payloadPath}${suffix}`, parseBase64(legacy.made.payload), PRIVATE_MODE);
    }
    const certificatePath = flags["output-certificate"];
    const der = legacy?.made?.certificate;
    if (certificatePath && legacy !== undefined && (der ?? spki) !== undefined) {
      const pem =
        der === undefined
          ? encodePem("PUBLIC KEY", spki ?? new Uint8Array())
          : encodePem("CERTIFICATE", parseBase64(der));
      writeOutputFile(certificatePath, pem, PRIVATE_MODE); // of all images the same
      stderr.write(`Certificate wrote in the file ${printableText(certificatePath)}\n`);
    }
    if (flags.bundle && bundle !== undefined) {
      writeOutputFile(`${flags.bundle}${suffix}`, parseBase64(bundle), PRIVATE_MODE);
      stderr.write(`Wrote bundle to file ${flags.bundle}${suffix}\n`);
    }
  }
}

function lastOf(
  signatures: readonly SignatureFact[],
  format: SignatureFact["format"],
): SignatureFact | undefined {
  return signatures.findLast((signature) => signature.format === format);
}
