import { toJsonSchema } from "@valibot/to-json-schema";
import * as v from "valibot";
import type { ErrorCode } from "../../model/errors.ts";
import { REPORT_VERSION } from "./jsonl.ts";

/**
 * Which codes can be the reason of a verdict; each is met in a test. The rest belongs to the whole
 * run (what the user typed, its keys, the ledger), or to one signature among others, whose reason is
 * then `NO_MATCHING_SIGNATURES`.
 */
const IS_REASON: Readonly<Record<ErrorCode, boolean>> = {
  USAGE: true,
  REFERENCE_INVALID: true,
  BATCH_MANIFEST_INVALID: false,
  TRANSPARENCY_UNSAID: false,
  LOG_UNAVAILABLE: false,
  FEATURE_UNAVAILABLE: false,
  PROMPT_DECLINED: false,
  ENVIRONMENT_REFUSED: false,
  PLUGIN_UNAVAILABLE: false,
  PLUGIN_UNKNOWN: false,
  PLUGIN_MANIFEST_INVALID: false,
  KEY_NOT_FOUND: true,
  KEY_INVALID: false,
  KEY_PASSWORD: false,
  KEY_UNSUPPORTED: true,
  KEY_WEAK: false,
  KEY_SIGN_FAILED: true,
  KEY_DENIED: true,
  KEY_DISABLED: true,
  KEY_EXISTS: false,
  KEY_SERVICE_AUTH: true,
  KEY_SERVICE_RATE_LIMITED: true,
  KEY_SERVICE_UNAVAILABLE: true,
  KEY_SERVICE_PROTOCOL: true,
  PLUGIN_FAILED: true,
  IDENTITY_TOKEN_INVALID: true,
  IDENTITY_EXPIRED: true,
  IDENTITY_UNAVAILABLE: true,
  LOGIN_REFUSED: true,
  LOGIN_EXPIRED: true,
  LOGIN_FORGED: true,
  CERTIFICATE_REFUSED: true,
  LOG_REFUSED: true,
  TIMESTAMP_REFUSED: true,
  SERVICE_UNAVAILABLE: true,
  SERVICE_PROTOCOL: true,
  TRUST_UNAVAILABLE: false,
  TRUST_EXPIRED: false,
  TRUST_INVALID: false,
  SIGNING_CONFIG_INVALID: false,
  FILE_READ: false,
  FILE_WRITE: true,
  FILE_EXISTS: false,
  LAYOUT_INVALID: true,
  IMAGE_NOT_FOUND: true,
  IMAGE_EXISTS: false,
  REGISTRY_AUTH: true,
  REGISTRY_DENIED: true,
  REGISTRY_RATE_LIMITED: true,
  REGISTRY_UNAVAILABLE: true,
  REGISTRY_NETWORK: true,
  REGISTRY_TLS: true,
  REGISTRY_TIMEOUT: true,
  REGISTRY_PROTOCOL: true,
  REGISTRY_REDIRECT: true,
  REGISTRY_CONFLICT: true,
  REGISTRY_UNSUPPORTED: true,
  DIGEST_MISMATCH: true,
  LIMIT_EXCEEDED: true,
  CREDENTIALS_INVALID: true,
  NO_SIGNATURES: true,
  NO_MATCHING_SIGNATURES: true,
  SIGNATURE_INVALID: false,
  CERTIFICATE_INVALID: true,
  CERTIFICATE_UNTRUSTED: true,
  IDENTITY_MISMATCH: true,
  LOG_ENTRY_MISSING: false,
  LOG_ENTRY_INVALID: true,
  LOG_ENTRY_MISMATCH: true,
  LOG_UNTRUSTED: true,
  SCT_MISSING: true,
  SCT_INVALID: true,
  TIMESTAMP_MISSING: false,
  TIMESTAMP_INVALID: true,
  TIMESTAMP_UNTRUSTED: true,
  TIME_UNKNOWN: false,
  CLAIM_MISMATCH: false,
  ANNOTATION_MISMATCH: false,
  PREDICATE_MISMATCH: false,
  PREDICATE_INVALID: false,
  PAYLOAD_INVALID: false,
  BUNDLE_INVALID: false,
  ENVELOPE_INVALID: false,
  ATTACHMENT_NOT_FOUND: false,
  ARTIFACT_MISMATCH: true,
  SCHEMA1_UNSUPPORTED: true,
  POLICY_UNAVAILABLE: false,
  POLICY_FAULT: false,
  DEADLINE_EXCEEDED: true,
  CANCELLED: true,
  WORKER_LOST: true,
  NOTHING_TO_DO: true,
  LEDGER_FOREIGN: false,
  LEDGER_LOCKED: false,
  LEDGER_FULL: false,
  LEDGER_CORRUPT: false,
  LEDGER_UNREADABLE: false,
  SIGNATURE_LOST: true,
  INTERNAL: true,
};

