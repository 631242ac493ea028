import { FULCIO_FLAGS, OIDC_FLAGS, REKOR_FLAGS } from "./keyless.ts";
import { REFERENCE_FLAGS, REGISTRY_FLAGS } from "./registry.ts";

/** The flags of `initialize`. */
export const INITIALIZE_FLAGS = {
  mirror: {
    type: "text",
    initial: "https://tuf-repo-cdn.sigstore.dev",
    brief: "address of the TUF repository",
    placeholder: "url",
  },
  root: { type: "text", brief: "file or address of the first root of trust", placeholder: "file" },
  "root-checksum": { type: "text", brief: "SHA-256 of that root", placeholder: "hex" },
  staging: { type: "bool", brief: "use the staging instance" },
  upload: {
    type: "int",
    initial: 3,
    brief: "keys that must have signed the root",
    placeholder: "count",
    hidden: true,
  },
} as const;

/** The flags of `bundle create`. */
export const BUNDLE_CREATE_FLAGS = {
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

/** The flags of `trusted-root create`. */
export const TRUSTED_ROOT_CREATE_FLAGS = {
  "certificate-chain": {
    type: "repeated",
    brief: "PEM file of a certificate authority",
    placeholder: "file",
    deprecated: "use --fulcio instead",
  },
  ctfe: {
    type: "repeated",
    brief: "a certificate transparency log: url=,public-key=,start-time=[,end-time=]",
    placeholder: "key=value,...",
  },
  "ctfe-end-time": {
    type: "repeated",
    brief: "when a certificate transparency log ended",
    placeholder: "time",
    deprecated: "use --ctfe instead",
  },
  "ctfe-key": {
    type: "repeated",
    brief: "key of a certificate transparency log",
    placeholder: "file",
    deprecated: "use --ctfe instead",
  },
  "ctfe-start-time": {
    type: "repeated",
    brief: "when a certificate transparency log began",
    placeholder: "time",
    deprecated: "use --ctfe instead",
  },
  "ctfe-url": {
    type: "repeated",
    brief: "address of a certificate transparency log",
    placeholder: "url",
    deprecated: "use --ctfe instead",
  },
  fulcio: {
    type: "repeated",
    brief: "a certificate authority: url=,certificate-chain=[,start-time=][,end-time=]",
    placeholder: "key=value,...",
  },
  "fulcio-uri": {
    type: "repeated",
    brief: "address of a certificate authority",
    placeholder: "url",
    deprecated: "use --fulcio instead",
  },
  "no-default-ctfe": { type: "bool", brief: "leave out the default certificate transparency logs" },
  "no-default-fulcio": { type: "bool", brief: "leave out the default certificate authorities" },
  "no-default-rekor": { type: "bool", brief: "leave out the default transparency logs" },
  "no-default-tsa": { type: "bool", brief: "leave out the default timestamp authorities" },
  out: { type: "text", brief: "file to write", placeholder: "file" },
  rekor: {
    type: "repeated",
    brief: "a transparency log: url=,public-key=,start-time=[,end-time=][,origin=]",
    placeholder: "key=value,...",
  },
  "rekor-end-time": {
    type: "repeated",
    brief: "when a transparency log ended",
    placeholder: "time",
    deprecated: "use --rekor instead",
  },
  "rekor-key": {
    type: "repeated",
    brief: "key of a transparency log",
    placeholder: "file",
    deprecated: "use --rekor instead",
  },
  "rekor-start-time": {
    type: "repeated",
    brief: "when a transparency log began",
    placeholder: "time",
    deprecated: "use --rekor instead",
  },
  "rekor-url": {
    type: "repeated",
    brief: "address of the transparency log",
    placeholder: "url",
    deprecated: "use --rekor instead",
  },
  "timestamp-certificate-chain": {
    type: "repeated",
    brief: "PEM file of a timestamp authority",
    placeholder: "file",
    deprecated: "use --tsa instead",
  },
  "timestamp-uri": {
    type: "repeated",
    brief: "address of a timestamp authority",
    placeholder: "url",
    deprecated: "use --tsa instead",
  },
  tsa: {
    type: "repeated",
    brief: "a timestamp authority: url=,certificate-chain=[,start-time=][,end-time=]",
    placeholder: "key=value,...",
  },
  "with-default-services": {
    type: "bool",
    brief: "begin with the services of the public instance",
  },
} as const;

/** The flags of `signing-config create`. */
export const SIGNING_CONFIG_CREATE_FLAGS = {
  "base-config": {
    type: "text",
    brief: "file of a signing config to begin with",
    placeholder: "file",
  },
  fulcio: {
    type: "repeated",
    brief: "a certificate authority: url=,api-version=,start-time=,operator=[,end-time=]",
    placeholder: "key=value,...",
  },
  "no-default-fulcio": { type: "bool", brief: "leave out the default certificate authorities" },
  "no-default-oidc": { type: "bool", brief: "leave out the default OIDC providers" },
  "no-default-rekor": { type: "bool", brief: "leave out the default transparency logs" },
  "no-default-tsa": { type: "bool", brief: "leave out the default timestamp authorities" },
  "oidc-provider": {
    type: "repeated",
    brief: "an OIDC provider: url=,api-version=,start-time=,operator=[,end-time=]",
    placeholder: "key=value,...",
  },
  out: { type: "text", brief: "file to write", placeholder: "file" },
  rekor: {
    type: "repeated",
    brief: "a transparency log: url=,api-version=,start-time=,operator=[,end-time=]",
    placeholder: "key=value,...",
  },
  "rekor-config": {
    type: "text",
    brief: "how many logs must be used",
    placeholder: "ANY|ALL|EXACT:count",
  },
  tsa: {
    type: "repeated",
    brief: "a timestamp authority: url=,api-version=,start-time=,operator=[,end-time=]",
    placeholder: "key=value,...",
  },
  "tsa-config": {
    type: "text",
    brief: "how many timestamp authorities must be used",
    placeholder: "ANY|ALL|EXACT:count",
  },
  "with-default-rekor-v2": {
    type: "bool",
    brief: "begin with the second version of the public log",
  },
  "with-default-services": {
    type: "bool",
    brief: "begin with the services of the public instance",
  },
} as const;

const POLICY_INIT = {
  expires: { type: "int", initial: 0, brief: "days until the policy expires", placeholder: "days" },
  issuer: { type: "text", brief: "issuer of the identities", placeholder: "url" },
  maintainers: {
    type: "list",
    brief: "identities that may sign; repeatable",
    short: "m",
    placeholder: "email,...",
  },
  namespace: { type: "text", brief: "repository of the policy", placeholder: "name" },
  out: { type: "text", brief: "file to write", placeholder: "file" },
  threshold: {
    type: "int",
    initial: 1,
    brief: "identities that must have signed",
    placeholder: "count",
  },
} as const;

/** The flags of `policy init`. */
export const POLICY_INIT_FLAGS: typeof POLICY_INIT &
  typeof REFERENCE_FLAGS &
  typeof REGISTRY_FLAGS = { ...POLICY_INIT, ...REFERENCE_FLAGS, ...REGISTRY_FLAGS };

const POLICY_SIGN = {
  namespace: { type: "text", brief: "repository of the policy", placeholder: "name" },
  out: { type: "text", brief: "file to write", placeholder: "file" },
  yes: { type: "bool", brief: "answer yes to every question", short: "y" },
} as const;

/** The flags of `policy sign`. */
export const POLICY_SIGN_FLAGS: typeof POLICY_SIGN &
  typeof REFERENCE_FLAGS &
  typeof REGISTRY_FLAGS &
  typeof FULCIO_FLAGS &
  typeof OIDC_FLAGS &
  typeof REKOR_FLAGS = {
  ...POLICY_SIGN,
  ...REFERENCE_FLAGS,
  ...REGISTRY_FLAGS,
  ...FULCIO_FLAGS,
  ...OIDC_FLAGS,
  ...REKOR_FLAGS,
};
