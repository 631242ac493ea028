import { FORMAT_FLAGS, SIGN_FORMAT_FLAGS, SIGN_LOG_FLAGS, TRUSTED_ROOT_FLAGS } from "./format.ts";
import { SECURITY_KEY_FLAGS, WEAK_KEY_FLAGS } from "./key.ts";
import {
  CERTIFICATE_SIGN_FLAGS,
  FULCIO_FLAGS,
  OIDC_FLAGS,
  OUTPUT_CERTIFICATE_FLAGS,
  REKOR_FLAGS,
  TIMESTAMP_SIGN_FLAGS,
} from "./keyless.ts";
import { REFERENCE_FLAGS, REGISTRY_FLAGS } from "./registry.ts";
import { YES_FLAGS } from "./sign.ts";

/** What an attestation says of its subject. */
export const PREDICATE_FLAGS = {
  type: {
    type: "text",
    initial: "custom",
    brief:
      "type of the predicate: slsaprovenance, slsaprovenance02, slsaprovenance1, link, spdx, spdxjson, cyclonedx, vuln, openvex, custom, or an URI (default custom)",
    placeholder: "type",
  },
} as const;

const PREDICATE_FILE = {
  predicate: {
    type: "text",
    brief: "file of the predicate; - for standard input",
    placeholder: "file",
  },
  statement: {
    type: "text",
    brief: "file of a whole in-toto statement, instead of a predicate",
    placeholder: "file",
  },
} as const;

const ENTRY_TYPE = {
  "rekor-entry-type": {
    type: "text",
    initial: "dsse",
    brief: "type of the entry in the transparency log (default dsse)",
    placeholder: "dsse|intoto",
    deprecated:
      "support for this flag will be removed in the future. it is strongly discouraged to rely on Rekor for attestation storage, and in future releases of Rekor, this functionality will be removed.",
  },
} as const;

const KEY = {
  key: {
    type: "text",
    brief: "private key: a file, env://NAME, an https URL, or a key URI",
    placeholder: "uri",
  },
} as const;

const ATTEST_OWN = {
  bundle: {
    type: "text",
    brief: "write all that is needed to verify the attestation to a file",
    placeholder: "file",
  },
  "no-upload": {
    type: "bool",
    brief: "write the attestation to standard output, and nothing to the registry",
  },
  replace: {
    type: "bool",
    brief: "replace attestations of the same predicate type; of .att tags only",
    deprecated: "not needed when OCI referrers become the default behavior",
  },
  force: { type: "bool", brief: "answer yes to every question", short: "f", hidden: true },
  recursive: {
    type: "bool",
    support: "accepted",
    brief: "attest the images of an index too; cosign never did",
    short: "r",
  },
  "record-creation-timestamp": {
    type: "bool",
    brief: "write the time of creation into the attestation artifact",
    deprecated: "not used with the new bundle format",
  },
} as const;

/** The flags of `attest`. */
export const ATTEST_FLAGS: typeof KEY &
  typeof ATTEST_OWN &
  typeof PREDICATE_FLAGS &
  typeof PREDICATE_FILE &
  typeof ENTRY_TYPE &
  typeof SIGN_FORMAT_FLAGS &
  typeof SIGN_LOG_FLAGS &
  typeof YES_FLAGS &
  typeof SECURITY_KEY_FLAGS &
  typeof WEAK_KEY_FLAGS &
  typeof CERTIFICATE_SIGN_FLAGS &
  typeof TRUSTED_ROOT_FLAGS &
  typeof TIMESTAMP_SIGN_FLAGS &
  typeof FULCIO_FLAGS &
  typeof OIDC_FLAGS &
  typeof REKOR_FLAGS &
  typeof REFERENCE_FLAGS &
  typeof REGISTRY_FLAGS = {
  ...KEY,
  ...ATTEST_OWN,
  ...PREDICATE_FLAGS,
  ...PREDICATE_FILE,
  ...ENTRY_TYPE,
  ...SIGN_FORMAT_FLAGS,
  ...SIGN_LOG_FLAGS,
  ...YES_FLAGS,
  ...SECURITY_KEY_FLAGS,
  ...WEAK_KEY_FLAGS,
  ...CERTIFICATE_SIGN_FLAGS,
  ...TRUSTED_ROOT_FLAGS,
  ...TIMESTAMP_SIGN_FLAGS,
  ...FULCIO_FLAGS,
  ...OIDC_FLAGS,
  ...REKOR_FLAGS,
  ...REFERENCE_FLAGS,
  ...REGISTRY_FLAGS,
};

const BLOB_OWN = {
  bundle: {
    type: "text",
    brief: "write all that is needed to verify the file to a bundle",
    placeholder: "file",
  },
  hash: {
    type: "text",
    brief: "SHA-256 of the file in hexadecimal; then the file is not read",
    placeholder: "hex",
  },
  "output-attestation": {
    type: "text",
    brief: "write the statement to a file",
    placeholder: "file",
    deprecated:
      "please use --bundle to provide the output bundle location, which will include the attestation",
  },
  "output-signature": {
    type: "text",
    brief: "write the signed envelope to a file, instead of standard output",
    placeholder: "file",
    deprecated:
      "please use --bundle to provide the output bundle location, which will include the signature",
  },
  "rfc3161-timestamp-bundle": {
    type: "text",
    brief: "write the timestamp to a file",
    placeholder: "file",
    deprecated:
      "please use --bundle to provide the output bundle location, which will include the signed timestamp",
  },
} as const;

/** The flags of `attest-blob`. */
export const ATTEST_BLOB_FLAGS: typeof KEY &
  typeof BLOB_OWN &
  typeof PREDICATE_FLAGS &
  typeof PREDICATE_FILE &
  typeof ENTRY_TYPE &
  typeof FORMAT_FLAGS &
  typeof SIGN_LOG_FLAGS &
  typeof YES_FLAGS &
  typeof SECURITY_KEY_FLAGS &
  typeof WEAK_KEY_FLAGS &
  typeof CERTIFICATE_SIGN_FLAGS &
  typeof OUTPUT_CERTIFICATE_FLAGS &
  typeof TRUSTED_ROOT_FLAGS &
  typeof TIMESTAMP_SIGN_FLAGS &
  typeof FULCIO_FLAGS &
  typeof OIDC_FLAGS &
  typeof REKOR_FLAGS = {
  ...KEY,
  ...BLOB_OWN,
  ...PREDICATE_FLAGS,
  ...PREDICATE_FILE,
  ...ENTRY_TYPE,
  ...FORMAT_FLAGS,
  ...SIGN_LOG_FLAGS,
  ...YES_FLAGS,
  ...SECURITY_KEY_FLAGS,
  ...WEAK_KEY_FLAGS,
  ...CERTIFICATE_SIGN_FLAGS,
  ...OUTPUT_CERTIFICATE_FLAGS,
  ...TRUSTED_ROOT_FLAGS,
  ...TIMESTAMP_SIGN_FLAGS,
  ...FULCIO_FLAGS,
  ...OIDC_FLAGS,
  ...REKOR_FLAGS,
};
