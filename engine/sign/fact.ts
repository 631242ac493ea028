import { sha256 } from "../crypto/hash.ts";
import { encodePem } from "../crypto/pem.ts";
import { encodeBlobBundle } from "../formats/blob_bundle.ts";
import { encodeEnvelopeBundle } from "../formats/bundle.ts";
import type { DsseEnvelope } from "../formats/dsse.ts";
import type { SigningIdentity } from "../keys/signing_identity.ts";
import { encodeBase64 } from "../model/bytes.ts";
import type { SignatureFact } from "../model/verdict.ts";
import { identityFacts } from "../verify/identity.ts";
import { signerFacts } from "../verify/signer_facts.ts";
import type { VouchedSignature } from "./vouch.ts";

/** What reports tell of who has signed. */
export function signerFact({
  signer: { publicKey },
  certificate,
}: SigningIdentity): Pick<SignatureFact, "key" | "keyDigest" | "certificate"> {
  return {
    key: publicKey.uri,
    keyDigest: `sha256:${sha256(publicKey.spki).toHex()}`,
    ...(certificate === undefined ? {} : { certificate: identityFacts(certificate) }),
  };
}

/** What reports tell of a new signature. */
export function vouchedFact({
  identity,
  verified,
  warnings: ofSignature,
}: VouchedSignature): Omit<SignatureFact, "format" | "payload" | "annotations"> {
  const warnings = [...(verified?.warnings ?? []), ...ofSignature];
  return {
    ...(verified === undefined ? {} : signerFacts(verified)),
    ...signerFact(identity),
    ...(warnings.length === 0 ? {} : { warnings }),
  };
}

/** A new signature for who wants to write it elsewhere. @param payload What was signed. */
export function madeFact(
  { identity: { certificate }, signature }: VouchedSignature,
  payload: Uint8Array,
  bundle?: Uint8Array,
): NonNullable<SignatureFact["made"]> {
  return {
    payload: encodeBase64(payload),
    signature: encodeBase64(signature),
    ...(certificate === undefined ? {} : { certificate: encodeBase64(certificate.der) }),
    ...(bundle === undefined ? {} : { bundle: encodeBase64(bundle) }),
  };
}

/** The bundle of an envelope and what vouches for its signature. */
export function bundleOf(
  envelope: DsseEnvelope,
  { identity, material }: VouchedSignature,
): Uint8Array {
  const { spki } = identity.signer.publicKey;
  return encodeEnvelopeBundle(envelope, { ...material, spki });
}

/**
 * The old bundle of a signature, or of an envelope's JSON.
 *
 * @param hasKey Whether it names the key where there is no certificate.
 */
export function oldBundleOf(
  signature: Uint8Array,
  { identity, material }: Pick<VouchedSignature, "identity" | "material">,
  hasKey: boolean,
): Uint8Array {
  const { certificate, signer } = identity;
  const [logEntry] = material.logEntries;
  const certificatePem =
    certificate === undefined
      ? hasKey && encodePem("PUBLIC KEY", signer.publicKey.spki)
      : encodePem("CERTIFICATE", certificate.der);
  return encodeBlobBundle({
    signature,
    ...(certificatePem ? { certificatePem } : {}),
    ...(logEntry === undefined ? {} : { logEntry }),
  });
}
