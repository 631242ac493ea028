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
