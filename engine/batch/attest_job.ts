import pLimit from "p-limit";
import { resolve } from "../artifacts/resolve.ts";
import { reportError } from "../model/errors.ts";
import type { AttestJob } from "../model/job.ts";
import type { Subject } from "../model/subject.ts";
import type { SignatureFact, SubjectVerdict } from "../model/verdict.ts";
import { type Attested, attest } from "../sign/attest.ts";
import type { Signing } from "../sign/vouch.ts";
import { type JobScope, SUBJECTS_AT_ONCE } from "./job_context.ts";
import { worst } from "./judge_tree.ts";
import { type Outcome, refusalOf } from "./outcome.ts";
import { signingOf } from "./signing_of.ts";

/**
 * Attests a target: its manifest, and with `recursive` every child of it.
 *
 * @param notes Gets what became of attestations that were replaced.
 */
export async function runAttestJob(
  job: AttestJob,
  scope: JobScope,
  notes: string[],
): Promise<{ readonly subjects: readonly SubjectVerdict[]; readonly outcome: Outcome }> {
  const signing = signingOf(job, scope.context);
  const { stores, signal } = scope;
  const limit = pLimit(SUBJECTS_AT_ONCE);
  const running: Promise<SubjectVerdict>[] = [];
  for await (const subject of resolve(job.target, stores, { ...job, signal })) {
    running.push(limit(() => attestSubject(subject, job, signing, scope, notes)));
  }
  const subjects = await Promise.all(running);
  return { subjects, outcome: worst(subjects) };
}

async function attestSubject(
  subject: Subject,
  job: AttestJob,
  signing: Signing,
  scope: JobScope,
  notes: string[],
): Promise<SubjectVerdict> {
  const { context, stores, signal } = scope;
  const { name, digest, platform } = subject;
  const known = { name, digest, ...(platform === undefined ? {} : { platform }) };
  const signatures: SignatureFact[] = [];
  const turn = await context.shared.turn(
    `subject:${stores.companionsOf(subject).name}@${digest}`,
    signal,
  );
  try {
    for (const format of job.formats) {
      const options = { ...job, now: context.now(), idle: context.idle, signal };
      const attested = await attest(subject, format, signing, stores, options);
      tellReplaced(attested, notes);
      signatures.push(attested.fact);
    }
    return { ...known, outcome: "passed", signatures };
  } catch (error) {
    if (signal.aborted) throw error;
    return { ...known, ...refusalOf(reportError(error)), signatures };
  } finally {
    turn.release();
  }
}

/** In cosign's words. */
function tellReplaced({ replaced }: Attested, notes: string[]): void {
  for (const type of replaced?.replaced ?? [])
    notes.push(`Replacing attestation predicate: ${type}`);
  for (const type of replaced?.kept ?? [])
    notes.push(`Not replacing attestation predicate: ${type}`);
}
