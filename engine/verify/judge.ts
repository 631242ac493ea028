import type { ErrorReport } from "../model/errors.ts";
import type { SignatureFormat } from "../model/policy.ts";
import type { VerifiedSignature } from "./verify.ts";

/** What one place was found to hold, or why it could not be read. */
export type PlaceResult =
  | {
      readonly format: SignatureFormat;
      readonly outcome: "read";
      readonly verified: readonly VerifiedSignature[];
      /** Why each signature that is there does not count. */
      readonly refused: readonly ErrorReport[];
      /** Predicate types of what is there but claims to be no signature. */
      readonly attestations: readonly string[];
    }
  | {
      readonly format: SignatureFormat;
      readonly outcome: "unread";
      readonly reason: ErrorReport;
    };

/** The answer about one subject. */
export type Judgement =
  | { readonly outcome: "passed"; readonly signatures: readonly VerifiedSignature[] }
  | { readonly outcome: "failed"; readonly reason: ErrorReport }
  | { readonly outcome: "error"; readonly reason: ErrorReport };

/**
 * Judges a subject by what its places hold. One signature is enough. A place that could not be read
 * forbids "no": nobody knows what lies there.
 */
export function judge(results: readonly PlaceResult[]): Judgement {
  const read = results.filter((result) => result.outcome === "read");
  const signatures = read.flatMap((result) => result.verified);
  if (signatures.length > 0) return { outcome: "passed", signatures };
  const unread = results.find((result) => result.outcome === "unread");
  if (unread !== undefined) return { outcome: "error", reason: unread.reason };
  const refused = read.flatMap((result) => result.refused);
  if (refused.length > 0)
    return { outcome: "failed", reason: joinRefusals("no matching signatures", refused) };
  return { outcome: "failed", reason: unsigned(read.flatMap((result) => result.attestations)) };
}

/** "None of them counts", and why the first of them do not. @param what cosign's words for it. */
export function joinRefusals(what: string, refused: readonly ErrorReport[]): ErrorReport {
  const shown = refused.slice(0, MAX_SHOWN).map(({ message }) => message);
  const more = refused.length - shown.length;
  const hint = refused.find((report) => report.hint !== undefined)?.hint;
  return {
    code: "NO_MATCHING_SIGNATURES",
    message: `${what}: ${shown.join("\n ")}${more > 0 ? `\n and ${more} more` : ""}`,
    ...(hint === undefined ? {} : { hint }),
  };
}

function unsigned(attestations: readonly string[]): ErrorReport {
  if (attestations.length === 0) {
    return { code: "NO_SIGNATURES", message: "no signatures found" };
  }
  const [first] = attestations;
  return {
    code: "NO_SIGNATURES",
    message: "no signatures found",
    hint: `The image carries ${attestations.length === 1 ? "an attestation" : `${attestations.length} attestations`} (${first}), and an attestation is no signature: use verify-attestation`,
  };
}

const MAX_SHOWN = 5; // a hostile image may carry a thousand
