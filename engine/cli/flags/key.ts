/** A key in a hardware token. */
export const SECURITY_KEY_FLAGS = {
  sk: { type: "bool", support: "later", brief: "use a hardware security key" },
  slot: {
    type: "text",
    support: "accepted",
    brief: "slot of the hardware security key",
    placeholder: "authentication|signature|card-authentication|key-management",
  },
} as const;

/** Keys that are refused otherwise. */
export const WEAK_KEY_FLAGS = {
  "allow-weak-key": {
    type: "list",
    brief:
      "take keys with this weakness: ecdsa-p224, rsa-1024, rsa-1536 or rsa-exponent-3; repeatable",
    placeholder: "name,...",
  },
} as const;

/** Annotations of signatures. */
export const ANNOTATION_FLAGS = {
  annotations: {
    type: "list",
    brief: "NAME=VALUE to sign, or to demand of a signature; repeatable",
    short: "a",
    placeholder: "name=value,...",
  },
} as const;

/** The digest that a signature is over. */
export const SIGNATURE_DIGEST_FLAGS = {
  "signature-digest-algorithm": {
    type: "text",
    brief:
      "digest that signatures are over, instead of those that go with the key (sha224|sha256|sha384|sha512)",
    placeholder: "digest",
    deprecated: "please use --bundle, which already includes the digest algorithm",
  },
} as const;
