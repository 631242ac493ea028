/**
 * Every code that an error of `cosign-ts` can carry. Scripts, reports and tests look at the code,
 * never at the text.
 */
export type ErrorCode =
  // what the user typed or wrote
  | "USAGE"
  | "REFERENCE_INVALID"
  | "BATCH_MANIFEST_INVALID"
  | "TRANSPARENCY_UNSAID"
  | "LOG_UNAVAILABLE"
  | "FEATURE_UNAVAILABLE"
  | "PROMPT_DECLINED"
  | "ENVIRONMENT_REFUSED"
  // keys and plugins
  | "PLUGIN_UNAVAILABLE"
  | "PLUGIN_UNKNOWN"
  | "PLUGIN_MANIFEST_INVALID"
  | "KEY_NOT_FOUND"
  | "KEY_INVALID"
  | "KEY_PASSWORD"
  | "KEY_UNSUPPORTED"
  | "KEY_WEAK"
  | "KEY_SIGN_FAILED"
  // a service or a device that keeps keys
  | "KEY_DENIED"
  | "KEY_DISABLED"
  | "KEY_EXISTS"
  | "KEY_SERVICE_AUTH"
  | "KEY_SERVICE_RATE_LIMITED"
  | "KEY_SERVICE_UNAVAILABLE"
  | "KEY_SERVICE_PROTOCOL"
  | "PLUGIN_FAILED"
  // identities, and the services that vouch for them
  | "IDENTITY_TOKEN_INVALID"
  | "IDENTITY_EXPIRED"
  | "IDENTITY_UNAVAILABLE"
  | "LOGIN_REFUSED"
  | "LOGIN_EXPIRED"
  | "LOGIN_FORGED"
  | "CERTIFICATE_REFUSED"
  | "LOG_REFUSED"
  | "TIMESTAMP_REFUSED"
  | "SERVICE_UNAVAILABLE"
  | "SERVICE_PROTOCOL"
  // whose word counts
  | "TRUST_UNAVAILABLE"
  | "TRUST_EXPIRED"
  | "TRUST_INVALID"
  | "SIGNING_CONFIG_INVALID"
  // files
  | "FILE_READ"
  | "FILE_WRITE"
  | "FILE_EXISTS"
  | "LAYOUT_INVALID"
  // registries and the network
  | "IMAGE_NOT_FOUND"
  | "IMAGE_EXISTS"
  | "REGISTRY_AUTH"
  | "REGISTRY_DENIED"
  | "REGISTRY_RATE_LIMITED"
  | "REGISTRY_UNAVAILABLE"
  | "REGISTRY_NETWORK"
  | "REGISTRY_TLS"
  | "REGISTRY_TIMEOUT"
  | "REGISTRY_PROTOCOL"
  | "REGISTRY_REDIRECT"
  | "REGISTRY_CONFLICT"
  | "REGISTRY_UNSUPPORTED"
  | "DIGEST_MISMATCH"
  | "LIMIT_EXCEEDED"
  | "CREDENTIALS_INVALID"
  // what verification answers
  | "NO_SIGNATURES"
  | "NO_MATCHING_SIGNATURES"
  | "SIGNATURE_INVALID"
  | "CERTIFICATE_INVALID"
  | "CERTIFICATE_UNTRUSTED"
  | "IDENTITY_MISMATCH"
  | "LOG_ENTRY_MISSING"
  | "LOG_ENTRY_INVALID"
  | "LOG_ENTRY_MISMATCH"
  | "LOG_UNTRUSTED"
  | "SCT_MISSING"
  | "SCT_INVALID"
  | "TIMESTAMP_MISSING"
  | "TIMESTAMP_INVALID"
  | "TIMESTAMP_UNTRUSTED"
  | "TIME_UNKNOWN"
  | "CLAIM_MISMATCH"
  | "ANNOTATION_MISMATCH"
  | "PREDICATE_MISMATCH"
  | "PREDICATE_INVALID"
  | "PAYLOAD_INVALID"
  | "BUNDLE_INVALID"
  | "ENVELOPE_INVALID"
  | "ATTACHMENT_NOT_FOUND"
  | "ARTIFACT_MISMATCH"
  | "SCHEMA1_UNSUPPORTED"
  | "POLICY_UNAVAILABLE"
  | "POLICY_FAULT"
  // the batch
  | "DEADLINE_EXCEEDED"
  | "CANCELLED"
  | "WORKER_LOST"
  | "NOTHING_TO_DO"
  | "LEDGER_FOREIGN"
  | "LEDGER_LOCKED"
  | "LEDGER_FULL"
  | "LEDGER_CORRUPT"
  | "LEDGER_UNREADABLE"
  | "SIGNATURE_LOST"
  | "INTERNAL";

/** What a {@link CosignError} carries beside its message. */
export interface CosignErrorOptions {
  /** What the user can do about it: one sentence, no final period. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** The world did not do what was asked: the one error class for everything that is not a bug. */
export class CosignError extends Error {
  override readonly name = "CosignError";
  readonly code: ErrorCode;
  readonly hint?: string;

  /** @param message What we were doing: what was got, what was wanted. No secrets, no final period. */
  constructor(code: ErrorCode, message: string, options: CosignErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    if (options.hint !== undefined) this.hint = options.hint;
  }
}

/** An error as data: what crosses threads and goes into ledgers and reports. */
export interface ErrorReport {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
}

/** Turns whatever was thrown into data. What is no {@link CosignError} is a bug and says so: `INTERNAL`. */
export function reportError(error: unknown): ErrorReport {
  if (error instanceof CosignError) {
    return error.hint === undefined
      ? { code: error.code, message: error.message }
      : { code: error.code, message: error.message, hint: error.hint };
  }
  return { code: "INTERNAL", message: describeError(error) };
}

/** The text of whatever was thrown, in one line. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

/** Makes an error of a report again, on the other side of a thread. */
export function errorFromReport(report: ErrorReport): CosignError {
  return new CosignError(
    report.code,
    report.message,
    report.hint === undefined ? {} : { hint: report.hint },
  );
}

/** Whether `error` is a {@link CosignError} with one of `codes`. */
export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): error is CosignError {
  return error instanceof CosignError && codes.includes(error.code);
}
