import type { ErrorReport } from "../model/errors.ts";

/** The outcome of one job, as its subjects and the operation decide it. */
export type Outcome =
  | { readonly outcome: "passed" }
  | { readonly outcome: "failed" | "error" | "skipped"; readonly reason: ErrorReport };

/** {@link outcomeOf} for one manifest of a target. */
export function refusalOf(reason: ErrorReport): {
  readonly outcome: "failed" | "error";
  readonly reason: ErrorReport;
} {
  return { outcome: outcomeOf(reason).outcome === "failed" ? "failed" : "error", reason };
}

/** What a reason means: an answer ("no"), no answer, or nothing that could be judged. */
export function outcomeOf(reason: ErrorReport): Outcome {
  if (reason.code === "SCHEMA1_UNSUPPORTED") return { outcome: "skipped", reason };
  return { outcome: ANSWERS.has(reason.code) ? "failed" : "error", reason };
}

/** Reasons that are an answer. */
const ANSWERS: ReadonlySet<ErrorReport["code"]> = new Set<ErrorReport["code"]>([
  "NO_SIGNATURES",
  "NO_MATCHING_SIGNATURES",
  "IMAGE_NOT_FOUND",
  "ARTIFACT_MISMATCH",
]);
