import { checkCertificates, checkClientKey } from "../io/certificates.ts";
import type { TlsOptions } from "../io/http.ts";
import { CosignError } from "../model/errors.ts";
import type { SignatureFormat } from "../model/policy.ts";
import type { VouchSetup } from "../sign/open_vouching.ts";
import type { TrustContext } from "../trust/open.ts";
import { openSigningConfig } from "../trust/open_signing_config.ts";
import { missingService, type SelectedServices, selectServices } from "../trust/services.ts";
import { DEFAULT_ISSUER } from "./identity_options.ts";
import { usage } from "./parse.ts";
import { readPem } from "./registry_options.ts";
import type { SigningCall, SigningPlan, VouchFlags } from "./signing.ts";

const DEFAULT_FULCIO = "https://fulcio.sigstore.dev";
const DEFAULT_REKOR = "https://rekor.sigstore.dev";

/** Services that are there, each of them needed. */
export interface SigningServices {
  readonly fulcioUrl: string;
  readonly issuer: string;
  readonly vouching: VouchSetup;
}

/**
 * Opens what a plan needs: the services of the signing config, or those that the flags name.
 *
 * @param formats In which the signatures will be.
 * @throws {CosignError} `USAGE`, `SIGNING_CONFIG_INVALID`, `TRUST_…`, `FILE_READ`.
 */
export async function openServices(
  { isIssued, upload, services }: SigningPlan,
  { flags }: Pick<SigningCall, "flags">,
  formats: readonly SignatureFormat[],
  trust: TrustContext,
): Promise<SigningServices> {
  const selected =
    services === "flags" ? servicesOfFlags(flags) : await servicesOfConfig(flags, trust);
  const { fulcio, oidc, timestampAuthorities } = selected;
  if (isIssued && fulcio === undefined) throw missingService("certificate authority");
  const logs = upload ? selected.logs : [];
  const isTiled = logs.some(({ majorVersion }) => majorVersion === 2);
  if (isTiled && formats.includes("legacy")) {
    throw usage(
      "Signatures in the legacy format can be in a log of Rekor v1 only: the signing config names one of v2",
      "Sign as a bundle (--format bundle), or name a log: --rekor-url",
    );
  }
  if (isTiled && isIssued && timestampAuthorities.length === 0) {
    throw new CosignError(
      "SIGNING_CONFIG_INVALID",
      "a timestamp authority must be provided to request a short-lived certificate that will be logged to Rekor",
    );
  }
  const timestampTls = await readTimestampTls(flags);
  return {
    fulcioUrl: fulcio?.url ?? DEFAULT_FULCIO,
    issuer: oidc?.url ?? DEFAULT_ISSUER,
    vouching: {
      vouchers: { logs, timestampAuthorities },
      takesUnknownUnsafe: flags["insecure-skip-verify"],
      ...(timestampTls === undefined ? {} : { timestampTls }),
    },
  };
}

async function servicesOfConfig(flags: VouchFlags, trust: TrustContext): Promise<SelectedServices> {
  const signingConfig = flags["signing-config"];
  const sources = { useSigningConfig: true, ...(signingConfig ? { signingConfig } : {}) };
  const config = await openSigningConfig(sources, trust);
  if (config === undefined) throw new TypeError("A signing config was asked for, and none came");
  return selectServices(config, new Date());
}

/** A flag that is given as empty names no service. */
function servicesOfFlags(flags: VouchFlags): SelectedServices {
  const fulcio = flags["fulcio-url"] ?? DEFAULT_FULCIO;
  const rekor = flags["rekor-url"] ?? DEFAULT_REKOR;
  const timestamp = flags["timestamp-server-url"] ?? "";
  return {
    ...(fulcio === "" ? {} : { fulcio: { url: fulcio } }),
    oidc: { url: flags["oidc-issuer"] || DEFAULT_ISSUER },
    logs: rekor === "" ? [] : [{ url: rekor, majorVersion: 1 }],
    timestampAuthorities: timestamp === "" ? [] : [{ url: timestamp }],
  };
}

async function readTimestampTls(flags: VouchFlags): Promise<TlsOptions | undefined> {
  const caPem = await readPem(flags["timestamp-client-cacert"]);
  const certificatePem = await readPem(flags["timestamp-client-cert"]);
  const keyPem = await readPem(flags["timestamp-client-key"]);
  const serverName = flags["timestamp-server-name"];
  if ((certificatePem === undefined) !== (keyPem === undefined)) {
    throw usage("--timestamp-client-cert and --timestamp-client-key belong together");
  }
  if (caPem !== undefined) checkCertificates(caPem, "--timestamp-client-cacert");
  if (certificatePem !== undefined && keyPem !== undefined) {
    checkCertificates(certificatePem, "--timestamp-client-cert");
    checkClientKey(keyPem, certificatePem);
  }
  const tls = {
    ...(caPem === undefined ? {} : { caPem }),
    ...(certificatePem === undefined || keyPem === undefined ? {} : { certificatePem, keyPem }),
    ...(serverName ? { serverName } : {}),
  };
  return Object.keys(tls).length === 0 ? undefined : tls;
}
