import { type Evidence, NO_MATERIAL } from "../formats/evidence.ts";
import { CosignError, type ErrorReport, hasCode, reportError } from "../model/errors.ts";
import type { SearchedLog } from "../transparency/look_up.ts";
import type { SignerPolicy } from "../verify/signer.ts";
import { unloggedOf } from "../verify/unlogged.ts";
import type { JobScope } from "./job_context.ts";

/** Evidence that can be judged now, or why it cannot. */
export type LookedUp =
  | { readonly outcome: "ready"; readonly evidence: Evidence }
  /** The log has no entry of it, or none may be asked. */
  | { readonly outcome: "refused"; readonly reason: ErrorReport }
  /** Whether the log has one is not known. */
  | { readonly outcome: "unread"; readonly reason: ErrorReport };

/** The log that a job's run looks entries up in; nothing when it may not. */
export async function logOf({ context, signal }: JobScope): Promise<SearchedLog | undefined> {
  const { search } = context;
  if (search === undefined) return undefined;
  const { searchedLog } = await import("../transparency/look_up.ts");
  return searchedLog(search.url, { ...search.services, signal });
}

/** Fetches from a log what a signature of the old formats should bring along, and does not. */
export async function lookUp(
  evidence: Evidence,
  policy: SignerPolicy,
  log: SearchedLog | undefined,
  signal: AbortSignal,
): Promise<LookedUp> {
  const { material = NO_MATERIAL } = evidence;
  const unlogged = unloggedOf(evidence, policy);
  if (unlogged.length === 0 || "unreadable" in material) return { outcome: "ready", evidence };
  try {
    const { withLookedUp } = await import("../transparency/look_up.ts");
    const complete = await withLookedUp(material, unlogged, policy, log);
    return { outcome: "ready", evidence: { ...evidence, material: complete } };
  } catch (error) {
    if (signal.aborted || !(error instanceof CosignError)) throw error;
    const outcome = hasCode(error, "LOG_ENTRY_MISSING") ? "refused" : "unread";
    return { outcome, reason: reportError(error) };
  }
}
