import { SECURITY_KEY_FLAGS, WEAK_KEY_FLAGS } from "./key.ts";
import { YES_FLAGS } from "./sign.ts";

/** The flags of `generate-key-pair`. */
export const GENERATE_KEY_PAIR_FLAGS = {
  kms: { type: "text", brief: "make the key pair in a key management service", placeholder: "uri" },
  "output-key-prefix": {
    type: "text",
    initial: "cosign",
    brief: "name of the .key and .pub files (default cosign)",
    placeholder: "prefix",
  },
} as const;

const IMPORT = {
  key: { type: "text", brief: "PEM private key to import", short: "k", placeholder: "file" },
  "output-key-prefix": {
    type: "text",
    initial: "import-cosign",
    brief: "name of the .key and .pub files (default import-cosign)",
    short: "o",
    placeholder: "prefix",
  },
} as const;

/** The flags of `import-key-pair`. */
export const IMPORT_KEY_PAIR_FLAGS: typeof IMPORT & typeof WEAK_KEY_FLAGS & typeof YES_FLAGS = {
  ...IMPORT,
  ...WEAK_KEY_FLAGS,
  ...YES_FLAGS,
};

const PUBLIC_KEY = {
  key: {
    type: "text",
    brief: "private key: a file, env://NAME, an https URL, or a key URI",
    placeholder: "uri",
  },
  outfile: { type: "text", brief: "write the public key to a file", placeholder: "file" },
} as const;

/** The flags of `public-key`. */
export const PUBLIC_KEY_FLAGS: typeof PUBLIC_KEY &
  typeof SECURITY_KEY_FLAGS &
  typeof WEAK_KEY_FLAGS = {
  ...PUBLIC_KEY,
  ...SECURITY_KEY_FLAGS,
  ...WEAK_KEY_FLAGS,
};
