import pLimit from "p-limit";
import { gatherAttestationTag } from "../artifacts/attestation_tag.ts";
import { gatherBundles } from "../artifacts/bundle_referrer.ts";
import type { Gathered } from "../artifacts/gathered.ts";
import { resolve } from "../artifacts/resolve.ts";
import { acceptedPredicateUris } from "../formats/predicates.ts";
import { tidyAfter } from "../io/runtime_memory.ts";
import { CosignError, type ErrorReport, reportError } from "../model/errors.ts";
import type { VerifyAttestationJob } from "../model/job.ts";
import type { Subject } from "../model/subject.ts";
import type { SignatureFact, SubjectVerdict } from "../model/verdict.ts";
import {
  type AttestationPolicy,
  type VerifiedAttestation,
  verifyAttestation,
} from "../verify/attestation.ts";
import {
  type AttestationJudgement,
  type AttestationPlace,
  judgeAttestations,
} from "../verify/judge_attestations.ts";
import { signerFacts } from "../verify/signer_facts.ts";
import { signerPolicy } from "../verify/signer_policy.ts";
import { absenceOf } from "./absence.ts";
import { type JobScope, rootOf, SUBJECTS_AT_ONCE } from "./job_context.ts";
import { worst } from "./judge_tree.ts";
import { logOf, lookUp } from "./look_up.ts";
import type { Outcome } from "./outcome.ts";

/**
 * Verifies the attestations of a target: of its manifest, and with `recursive` of every child of it.
 *
 * @param warnings Gets what could not be read though enough was found.
 */
export async function runVerifyAttestationJob(
  job: VerifyAttestationJob,
  scope: JobScope,
  warnings: string[],
): Promise<{ readonly subjects: readonly SubjectVerdict[]; readonly outcome: Outcome }> {
  const { context, stores, signal } = scope;
  const policy: AttestationPolicy = {
    ...signerPolicy(
      job.keys.map((uri) => context.keys.publicKey(uri)),
      job.demands,
      rootOf(context, job.demands),
      job.signatureDigestAlgorithm,
    ),
    checkClaims: job.checkClaims,
  };
  const limit = pLimit(SUBJECTS_AT_ONCE);
  const running: Promise<SubjectVerdict>[] = [];
  for await (const subject of resolve(job.target, stores, { ...job, signal })) {
    running.push(limit(() => verifySubject(subject, job, policy, scope, warnings)));
  }
  const subjects = await Promise.all(running);
  return { subjects, outcome: worst(subjects) };
}

async function verifySubject(
  subject: Subject,
  job: VerifyAttestationJob,
  policy: AttestationPolicy,
  scope: JobScope,
  warnings: string[],
): Promise<SubjectVerdict> {
  const { stores, signal } = scope;
  const places = await Promise.all(
    [gatherAttestationTag, gatherBundles].map((gather) =>
      readPlace(gather(subject, stores, signal), subject, policy, scope, warnings),
    ),
  );
  const results = places.flat();
  const accepted = acceptedPredicateUris(job.predicateType);
  const judgement = judgeAttestations(results, accepted, job.predicateType);
  if (judgement.outcome === "passed") {
    for (const place of results) {
      if (place.outcome === "read") continue;
      warnings.push(`Not all attestations of "${subject.name}" were read: ${place.reason.message}`);
    }
  }
  const isUnsigned = judgement.outcome === "failed" && judgement.reason.code === "NO_SIGNATURES";
  const verdict = isUnsigned ? ((await absenceOf(subject, scope)) ?? judgement) : judgement;
  return verdictOf(subject, verdict);
}

/** What one place holds. Nothing is kept but what holds. */
async function readPlace(
  place: AsyncIterable<Gathered>,
  subject: Subject,
  policy: AttestationPolicy,
  scope: JobScope,
  warnings: string[],
): Promise<readonly AttestationPlace[]> {
  const { signal } = scope;
  const log = await logOf(scope);
  const verified: VerifiedAttestation[] = [];
  const refused: ErrorReport[] = [];
  const unread: AttestationPlace[] = [];
  try {
    for await (const { evidence, failures } of place) {
      for (const reason of failures) unread.push({ outcome: "unread", reason });
      for (const each of evidence) {
        const found = await lookUp(each, policy, log, signal);
        if (found.outcome !== "ready") {
          if (found.outcome === "unread") unread.push(found);
          else refused.push(found.reason);
          continue;
        }
        try {
          const attestation = verifyAttestation(found.evidence, subject.digest, policy);
          verified.push(attestation);
          tidyAfter(attestation.envelope.length);
          warnings.push(...attestation.signer.warnings);
        } catch (error) {
          if (!(error instanceof CosignError)) throw error;
          refused.push(reportError(error));
        }
      }
    }
  } catch (error) {
    if (signal.aborted || !(error instanceof CosignError)) throw error;
    unread.push({ outcome: "unread", reason: reportError(error) });
  }
  return [{ outcome: "read", verified, refused }, ...unread];
}

function verdictOf(subject: Subject, judgement: AttestationJudgement): SubjectVerdict {
  const { name, digest, platform } = subject;
  const known = { name, digest, ...(platform === undefined ? {} : { platform }) };
  if (judgement.outcome !== "passed") return { ...known, ...judgement, signatures: [] };
  return { ...known, outcome: "passed", signatures: judgement.attestations.map(factOf) };
}

function factOf({ format, signer, predicateType, envelope }: VerifiedAttestation): SignatureFact {
  return {
    format,
    ...signerFacts(signer),
    payload: null,
    attestation: { predicateType, envelope },
    annotations: {},
  };
}
