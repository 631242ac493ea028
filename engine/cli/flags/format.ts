/** In which format signatures lie beside an image. */
export const FORMAT_FLAGS = {
  "new-bundle-format": {
    type: "bool",
    brief: "write or expect signatures as Sigstore bundles",
    deprecated: "this will be the only supported format in future versions",
  },
} as const;

const FORMAT_CHOICE = {
  format: {
    type: "choice",
    values: ["legacy", "bundle", "both"],
    brief:
      "format to write: .sig tags, bundles, or both (default bundle; legacy with --compat 1 or 2)",
  },
} as const;

/** The format to write: cosign's flag, and ours with both at once. */
export const SIGN_FORMAT_FLAGS: typeof FORMAT_CHOICE & typeof FORMAT_FLAGS = {
  ...FORMAT_CHOICE,
  ...FORMAT_FLAGS,
};

/** Whether signatures go to a transparency log. */
export const SIGN_LOG_FLAGS = {
  "tlog-upload": {
    type: "bool",
    brief: "upload the signature to the transparency log",
    initial: true,
    deprecated: "prefer using a --signing-config file with no transparency log services",
  },
  "no-tlog-upload": {
    type: "bool",
    brief: "do not upload the signature to the transparency log",
    hidden: true,
  },
  "use-signing-config": {
    type: "bool",
    brief:
      "take the addresses of services from the signing config of TUF (default true, false with --compat 1 or 2)",
  },
  "signing-config": {
    type: "text",
    brief: "file of a signing config: the addresses of services",
    placeholder: "file",
  },
} as const;

/** Whether signatures must be in a transparency log. */
export const VERIFY_LOG_FLAGS = {
  "insecure-ignore-tlog": {
    type: "bool",
    brief: "do not demand that signatures are in a transparency log",
  },
  "private-infrastructure": {
    type: "bool",
    brief: "do not demand that signatures are in a transparency log",
    deprecated: "please use --insecure-ignore-tlog instead",
  },
} as const;

/** A file of trusted authorities and logs. */
export const TRUSTED_ROOT_FLAGS = {
  "trusted-root": {
    type: "text",
    brief: "file of a Sigstore trusted root",
    placeholder: "file",
  },
} as const;

/** Multi-arch indexes. */
export const RECURSIVE_FLAGS = {
  recursive: { type: "bool", brief: "work on every image of a multi-arch index too", short: "r" },
  "skip-unknown-platform": {
    type: "bool",
    brief: "leave out children of indexes whose platform is unknown/unknown",
  },
} as const;

/** What of an index must be signed. */
export const RECURSIVE_POLICY_FLAGS = {
  "recursive-policy": {
    type: "choice",
    values: ["leaf", "index", "either", "all"],
    brief: "what of an index must be signed, with -r (default all)",
  },
} as const;
