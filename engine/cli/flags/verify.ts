import {
  FORMAT_FLAGS,
  RECURSIVE_FLAGS,
  RECURSIVE_POLICY_FLAGS,
  TRUSTED_ROOT_FLAGS,
  VERIFY_LOG_FLAGS,
} from "./format.ts";
import {
  ANNOTATION_FLAGS,
  SECURITY_KEY_FLAGS,
  SIGNATURE_DIGEST_FLAGS,
  WEAK_KEY_FLAGS,
} from "./key.ts";
import { CERTIFICATE_VERIFY_FLAGS } from "./keyless.ts";
import { REFERENCE_FLAGS, REGISTRY_FLAGS } from "./registry.ts";

/** Where entries are looked up that do not lie beside their signatures. */
export const SEARCH_LOG_FLAGS = {
  offline: {
    type: "bool",
    brief:
      "ask no transparency log for entries that do not lie beside their signatures, and no TUF repository",
    deprecated:
      "To verify in an airgapped environment, provide a --bundle with the signature and verification material, and a --trusted-root file with the service keys and certificates",
  },
  "rekor-url": {
    type: "text",
    brief: "transparency log that is asked for them (default https://rekor.sigstore.dev)",
    placeholder: "url",
    deprecated:
      "please use a signing config to specify a rekor url; see `cosign signing-config --help`",
  },
} as const;

const COMMON = {
  "timestamp-certificate-chain": {
    type: "text",
    brief: "PEM file of a timestamp authority's certificates",
    placeholder: "file",
    deprecated: "please use --trusted-root to provide the timestamp authority certificate chain",
  },
  "use-signed-timestamps": { type: "bool", brief: "demand signed timestamps" },
  "verify-time": {
    type: "choice",
    values: ["now"],
    brief: "judge certificates by the present time where no evidence states another",
  },
  "experimental-oci11": {
    type: "bool",
    brief: "look for signatures of the legacy format among referrers",
    deprecated: "OCI referrers will be the default behavior in future versions",
  },
  "max-workers": {
    type: "int",
    support: "accepted",
    initial: 10,
    brief: "signatures that are checked at once (default 10)",
  },
} as const;

/** What every command that verifies takes. */
export const COMMON_VERIFY_FLAGS: typeof SEARCH_LOG_FLAGS &
  typeof COMMON &
  typeof VERIFY_LOG_FLAGS &
  typeof TRUSTED_ROOT_FLAGS &
  typeof FORMAT_FLAGS = {
  ...SEARCH_LOG_FLAGS,
  ...COMMON,
  ...VERIFY_LOG_FLAGS,
  ...TRUSTED_ROOT_FLAGS,
  ...FORMAT_FLAGS,
};

const OWN = {
  key: {
    type: "text",
    brief: "public key: a file, env://NAME, an https URL, or a key URI",
    placeholder: "uri",
  },
  output: {
    type: "text",
    initial: "json",
    brief: "how signatures are printed: json or text (default json)",
    short: "o",
    placeholder: "json|text",
  },
  "check-claims": {
    type: "bool",
    brief: "check the digest and the annotations that were signed (default true)",
    initial: true,
  },
  "local-image": {
    type: "bool",
    brief: "the image is a directory: an OCI layout, or what `save` wrote",
  },
  attachment: {
    type: "text",
    brief: "verify an attachment of the image instead (sbom)",
    placeholder: "sbom",
    deprecated: "please use OCI referrers for attachments and verify with `--experimental-oci11`",
  },
  signature: {
    type: "text",
    brief: "verify this signature, and not those beside the image: its text, a file, or a URL",
    placeholder: "signature",
    deprecated:
      "signatures are automatically fetched from the OCI registry during image verification",
  },
  payload: {
    type: "text",
    brief: "payload that --signature is of: a file or a URL",
    placeholder: "file",
    deprecated: "payload will always be verified from the bundle in future versions",
  },
} as const;

/** The flags of `verify`. */
export const VERIFY_FLAGS: typeof OWN &
  typeof ANNOTATION_FLAGS &
  typeof RECURSIVE_FLAGS &
  typeof RECURSIVE_POLICY_FLAGS &
  typeof COMMON_VERIFY_FLAGS &
  typeof SECURITY_KEY_FLAGS &
  typeof WEAK_KEY_FLAGS &
  typeof SIGNATURE_DIGEST_FLAGS &
  typeof CERTIFICATE_VERIFY_FLAGS &
  typeof REFERENCE_FLAGS &
  typeof REGISTRY_FLAGS = {
  ...OWN,
  ...ANNOTATION_FLAGS,
  ...RECURSIVE_FLAGS,
  ...RECURSIVE_POLICY_FLAGS,
  ...COMMON_VERIFY_FLAGS,
  ...SECURITY_KEY_FLAGS,
  ...WEAK_KEY_FLAGS,
  ...SIGNATURE_DIGEST_FLAGS,
  ...CERTIFICATE_VERIFY_FLAGS,
  ...REFERENCE_FLAGS,
  ...REGISTRY_FLAGS,
};

/** The flags of `manifest verify`. */
export const MANIFEST_VERIFY_FLAGS: typeof VERIFY_FLAGS = VERIFY_FLAGS;

const DOCKERFILE = {
  "base-image-only": {
    type: "bool",
    brief: "verify the image of the last FROM only",
  },
  "build-arg": {
    type: "repeated",
    brief: "value of an ARG, as `docker build` gets it; repeatable",
    placeholder: "name=value",
  },
} as const;

/** The flags of `dockerfile verify`. */
export const DOCKERFILE_VERIFY_FLAGS: typeof DOCKERFILE & typeof VERIFY_FLAGS = {
  ...DOCKERFILE,
  ...VERIFY_FLAGS,
};
