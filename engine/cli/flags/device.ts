/** What every command about a device takes. */
export const DEVICE_FLAGS = {
  "no-input": { type: "bool", brief: "ask nothing", short: "f" },
} as const;

const PIV_TOOL_ATTESTATION = {
  output: {
    type: "text",
    initial: "text",
    brief: "format of the attestation: text or json",
    short: "o",
    placeholder: "text|json",
  },
  slot: { type: "text", brief: "slot of the hardware token", placeholder: "slot" },
} as const;

/** The flags of `piv-tool attestation`. */
export const PIV_TOOL_ATTESTATION_FLAGS: typeof PIV_TOOL_ATTESTATION & typeof DEVICE_FLAGS = {
  ...PIV_TOOL_ATTESTATION,
  ...DEVICE_FLAGS,
};

const PIV_TOOL_GENERATE_KEY = {
  "management-key": { type: "text", brief: "management key of the device", placeholder: "hex" },
  "pin-policy": {
    type: "text",
    brief: "when the device asks for its PIN",
    placeholder: "never|once|always",
  },
  "random-management-key": { type: "bool", brief: "make up a new management key" },
  slot: { type: "text", brief: "slot of the hardware token", placeholder: "slot" },
  "touch-policy": {
    type: "text",
    brief: "when the device wants to be touched",
    placeholder: "never|always|cached",
  },
} as const;

/** The flags of `piv-tool generate-key`. */
export const PIV_TOOL_GENERATE_KEY_FLAGS: typeof PIV_TOOL_GENERATE_KEY & typeof DEVICE_FLAGS = {
  ...PIV_TOOL_GENERATE_KEY,
  ...DEVICE_FLAGS,
};

const PIV_TOOL_SET_MANAGEMENT_KEY = {
  "new-key": { type: "text", brief: "new management key", placeholder: "hex" },
  "old-key": { type: "text", brief: "management key until now", placeholder: "hex" },
  "random-management-key": { type: "bool", brief: "make up a new management key" },
} as const;

/** The flags of `piv-tool set-management-key`. */
export const PIV_TOOL_SET_MANAGEMENT_KEY_FLAGS: typeof PIV_TOOL_SET_MANAGEMENT_KEY &
  typeof DEVICE_FLAGS = { ...PIV_TOOL_SET_MANAGEMENT_KEY, ...DEVICE_FLAGS };

const PIV_TOOL_SET_PIN = {
  "new-pin": { type: "text", brief: "new PIN", placeholder: "pin" },
  "old-pin": { type: "text", brief: "PIN until now", placeholder: "pin" },
} as const;

/** The flags of `piv-tool set-pin`. */
export const PIV_TOOL_SET_PIN_FLAGS: typeof PIV_TOOL_SET_PIN & typeof DEVICE_FLAGS = {
  ...PIV_TOOL_SET_PIN,
  ...DEVICE_FLAGS,
};

const PIV_TOOL_SET_PUK = {
  "new-puk": { type: "text", brief: "new PUK", placeholder: "puk" },
  "old-puk": { type: "text", brief: "PUK until now", placeholder: "puk" },
} as const;

/** The flags of `piv-tool set-puk`. */
export const PIV_TOOL_SET_PUK_FLAGS: typeof PIV_TOOL_SET_PUK & typeof DEVICE_FLAGS = {
  ...PIV_TOOL_SET_PUK,
  ...DEVICE_FLAGS,
};

const PIV_TOOL_UNBLOCK = {
  "new-PIN": { type: "text", brief: "new PIN", placeholder: "pin" },
  puk: { type: "text", brief: "PUK of the device", placeholder: "puk" },
} as const;

/** The flags of `piv-tool unblock`. */
export const PIV_TOOL_UNBLOCK_FLAGS: typeof PIV_TOOL_UNBLOCK & typeof DEVICE_FLAGS = {
  ...PIV_TOOL_UNBLOCK,
  ...DEVICE_FLAGS,
};

const PKCS11_TOOL_LIST_TOKENS = {
  "module-path": {
    type: "text",
    brief: "module of the hardware (default $COSIGN_PKCS11_MODULE_PATH)",
    placeholder: "file",
  },
} as const;

/** The flags of `pkcs11-tool list-tokens`. */
export const PKCS11_TOOL_LIST_TOKENS_FLAGS: typeof PKCS11_TOOL_LIST_TOKENS & typeof DEVICE_FLAGS = {
  ...PKCS11_TOOL_LIST_TOKENS,
  ...DEVICE_FLAGS,
};

const PKCS11_TOOL_LIST_KEYS_URIS = {
  "module-path": {
    type: "text",
    brief: "module of the hardware (default $COSIGN_PKCS11_MODULE_PATH)",
    placeholder: "file",
  },
  pin: { type: "text", brief: "PIN of the token", placeholder: "pin" },
  "slot-id": { type: "int", initial: 0, brief: "slot of the token", placeholder: "number" },
} as const;

/** The flags of `pkcs11-tool list-keys-uris`. */
export const PKCS11_TOOL_LIST_KEYS_URIS_FLAGS: typeof PKCS11_TOOL_LIST_KEYS_URIS &
  typeof DEVICE_FLAGS = { ...PKCS11_TOOL_LIST_KEYS_URIS, ...DEVICE_FLAGS };
