import {
  RECURSIVE_FLAGS,
  RECURSIVE_POLICY_FLAGS,
  SIGN_LOG_FLAGS,
  TRUSTED_ROOT_FLAGS,
  VERIFY_LOG_FLAGS,
} from "./format.ts";
import { ANNOTATION_FLAGS, WEAK_KEY_FLAGS } from "./key.ts";
import {
  CERTIFICATE_VERIFY_FLAGS,
  CONTAINER_IDENTITY_FLAGS,
  FULCIO_FLAGS,
  OIDC_FLAGS,
  REKOR_FLAGS,
  TIMESTAMP_SIGN_FLAGS,
} from "./keyless.ts";
import { REFERENCE_FLAGS, REGISTRY_FLAGS } from "./registry.ts";
import { SKIP_SIGNED_FLAGS, YES_FLAGS } from "./sign.ts";
import { COMMON_VERIFY_FLAGS, SEARCH_LOG_FLAGS } from "./verify.ts";

/** How a batch is run. */
export const BATCH_RUN_FLAGS = {
  workers: {
    type: "int",
    brief: "worker threads (default: one less than there are processors, 1 to 8)",
  },
  concurrency: {
    type: "int",
    initial: 16,
    brief: "targets that each worker works on at once (default 16)",
  },
  ledger: {
    type: "text",
    brief: "file of runs and verdicts (default: one per manifest in the XDG state directory)",
    placeholder: "file",
  },
  resume: { type: "bool", brief: "go on with the last run; what is answered is not done again" },
  deadline: {
    type: "duration",
    brief: "time that the whole run may take; what is left can be resumed",
  },
  report: {
    type: "repeated",
    brief: "write a report: .jsonl or .xml (JUnit), - for JSON lines on stdout; repeatable",
    placeholder: "file",
  },
  "dry-run": { type: "bool", brief: "print what would be done, and do nothing" },
  "fail-fast": { type: "bool", brief: "start no further target after the first that fails" },
  format: {
    type: "choice",
    values: ["legacy", "bundle", "both"],
    brief: "format to write, or to look for first",
  },
} as const;

const SIGN = {
  key: {
    type: "text",
    brief: "private key for targets that name none themselves; keyless for certificates",
    placeholder: "uri",
  },
  "record-creation-timestamp": {
    type: "bool",
    brief: "write the time of creation into the signature artifact",
  },
} as const;

const VERIFY = {
  key: {
    type: "repeated",
    brief: "public key for targets that name no policy themselves; repeatable: any of them",
    placeholder: "uri",
  },
  "check-claims": {
    type: "bool",
    brief: "check the digest and the annotations that were signed (default true)",
    initial: true,
  },
} as const;

const TIME: Pick<
  typeof COMMON_VERIFY_FLAGS,
  "timestamp-certificate-chain" | "use-signed-timestamps" | "verify-time"
> = {
  "timestamp-certificate-chain": COMMON_VERIFY_FLAGS["timestamp-certificate-chain"],
  "use-signed-timestamps": COMMON_VERIFY_FLAGS["use-signed-timestamps"],
  "verify-time": COMMON_VERIFY_FLAGS["verify-time"],
};

/** The flags of `batch sign`. */
export const BATCH_SIGN_FLAGS: typeof SIGN &
  typeof BATCH_RUN_FLAGS &
  typeof ANNOTATION_FLAGS &
  typeof WEAK_KEY_FLAGS &
  typeof RECURSIVE_FLAGS &
  typeof SKIP_SIGNED_FLAGS &
  typeof YES_FLAGS &
  typeof SIGN_LOG_FLAGS &
  typeof TRUSTED_ROOT_FLAGS &
  typeof TIMESTAMP_SIGN_FLAGS &
  typeof FULCIO_FLAGS &
  typeof OIDC_FLAGS &
  typeof REKOR_FLAGS &
  typeof CONTAINER_IDENTITY_FLAGS &
  typeof REFERENCE_FLAGS &
  typeof REGISTRY_FLAGS = {
  ...SIGN,
  ...BATCH_RUN_FLAGS,
  ...ANNOTATION_FLAGS,
  ...WEAK_KEY_FLAGS,
  ...RECURSIVE_FLAGS,
  ...SKIP_SIGNED_FLAGS,
  ...YES_FLAGS,
  ...SIGN_LOG_FLAGS,
  ...TRUSTED_ROOT_FLAGS,
  ...TIMESTAMP_SIGN_FLAGS,
  ...FULCIO_FLAGS,
  ...OIDC_FLAGS,
  ...REKOR_FLAGS,
  ...CONTAINER_IDENTITY_FLAGS,
  ...REFERENCE_FLAGS,
  ...REGISTRY_FLAGS,
};

/** The flags of `batch verify`. */
export const BATCH_VERIFY_FLAGS: typeof VERIFY &
  typeof BATCH_RUN_FLAGS &
  typeof ANNOTATION_FLAGS &
  typeof WEAK_KEY_FLAGS &
  typeof RECURSIVE_FLAGS &
  typeof RECURSIVE_POLICY_FLAGS &
  typeof CERTIFICATE_VERIFY_FLAGS &
  typeof TRUSTED_ROOT_FLAGS &
  typeof TIME &
  typeof SEARCH_LOG_FLAGS &
  typeof VERIFY_LOG_FLAGS &
  typeof REFERENCE_FLAGS &
  typeof REGISTRY_FLAGS = {
  ...VERIFY,
  ...BATCH_RUN_FLAGS,
  ...ANNOTATION_FLAGS,
  ...WEAK_KEY_FLAGS,
  ...RECURSIVE_FLAGS,
  ...RECURSIVE_POLICY_FLAGS,
  ...CERTIFICATE_VERIFY_FLAGS,
  ...TRUSTED_ROOT_FLAGS,
  ...TIME,
  ...SEARCH_LOG_FLAGS,
  ...VERIFY_LOG_FLAGS,
  ...REFERENCE_FLAGS,
  ...REGISTRY_FLAGS,
};

/** The flags of `batch schema`. */
export const BATCH_SCHEMA_FLAGS = {
  report: { type: "bool", brief: "print the schema of reports instead of that of manifests" },
} as const;

/** The flags of `demo`. */
export const DEMO_FLAGS = {
  keep: { type: "text", brief: "keep everything in this new directory", placeholder: "dir" },
} as const;
