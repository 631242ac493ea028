import { WEAK_KEY_FLAGS } from "./key.ts";

const BUNDLE_CREATE = {
  artifact: { type: "text", brief: "what was signed", placeholder: "file" },
  attestation: { type: "text", brief: "file of the attestation", placeholder: "file" },
  bundle: { type: "text", brief: "file of an old bundle", placeholder: "file" },
  certificate: { type: "text", brief: "PEM file of the certificate", placeholder: "file" },
  "ignore-tlog": { type: "bool", brief: "do not look for the entry in the transparency log" },
  key: {
    type: "text",
    brief: "public key: a file, env://NAME, an https URL, or a key URI",
    placeholder: "uri",
  },
  out: { type: "text", brief: "file to write", placeholder: "file" },
  "rekor-url": {
    type: "text",
    initial: "https://rekor.sigstore.dev",
    brief: "address of the transparency log",
    placeholder: "url",
    deprecated:
      "please use a signing config to specify a rekor url; see `cosign signing-config --help`",
  },
  "rfc3161-timestamp": { type: "text", brief: "file of a timestamp", placeholder: "file" },
  signature: { type: "text", brief: "file of the signature", placeholder: "file" },
  sk: { type: "bool", brief: "use a hardware token" },
  slot: {
    type: "text",
    initial: "signature",
    brief: "slot of the hardware token",
    placeholder: "slot",
  },
} as const;

/** The flags of `bundle create`. */
export const BUNDLE_CREATE_FLAGS: typeof BUNDLE_CREATE & typeof WEAK_KEY_FLAGS = {
  ...BUNDLE_CREATE,
  ...WEAK_KEY_FLAGS,
};

/** The flags of `bundle upgrade`. */
export const BUNDLE_UPGRADE_FLAGS = {
  out: { type: "text", brief: "file to write", placeholder: "file" },
  "rekor-url": {
    type: "text",
    initial: "https://rekor.sigstore.dev",
    brief: "address of the transparency log",
    placeholder: "url",
  },
} as const;
