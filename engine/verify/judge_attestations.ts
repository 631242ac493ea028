import type { ErrorReport } from "../model/errors.ts";
import type { VerifiedAttestation } from "./attestation.ts";
import { joinRefusals } from "./judge.ts";

/** What one place was found to hold, or why it could not be read. */
export type AttestationPlace =
  | {
      readonly outcome: "read";
      /** Each about the image and by a key that counts, whatever its predicate type. */
      readonly verified: readonly VerifiedAttestation[];
      /** Why each attestation that is there does not count. */
      readonly refused: readonly ErrorReport[];
    }
  | { readonly outcome: "unread"; readonly reason: ErrorReport };

/** The answer about the attestations of one subject. */
export type AttestationJudgement =
  | { readonly outcome: "passed"; readonly attestations: readonly VerifiedAttestation[] }
  | { readonly outcome: "failed"; readonly reason: ErrorReport }
  | { readonly outcome: "error"; readonly reason: ErrorReport };

/**
 * Judges a subject by the attestations of its places. One with an accepted predicate type is enough;
 * all such are the answer, each once. A valid attestation of another type is none (CVE-2022-35929). A
 * place that could not be read forbids "no".
 *
 * @param accepted The predicate types that count.
 * @param asked The type as the user wrote it.
 */
export function judgeAttestations(
  places: readonly AttestationPlace[],
  accepted: readonly string[],
  asked: string,
): AttestationJudgement {
  const read = places.filter((place) => place.outcome === "read");
  const verified = distinct(read.flatMap((place) => place.verified));
  const matching = verified.filter(({ predicateType }) => accepted.includes(predicateType));
  if (matching.length > 0) return { outcome: "passed", attestations: matching };
  const unread = places.find((place) => place.outcome === "unread");
  if (unread !== undefined) return { outcome: "error", reason: unread.reason };
  if (verified.length > 0) {
    const found = verified.slice(0, MAX_TOLD).map(({ predicateType }) => predicateType);
    return {
      outcome: "failed",
      reason: {
        code: "NO_MATCHING_SIGNATURES",
        message: `none of the attestations matched the predicate type: ${asked}, found: ${found.join(",")}`,
      },
    };
  }
  const refused = read.flatMap((place) => place.refused);
  if (refused.length === 0) {
    const message = "no matching attestations: there are none";
    return { outcome: "failed", reason: { code: "NO_SIGNATURES", message } };
  }
  return { outcome: "failed", reason: joinRefusals("no matching attestations", refused) };
}

const MAX_TOLD = 100; // a hostile image may carry thousands

/** The same statement by the same key counts once, be it in a bundle and at the tag. */
function distinct(attestations: readonly VerifiedAttestation[]): readonly VerifiedAttestation[] {
  const seen = new Map<string, VerifiedAttestation>();
  for (const attestation of attestations) {
    const id = `${attestation.signer.key.spki.toBase64()} ${attestation.payloadDigest}`;
    if (!seen.has(id)) seen.set(id, attestation);
  }
  return [...seen.values()];
}
