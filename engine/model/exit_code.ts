import type { ErrorCode } from "./errors.ts";

/** The generation of cosign whose defaults hold: 1 is 1.13, 2 is 2.6, 3 is 3.1. */
export type Generation = 1 | 2 | 3;

/** Exit codes of `cosign-ts`; the table is `docs/exit-codes.md`. */
export const EXIT = {
  ok: 0,
  other: 1,
  usage: 2,
  noSignature: 10,
  noSuchImage: 11,
  noMatchingSignature: 12,
  /** Reserved, as in cosign, where nothing reaches it. */
  noCertificate: 13,
  indeterminate: 20,
} as const;

const USAGE_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "USAGE",
  "REFERENCE_INVALID",
  "BATCH_MANIFEST_INVALID",
  "TRANSPARENCY_UNSAID",
  "ENVIRONMENT_REFUSED",
]);

const INDETERMINATE_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "REGISTRY_AUTH",
  "REGISTRY_DENIED",
  "REGISTRY_RATE_LIMITED",
  "REGISTRY_UNAVAILABLE",
  "REGISTRY_NETWORK",
  "REGISTRY_TLS",
  "REGISTRY_TIMEOUT",
  "REGISTRY_PROTOCOL",
  "REGISTRY_REDIRECT",
  "REGISTRY_CONFLICT",
  "REGISTRY_UNSUPPORTED",
  "SERVICE_UNAVAILABLE",
  "SERVICE_PROTOCOL",
  "LOG_REFUSED",
  "DIGEST_MISMATCH",
  "TRUST_UNAVAILABLE",
  "LIMIT_EXCEEDED",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
  "WORKER_LOST",
  "POLICY_FAULT",
  "KEY_SERVICE_AUTH",
  "KEY_SERVICE_RATE_LIMITED",
  "KEY_SERVICE_UNAVAILABLE",
  "KEY_SERVICE_PROTOCOL",
  "PLUGIN_FAILED",
]);

/** Whether `code` means that no answer was reached: never "unsigned", never "bad". */
export function isIndeterminate(code: ErrorCode): boolean {
  return INDETERMINATE_CODES.has(code);
}

/**
 * The exit code for an error.
 *
 * @param generation The generation named explicitly by `--compat` or `COSIGN_COMPAT`; absent when
 * our own numbers hold. 1.x knows only 1; 2 and 3 know 10 to 12 where the legacy format was judged.
 * @param legacyPath Whether the answer came from the legacy format: cosign numbers no other.
 */
export function exitCodeFor(code: ErrorCode, generation?: Generation, legacyPath = true): number {
  const ours = ownExitCode(code);
  if (generation === undefined) return ours;
  if (generation === 1) return EXIT.other;
  const known = ours >= EXIT.noSignature && ours <= EXIT.noMatchingSignature;
  return known && legacyPath ? ours : EXIT.other;
}

function ownExitCode(code: ErrorCode): number {
  if (code === "NO_SIGNATURES") return EXIT.noSignature;
  if (code === "IMAGE_NOT_FOUND") return EXIT.noSuchImage;
  if (code === "NO_MATCHING_SIGNATURES") return EXIT.noMatchingSignature;
  if (USAGE_CODES.has(code)) return EXIT.usage;
  return INDETERMINATE_CODES.has(code) ? EXIT.indeterminate : EXIT.other;
}
