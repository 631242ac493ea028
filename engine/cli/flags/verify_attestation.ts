import { PREDICATE_FLAGS } from "./attest.ts";
import { SECURITY_KEY_FLAGS, SIGNATURE_DIGEST_FLAGS, WEAK_KEY_FLAGS } from "./key.ts";
import { CERTIFICATE_VERIFY_FLAGS, FULCIO_IGNORED_FLAGS } from "./keyless.ts";
import { REFERENCE_FLAGS, REGISTRY_FLAGS } from "./registry.ts";
import { COMMON_VERIFY_FLAGS } from "./verify.ts";

const KEY = {
  key: {
    type: "text",
    brief: "public key: a file, env://NAME, an https URL, or a key URI",
    placeholder: "uri",
  },
} as const;

const IMAGE_OWN = {
  "check-claims": {
    type: "bool",
    brief: "check that the statement is about the image (default true)",
    initial: true,
  },
  policy: {
    type: "list",
    brief: "file of a policy, .cue or .rego, that the statements must satisfy; repeatable",
    placeholder: "file,...",
  },
  output: {
    type: "text",
    initial: "json",
    brief: "json or text; attestations are JSON lines in both (default json)",
    short: "o",
    placeholder: "json|text",
  },
  "local-image": {
    type: "bool",
    brief: "the image is a directory: an OCI layout, or what `save` wrote",
  },
} as const;

/** The flags of `verify-attestation`. */
export const VERIFY_ATTESTATION_FLAGS: typeof KEY &
  typeof IMAGE_OWN &
  typeof PREDICATE_FLAGS &
  typeof COMMON_VERIFY_FLAGS &
  typeof SECURITY_KEY_FLAGS &
  typeof WEAK_KEY_FLAGS &
  typeof SIGNATURE_DIGEST_FLAGS &
  typeof CERTIFICATE_VERIFY_FLAGS &
  typeof FULCIO_IGNORED_FLAGS &
  typeof REFERENCE_FLAGS &
  typeof REGISTRY_FLAGS = {
  ...KEY,
  ...IMAGE_OWN,
  ...PREDICATE_FLAGS,
  ...COMMON_VERIFY_FLAGS,
  ...SECURITY_KEY_FLAGS,
  ...WEAK_KEY_FLAGS,
  ...SIGNATURE_DIGEST_FLAGS,
  ...CERTIFICATE_VERIFY_FLAGS,
  ...FULCIO_IGNORED_FLAGS,
  ...REFERENCE_FLAGS,
  ...REGISTRY_FLAGS,
};

const BLOB_OWN = {
  "check-claims": {
    type: "bool",
    brief: "check that the statement is about the file (default true)",
    initial: true,
  },
  signature: {
    type: "text",
    brief: "file of the signed envelope, as JSON or base64 of it",
    placeholder: "file",
    deprecated: "please use --bundle to provide a signature",
  },
  bundle: { type: "text", brief: "file of a bundle, new or old", placeholder: "file" },
  digest: {
    type: "text",
    brief: "digest of the file in hexadecimal, instead of the file",
    placeholder: "hex",
  },
  digestAlg: {
    type: "text",
    brief: "algorithm of that digest: sha256, sha384 or sha512",
    placeholder: "algorithm",
  },
  "rfc3161-timestamp": {
    type: "text",
    brief: "file of a signed timestamp",
    placeholder: "file",
    deprecated:
      "please use --bundle to provide the output bundle location, which will include the signed timestamp",
  },
} as const;

/** The flags of `verify-blob-attestation`. */
export const VERIFY_BLOB_ATTESTATION_FLAGS: typeof CERTIFICATE_VERIFY_FLAGS &
  typeof KEY &
  typeof BLOB_OWN &
  typeof PREDICATE_FLAGS &
  typeof COMMON_VERIFY_FLAGS &
  typeof SECURITY_KEY_FLAGS &
  typeof WEAK_KEY_FLAGS &
  typeof SIGNATURE_DIGEST_FLAGS = {
  ...CERTIFICATE_VERIFY_FLAGS,
  ...KEY,
  ...BLOB_OWN,
  ...PREDICATE_FLAGS,
  ...COMMON_VERIFY_FLAGS,
  ...SECURITY_KEY_FLAGS,
  ...WEAK_KEY_FLAGS,
  ...SIGNATURE_DIGEST_FLAGS,
};
