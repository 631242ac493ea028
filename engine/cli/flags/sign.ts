import {
  RECURSIVE_FLAGS,
  SIGN_FORMAT_FLAGS,
  SIGN_LOG_FLAGS,
  TRUSTED_ROOT_FLAGS,
} from "./format.ts";
import { ANNOTATION_FLAGS, SECURITY_KEY_FLAGS, WEAK_KEY_FLAGS } from "./key.ts";
import {
  CERTIFICATE_SIGN_FLAGS,
  CONTAINER_IDENTITY_FLAGS,
  FULCIO_FLAGS,
  OIDC_FLAGS,
  OUTPUT_CERTIFICATE_FLAGS,
  REKOR_FLAGS,
  TIMESTAMP_SIGN_FLAGS,
} from "./keyless.ts";
import { REFERENCE_FLAGS, REFERRERS_MODE_FLAGS, REGISTRY_FLAGS } from "./registry.ts";

/** Passes over what is signed already. */
export const SKIP_SIGNED_FLAGS = {
  "skip-signed": {
    type: "bool",
    brief: "write no second signature by this key over the same payload",
  },
} as const;

/** Answers questions beforehand. */
export const YES_FLAGS = {
  yes: { type: "bool", brief: "answer yes to every question", short: "y" },
} as const;

const OWN = {
  key: {
    type: "text",
    brief: "private key: a file, env://NAME, an https URL, or a key URI",
    placeholder: "uri",
  },
  upload: { type: "bool", brief: "write the signature to the registry", initial: true },
  force: { type: "bool", brief: "answer yes to every question", short: "f", hidden: true },
  payload: {
    type: "text",
    brief: "sign the payload of a file instead of making one",
    placeholder: "file",
    deprecated: "payload will always be generated automatically in future versions",
  },
  "output-signature": {
    type: "text",
    brief: "write the signature to a file, in base64",
    placeholder: "file",
    deprecated:
      "please use --bundle to provide the output bundle location, which will include the signature",
  },
  "output-payload": {
    type: "text",
    brief: "write what was signed to a file",
    placeholder: "file",
    deprecated:
      "please use --bundle to provide the output bundle location, which will include the payload",
  },
  bundle: {
    type: "text",
    brief: "write all that is needed to verify the image to a file",
    placeholder: "file",
  },
  attachment: {
    type: "text",
    brief: "sign an attachment of the image instead (sbom)",
    placeholder: "sbom",
    deprecated:
      "please use OCI referrers for attachments; see `cosign attach sbom --registry-referrers-mode=oci-1-1 --help`",
  },
  "record-creation-timestamp": {
    type: "bool",
    brief: "write the time of creation into the signature artifact",
    deprecated: "not used with the new bundle format",
  },
} as const;

/** The flags of `sign`. */
export const SIGN_FLAGS: typeof OWN &
  typeof ANNOTATION_FLAGS &
  typeof SIGN_FORMAT_FLAGS &
  typeof RECURSIVE_FLAGS &
  typeof SKIP_SIGNED_FLAGS &
  typeof SIGN_LOG_FLAGS &
  typeof YES_FLAGS &
  typeof CONTAINER_IDENTITY_FLAGS &
  typeof SECURITY_KEY_FLAGS &
  typeof WEAK_KEY_FLAGS &
  typeof CERTIFICATE_SIGN_FLAGS &
  typeof OUTPUT_CERTIFICATE_FLAGS &
  typeof TRUSTED_ROOT_FLAGS &
  typeof TIMESTAMP_SIGN_FLAGS &
  typeof FULCIO_FLAGS &
  typeof OIDC_FLAGS &
  typeof REKOR_FLAGS &
  typeof REFERENCE_FLAGS &
  typeof REFERRERS_MODE_FLAGS &
  typeof REGISTRY_FLAGS = {
  ...OWN,
  ...ANNOTATION_FLAGS,
  ...SIGN_FORMAT_FLAGS,
  ...RECURSIVE_FLAGS,
  ...SKIP_SIGNED_FLAGS,
  ...SIGN_LOG_FLAGS,
  ...YES_FLAGS,
  ...CONTAINER_IDENTITY_FLAGS,
  ...SECURITY_KEY_FLAGS,
  ...WEAK_KEY_FLAGS,
  ...CERTIFICATE_SIGN_FLAGS,
  ...OUTPUT_CERTIFICATE_FLAGS,
  ...TRUSTED_ROOT_FLAGS,
  ...TIMESTAMP_SIGN_FLAGS,
  ...FULCIO_FLAGS,
  ...OIDC_FLAGS,
  ...REKOR_FLAGS,
  ...REFERENCE_FLAGS,
  ...REFERRERS_MODE_FLAGS,
  ...REGISTRY_FLAGS,
};
