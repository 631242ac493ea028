import { type ErrorReport, reportError } from "../model/errors.ts";
import type { Subject } from "../model/subject.ts";
import type { JobScope } from "./job_context.ts";

/** Why "unsigned" cannot be said of a subject that nobody has read. */
export type Absence = { readonly outcome: "failed" | "error"; readonly reason: ErrorReport };

/**
 * "Unsigned" is only said of what is there: an absent image is another answer.
 *
 * @returns nothing when the subject is there.
 */
export async function absenceOf(
  subject: Subject,
  { stores, signal }: JobScope,
): Promise<Absence | undefined> {
  if (subject.mediaType !== undefined) return undefined;
  try {
    if ((await stores.of(subject.home).head(subject.digest, signal)) !== undefined)
      return undefined;
    const message = `image tag not found: ${subject.name}`;
    return { outcome: "failed", reason: { code: "IMAGE_NOT_FOUND", message } };
  } catch (error) {
    if (signal.aborted) throw error;
    return { outcome: "error", reason: reportError(error) };
  }
}
