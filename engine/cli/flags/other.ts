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

/** The flags of `version`. */
export const VERSION_FLAGS = {
  json: { type: "bool", brief: "print JSON" },
  licenses: { type: "bool", brief: "print the licences of the software of others that is in here" },
} as const;

/** The flags of `env`. */
export const ENV_FLAGS = {
  "show-descriptions": { type: "bool", initial: true, brief: "say what each variable is for" },
  "show-sensitive-values": { type: "bool", brief: "show secrets as well" },
} as const;

/** The flags of `login`. */
export const LOGIN_FLAGS = {
  username: { type: "text", brief: "user name", short: "u", placeholder: "name" },
  password: { type: "text", brief: "password", short: "p", placeholder: "password" },
  "password-stdin": { type: "bool", brief: "read the password from standard input" },
} as const;

/** The flags of `completion`. */
export const COMPLETION_FLAGS = {
  "no-descriptions": { type: "bool", brief: "offer words without what they mean" },
} as const;
