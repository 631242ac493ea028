import { ANNOTATION_FLAGS, WEAK_KEY_FLAGS } from "./key.ts";
import { REFERENCE_FLAGS, REFERRERS_MODE_FLAGS, REGISTRY_FLAGS } from "./registry.ts";

/** What every command takes that reads or writes beside an image. */
export const IMAGE_FLAGS: typeof REFERENCE_FLAGS & typeof REGISTRY_FLAGS = {
  ...REFERENCE_FLAGS,
  ...REGISTRY_FLAGS,
};

const COPY = {
  only: {
    type: "list",
    brief: "copy only the image and these, without its tag: sig, att, sbom",
    placeholder: "sig,att,sbom",
  },
  "sig-only": {
    type: "bool",
    brief: "copy only the image and its signatures",
    deprecated: "use --only=sig instead",
  },
  force: { type: "bool", brief: "overwrite what is there", short: "f" },
  platform: {
    type: "text",
    brief: "copy only the image for this platform, with what belongs to it",
    placeholder: "os/arch",
  },
} as const;

/** The flags of `copy`. */
export const COPY_FLAGS: typeof COPY & typeof IMAGE_FLAGS = { ...COPY, ...IMAGE_FLAGS };

const DIRECTORY = {
  dir: { type: "text", brief: "directory of the saved image", placeholder: "dir" },
} as const;

/** The flags of `save` and `load`. */
export const SAVED_FLAGS: typeof DIRECTORY & typeof IMAGE_FLAGS = { ...DIRECTORY, ...IMAGE_FLAGS };

const CLEAN = {
  type: {
    type: "text",
    initial: "all",
    brief: "what to remove (default all)",
    placeholder: "signature|attestation|referrer|sbom|all",
  },
  force: { type: "bool", brief: "do not ask", short: "f" },
} as const;

/** The flags of `clean`. */
export const CLEAN_FLAGS: typeof CLEAN & typeof IMAGE_FLAGS = { ...CLEAN, ...IMAGE_FLAGS };

const TREE = {
  "experimental-oci11": {
    type: "bool",
    initial: true,
    brief: "list referrers too (default true; false with --compat 1 or 2)",
    deprecated: "OCI referrers will be the default behavior in future versions",
  },
} as const;

/** The flags of `tree`. */
export const TREE_FLAGS: typeof TREE & typeof REFERRERS_MODE_FLAGS & typeof IMAGE_FLAGS = {
  ...TREE,
  ...REFERRERS_MODE_FLAGS,
  ...IMAGE_FLAGS,
};

const TRIANGULATE = {
  type: {
    type: "text",
    initial: "signature",
    brief: "what to name (default signature)",
    placeholder: "attestation|sbom|signature|digest",
  },
} as const;

/** The flags of `triangulate`. */
export const TRIANGULATE_FLAGS: typeof TRIANGULATE & typeof IMAGE_FLAGS = {
  ...TRIANGULATE,
  ...IMAGE_FLAGS,
};

/** The flags of `generate`. */
export const GENERATE_FLAGS: typeof ANNOTATION_FLAGS & typeof IMAGE_FLAGS = {
  ...ANNOTATION_FLAGS,
  ...IMAGE_FLAGS,
};

const ATTACH_SIGNATURE = {
  signature: {
    type: "text",
    brief: "file of the signature in base64, or - for standard input",
    placeholder: "file",
  },
  payload: { type: "text", brief: "file of what was signed, or a bundle", placeholder: "file" },
  bundle: { type: "text", brief: "file of a bundle", placeholder: "file" },
  certificate: { type: "text", brief: "PEM file of the certificate", placeholder: "file" },
  "certificate-chain": {
    type: "text",
    brief: "PEM file of the certificate's authorities",
    placeholder: "file",
  },
  tsr: { type: "text", brief: "file of a timestamp response (RFC 3161)", placeholder: "file" },
  "rekor-response": {
    type: "text",
    brief: "file of an old bundle with the log's promise",
    placeholder: "file",
  },
} as const;

/** The flags of `attach signature`. */
export const ATTACH_SIGNATURE_FLAGS: typeof ATTACH_SIGNATURE & typeof IMAGE_FLAGS = {
  ...ATTACH_SIGNATURE,
  ...IMAGE_FLAGS,
};

const ATTACH_SBOM = {
  sbom: { type: "text", brief: "file of the SBOM, or - for standard input", placeholder: "file" },
  type: {
    type: "text",
    initial: "spdx",
    brief: "type of the SBOM (default spdx)",
    placeholder: "spdx|cyclonedx|syft",
  },
  "input-format": {
    type: "text",
    brief: "format of the SBOM",
    placeholder: "json|xml|text",
  },
} as const;

