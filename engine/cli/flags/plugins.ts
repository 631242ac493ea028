/** The flags of `plugins list`. */
export const PLUGINS_LIST_FLAGS = { json: { type: "bool", brief: "print JSON" } } as const;

/** The flags of `plugins check`. */
export const PLUGINS_CHECK_FLAGS = {
  key: { type: "text", brief: "ask for this public key as well", placeholder: "uri" },
  sign: { type: "bool", brief: "let the key sign some bytes, and verify the signature" },
} as const;

/** The flags of `plugins new`. */
export const PLUGINS_NEW_FLAGS = {
  language: {
    type: "choice",
    values: ["shell", "typescript"],
    brief: "what the plugin is written in (default shell)",
  },
  dir: {
    type: "text",
    brief: "folder to make (default sigstore-kms-NAME)",
    placeholder: "dir",
  },
} as const;
