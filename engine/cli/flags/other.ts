/** The flags of `registry serve`. */
export const REGISTRY_SERVE_FLAGS = {
  dir: {
    type: "text",
    brief: "directory that holds everything; made when it is not there",
    placeholder: "dir",
  },
  listen: {
    type: "text",
    initial: "127.0.0.1:5000",
    brief: "address and port; port 0 takes a free one",
    placeholder: "host:port",
  },
  username: { type: "text", brief: "user name that clients must give", placeholder: "name" },
  "password-file": {
    type: "text",
    brief: "file that holds the password clients must give",
    placeholder: "file",
  },
} as const;

/** The flags of `plugins list`. */
export const PLUGINS_LIST_FLAGS = { json: { type: "bool", brief: "print JSON" } } as const;

/** The flags of `version`. */
export const VERSION_FLAGS = { json: { type: "bool", brief: "print JSON" } } as const;
