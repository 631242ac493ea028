import { gatherBundles } from "../artifacts/bundle_referrer.ts";
import type { Gathered } from "../artifacts/gathered.ts";
import { dockerReferenceOf } from "../artifacts/resolve.ts";
import { gatherSignatureReferrers, gatherSignatureTag } from "../artifacts/signature_tag.ts";
import { digestOf } from "../crypto/hash.ts";
import type { Evidence } from "../formats/evidence.ts";
import { SIGN_PREDICATE } from "../formats/media_types.ts";
import { encodeSimpleSigning } from "../formats/simple_signing.ts";
import { parseBase64 } from "../model/bytes.ts";
import { CosignError, type ErrorReport, reportError } from "../model/errors.ts";
import type { DetachedSignature } from "../model/job.ts";
import type { SignatureFormat } from "../model/policy.ts";
import type { Subject } from "../model/subject.ts";
import type { PlaceResult } from "../verify/judge.ts";
import { unloggedOf } from "../verify/unlogged.ts";
import {
  claimedPredicate,
  type SignaturePolicy,
  type VerifiedSignature,
  verify,
} from "../verify/verify.ts";
import type { JobScope } from "./job_context.ts";
import { logOf, lookUp } from "./look_up.ts";

/** What is asked of the places of one subject. */
export interface AskedOfPlaces {
  readonly subject: Subject;
  readonly policy: SignaturePolicy;
  readonly scope: JobScope;
  /** A signature that the user brings along: then it is the only one. */
  readonly detached: DetachedSignature | undefined;
  /** Whether legacy signatures are looked for among referrers first. */
  readonly amongReferrers: boolean;
}

/**
 * Judges what lies in one place.
 *
 * @param unlogged Gets what cannot be judged before a log was asked: {@link readUnlogged}.
 */
export async function readPlace(
  format: SignatureFormat,
  { subject, policy, scope, detached, amongReferrers }: AskedOfPlaces,
  unlogged: Evidence[],
): Promise<readonly PlaceResult[]> {
  const { stores, signal } = scope;
  const place = emptyPlace(format);
  const results: PlaceResult[] = [place];
  const take = (gathered: Gathered) => {
    for (const reason of gathered.failures) results.push({ format, outcome: "unread", reason });
    for (const evidence of gathered.evidence) {
      if (unloggedOf(evidence, policy).length > 0) unlogged.push(evidence);
      else judgeOne(evidence, subject, policy, place);
    }
  };
  try {
    if (detached !== undefined) take(handedOver(subject, detached));
    else if (format === "legacy") {
      if (amongReferrers) take(await gatherSignatureReferrers(subject, stores, signal));
      if (place.verified.length === 0) take(await gatherSignatureTag(subject, stores, signal));
    } else {
      for await (const gathered of gatherBundles(subject, stores, signal)) {
        take(gathered);
        if (place.verified.length > 0 && gathered.nextIsLessLikely) break;
      }
    }
  } catch (error) {
    if (signal.aborted || !(error instanceof CosignError)) throw error;
    results.push({ format, outcome: "unread", reason: reportError(error) });
  }
  return results;
}

/** Judges what a log must be asked about: for where nothing else was enough. */
export async function readUnlogged(
  unlogged: readonly Evidence[],
  { subject, policy, scope }: AskedOfPlaces,
): Promise<readonly PlaceResult[]> {
  const format = "legacy";
  const place = emptyPlace(format);
  const results: PlaceResult[] = [place];
  const log = await logOf(scope);
  const asked = unlogged.map((evidence) => lookUp(evidence, policy, log, scope.signal));
  for (const found of await Promise.all(asked)) {
    if (found.outcome === "unread") results.push({ format, ...found });
    else if (found.outcome === "refused") place.refused.push(found.reason);
    else judgeOne(found.evidence, subject, policy, place);
  }
  return results;
}

/** A signature that the user brings along, as one of the `.sig` tag. */
function handedOver(subject: Subject, detached: DetachedSignature): Gathered {
  const payload =
    detached.payload === undefined
      ? encodeSimpleSigning(dockerReferenceOf(subject), subject.digest, {})
      : parseBase64(detached.payload);
  const evidence: Evidence = {
    source: { place: "file", manifestDigest: subject.digest, layerDigest: digestOf(payload) },
    content: { kind: "simple-signing", payload, signature: parseBase64(detached.signature) },
  };
  return { evidence: [evidence], failures: [] };
}

interface Place extends Extract<PlaceResult, { outcome: "read" }> {
  readonly verified: VerifiedSignature[];
  readonly refused: ErrorReport[];
  readonly attestations: string[];
}

function emptyPlace(format: SignatureFormat): Place {
  return { format, outcome: "read", verified: [], refused: [], attestations: [] };
}

function judgeOne(
  evidence: Evidence,
  subject: Subject,
  policy: SignaturePolicy,
  place: Place,
): void {
  try {
    place.verified.push(verify(evidence, subject.name, subject.digest, policy));
  } catch (error) {
    if (!(error instanceof CosignError)) throw error;
    const predicate = claimedPredicate(evidence);
    if (predicate !== undefined && predicate !== SIGN_PREDICATE) place.attestations.push(predicate);
    else place.refused.push(reportError(error));
  }
}