/** The closed list of codes that can be the reason of a verdict. */
export const REASON_CODES: readonly string[] = Object.entries(IS_REASON).flatMap(
  ([code, isReason]) => (isReason ? [code] : []),
);

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const digest = v.pipe(v.string(), v.regex(/^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/));
const time = v.pipe(v.string(), v.isoTimestamp());
const reason = v.strictObject({
  code: v.picklist(REASON_CODES),
  message: v.string(),
  hint: v.exactOptional(v.string()),
});
const signature = v.strictObject({
  format: v.picklist(["legacy", "bundle"]),
  key: v.string(),
  keyDigest: v.string(),
  payload: v.unknown(),
  certificate: v.exactOptional(
    v.strictObject({
      subjects: v.array(v.string()),
      issuer: v.string(),
      workflow: v.record(v.string(), v.string()),
    }),
  ),
  logEntries: v.exactOptional(
    v.array(
      v.strictObject({
        log: v.string(),
        index: count,
        integratedTime: v.exactOptional(time),
        lookedUp: v.exactOptional(v.boolean()),
      }),
    ),
  ),
  timestamps: v.exactOptional(v.array(v.strictObject({ authority: v.string(), time }))),
  warnings: v.exactOptional(v.array(v.string())),
  annotations: v.record(v.string(), v.string()),
  state: v.exactOptional(v.picklist(["written", "present", "not-uploaded"])),
});
const subject = v.strictObject({
  name: v.string(),
  digest,
  platform: v.exactOptional(
    v.strictObject({
      os: v.string(),
      architecture: v.string(),
      variant: v.exactOptional(v.string()),
    }),
  ),
  artifact: v.exactOptional(
    v.strictObject({
      kind: v.string(),
      facts: v.record(v.string(), v.union([v.string(), v.array(v.string())])),
    }),
  ),
  outcome: v.picklist(["passed", "failed", "error"]),
  reason: v.exactOptional(reason),
  signatures: v.array(signature),
  present: v.exactOptional(v.array(v.picklist(["legacy", "bundle"]))),
});
const verdict = {
  type: v.literal("verdict"),
  job: v.string(),
  op: v.picklist(["sign", "verify"]),
  target: v.string(),
  subjects: v.array(subject),
  elapsedMs: count,
  requests: count,
  warnings: v.array(v.string()),
} as const;

const lineSchema = v.union([
  v.strictObject({
    type: v.literal("run"),
    version: v.literal(REPORT_VERSION),
    id: v.string(),
    op: v.picklist(["sign", "verify"]),
    manifest: v.exactOptional(v.string()),
    startedAt: time,
  }),
  v.strictObject({ ...verdict, outcome: v.literal("passed") }),
  v.strictObject({ ...verdict, outcome: v.picklist(["failed", "error", "skipped"]), reason }),
  v.strictObject({
    type: v.literal("summary"),
    passed: count,
    failed: count,
    error: count,
    skipped: count,
    open: count,
    complete: v.boolean(),
    finishedAt: time,
  }),
]);

/** The JSON Schema (draft 2020-12) of one line of a report; published as `docs/report.schema.json`. */
export function reportJsonSchema(): Readonly<Record<string, unknown>> {
  return {
    ...toJsonSchema(lineSchema, { target: "draft-2020-12" }),
    title: "One line of a cosign-ts batch report",
  };
}

/** What is wrong with a line of a report; nothing when it is as the schema says. */
export function reportLineProblem(value: unknown): string | undefined {
  const result = v.safeParse(lineSchema, value);
  return result.success ? undefined : JSON.stringify(v.flatten(result.issues));
}