/** The flags of `attach sbom`. */
export const ATTACH_SBOM_FLAGS: typeof ATTACH_SBOM &
  typeof REFERRERS_MODE_FLAGS &
  typeof IMAGE_FLAGS = { ...ATTACH_SBOM, ...REFERRERS_MODE_FLAGS, ...IMAGE_FLAGS };

const ATTACH_ATTESTATION = {
  attestation: {
    type: "repeated",
    brief: "file of envelopes or of a bundle; repeatable",
    placeholder: "file",
  },
} as const;

/** The flags of `attach attestation`. */
export const ATTACH_ATTESTATION_FLAGS: typeof ATTACH_ATTESTATION & typeof IMAGE_FLAGS = {
  ...ATTACH_ATTESTATION,
  ...IMAGE_FLAGS,
};

const PLATFORM = {
  platform: {
    type: "text",
    brief: "of the image for this platform, instead of the index",
    placeholder: "os/arch",
  },
} as const;

/** The flags of `download sbom`. */
export const DOWNLOAD_SBOM_FLAGS: typeof PLATFORM & typeof IMAGE_FLAGS = {
  ...PLATFORM,
  ...IMAGE_FLAGS,
};

const PREDICATE_TYPE = {
  "predicate-type": {
    type: "text",
    brief: "only attestations of this type: a short name or an URI",
    placeholder: "type",
  },
} as const;

/** The flags of `download attestation`. */
export const DOWNLOAD_ATTESTATION_FLAGS: typeof PREDICATE_TYPE &
  typeof PLATFORM &
  typeof IMAGE_FLAGS = { ...PREDICATE_TYPE, ...PLATFORM, ...IMAGE_FLAGS };

const UPLOAD_BLOB = {
  files: {
    type: "list",
    brief: "file to upload, and its platform where there are several; repeatable",
    short: "f",
    placeholder: "file[:os/arch]",
  },
  ct: { type: "text", brief: "media type (default: by the content)", placeholder: "type" },
  annotation: {
    type: "list",
    brief: "NAME=VALUE to put into the manifest; repeatable",
    short: "a",
    placeholder: "name=value,...",
  },
} as const;

/** The flags of `upload blob`. */
export const UPLOAD_BLOB_FLAGS: typeof UPLOAD_BLOB & typeof IMAGE_FLAGS = {
  ...UPLOAD_BLOB,
  ...IMAGE_FLAGS,
};

const UPLOAD_WASM = {
  file: { type: "text", brief: "module to upload", short: "f", placeholder: "file" },
  form: {
    type: "choice",
    values: ["cosign", "cncf"],
    brief: "form of the artifact: cosign's, or the CNCF's (application/wasm)",
  },
} as const;

/** The flags of `upload wasm`. */
export const UPLOAD_WASM_FLAGS: typeof UPLOAD_WASM & typeof IMAGE_FLAGS = {
  ...UPLOAD_WASM,
  ...IMAGE_FLAGS,
};

const UPLOAD_TEKTON = {
  filenames: {
    type: "list",
    brief: "file of resources in YAML or JSON, or - for standard input; repeatable",
    short: "f",
    placeholder: "file",
  },
  annotate: {
    type: "list",
    brief: "NAME=VALUE to put into the manifest; repeatable",
    placeholder: "name=value,...",
  },
  label: {
    type: "list",
    brief: "NAME=VALUE to put into the config; repeatable",
    placeholder: "name=value,...",
  },
  ctime: {
    type: "text",
    brief: "when it was made (default: $SOURCE_DATE_EPOCH, else 1970)",
    placeholder: "time",
  },
} as const;

/** The flags of `upload tekton`. */
export const UPLOAD_TEKTON_FLAGS: typeof UPLOAD_TEKTON & typeof IMAGE_FLAGS = {
  ...UPLOAD_TEKTON,
  ...IMAGE_FLAGS,
};

const SGET = {
  key: {
    type: "text",
    brief: "public key: a file, env://NAME, an https URL, or a key URI",
    placeholder: "uri",
  },
  output: { type: "text", brief: "write to a file", short: "o", placeholder: "file" },
} as const;

/** The flags of `sget`. */
export const SGET_FLAGS: typeof SGET & typeof WEAK_KEY_FLAGS & typeof IMAGE_FLAGS = {
  ...SGET,
  ...WEAK_KEY_FLAGS,
  ...IMAGE_FLAGS,
};
