import { FORMAT_FLAGS, SIGN_LOG_FLAGS, TRUSTED_ROOT_FLAGS } from "./format.ts";
import { SECURITY_KEY_FLAGS, SIGNATURE_DIGEST_FLAGS, WEAK_KEY_FLAGS } from "./key.ts";
import {
  CERTIFICATE_VERIFY_FLAGS,
  FULCIO_FLAGS,
  OIDC_FLAGS,
  REKOR_FLAGS,
  TIMESTAMP_SIGN_FLAGS,
} from "./keyless.ts";
import { REFERENCE_FLAGS, REGISTRY_FLAGS } from "./registry.ts";
import { YES_FLAGS } from "./sign.ts";
import { COMMON_VERIFY_FLAGS } from "./verify.ts";

const SIGN = {
  key: {
    type: "text",
    brief: "private key: a file, env://NAME, an https URL, or a key URI",
    placeholder: "uri",
  },
  bundle: {
    type: "text",
    brief: "write all that is needed to verify the file to a bundle",
    placeholder: "file",
  },
  b64: {
    type: "bool",
    initial: true,
    brief: "write signatures and certificates in base64 (default true)",
    deprecated: "please use --bundle, which already base64 encodes content as appropriate",
  },
  "output-signature": {
    type: "text",
    brief: "write the signature to a file, instead of standard output",
    placeholder: "file",
    deprecated:
      "please use --bundle to provide the output bundle location, which will include the signature",
  },
  output: {
    type: "text",
    brief: "write the signature to a file, instead of standard output",
    placeholder: "file",
    deprecated:
      "please use --bundle to provide the output bundle location, which will include the signature",
  },
  "output-certificate": {
    type: "text",
    brief: "write the certificate to a file",
    placeholder: "file",
    deprecated:
      "please use --bundle to provide the output bundle location, which will include the certificate",
  },
  certificate: {
    type: "text",
    brief: "certificate of the key, for the bundle: PEM",
    placeholder: "file",
  },
  "certificate-chain": {
    type: "text",
    brief: "authorities of the certificate, which is checked against them: PEM, the root last",
    placeholder: "file",
  },
  "issue-certificate": {
    type: "bool",
    brief: "have a certificate issued although a key is given",
    deprecated: "support for this flag will be removed in the future",
  },
  "rfc3161-timestamp": {
    type: "text",
    brief: "write the timestamp to a file",
    placeholder: "file",
    deprecated:
      "please use --bundle to provide the output bundle location, which will include the signed timestamp",
  },
  "signing-algorithm": {
    type: "text",
    initial: "ecdsa-sha2-256-nistp256",
    brief: "algorithm of the key that is made for keyless signing",
    placeholder: "name",
  },
} as const;

/** The flags of `sign-blob`. */
export const SIGN_BLOB_FLAGS: typeof SIGN &
  typeof FORMAT_FLAGS &
  typeof SIGN_LOG_FLAGS &
  typeof YES_FLAGS &
  typeof SECURITY_KEY_FLAGS &
  typeof WEAK_KEY_FLAGS &
  typeof TRUSTED_ROOT_FLAGS &
  typeof TIMESTAMP_SIGN_FLAGS &
  typeof FULCIO_FLAGS &
  typeof OIDC_FLAGS &
  typeof REKOR_FLAGS &
  typeof REFERENCE_FLAGS &
  typeof REGISTRY_FLAGS = {
  ...SIGN,
  ...FORMAT_FLAGS,
  ...SIGN_LOG_FLAGS,
  ...YES_FLAGS,
  ...SECURITY_KEY_FLAGS,
  ...WEAK_KEY_FLAGS,
  ...TRUSTED_ROOT_FLAGS,
  ...TIMESTAMP_SIGN_FLAGS,
  ...FULCIO_FLAGS,
  ...OIDC_FLAGS,
  ...REKOR_FLAGS,
  ...REFERENCE_FLAGS,
  ...REGISTRY_FLAGS,
};

const VERIFY = {
  key: {
    type: "text",
    brief: "public key: a file, env://NAME, an https URL, or a key URI",
    placeholder: "uri",
  },
  signature: {
    type: "text",
    brief: "detached signature: a file, a URL, or the base64 itself",
    placeholder: "signature",
    deprecated: "please use --bundle to provide a signature",
  },
  bundle: { type: "text", brief: "file of a bundle, new or old", placeholder: "file" },
  "allow-dsse": {
    type: "bool",
    brief: "take a bundle that holds an attestation of the file for its signature, as cosign does",
  },
  "rfc3161-timestamp": {
    type: "text",
    brief: "file of a signed timestamp",
    placeholder: "file",
    deprecated:
      "please use --bundle to provide the output bundle location, which will include the signed timestamp",
  },
} as const;

/** The flags of `verify-blob`. */
export const VERIFY_BLOB_FLAGS: typeof CERTIFICATE_VERIFY_FLAGS &
  typeof VERIFY &
  typeof COMMON_VERIFY_FLAGS &
  typeof SECURITY_KEY_FLAGS &
  typeof WEAK_KEY_FLAGS &
  typeof SIGNATURE_DIGEST_FLAGS &
  typeof REFERENCE_FLAGS &
  typeof REGISTRY_FLAGS = {
  ...CERTIFICATE_VERIFY_FLAGS,
  ...VERIFY,
  ...COMMON_VERIFY_FLAGS,
  ...SECURITY_KEY_FLAGS,
  ...WEAK_KEY_FLAGS,
  ...SIGNATURE_DIGEST_FLAGS,
  ...REFERENCE_FLAGS,
  ...REGISTRY_FLAGS,
};
