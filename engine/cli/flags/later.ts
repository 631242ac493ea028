import { FULCIO_FLAGS, OIDC_FLAGS, REKOR_FLAGS } from "./keyless.ts";
import { REFERENCE_FLAGS, REGISTRY_FLAGS } from "./registry.ts";

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
