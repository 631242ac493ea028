import { randomUUID } from "node:crypto";
import pLimit from "p-limit";
import { resolve } from "../artifacts/resolve.ts";
import { sha256 } from "../crypto/hash.ts";
import { parseBase64, utf8 } from "../model/bytes.ts";
import { reportError } from "../model/errors.ts";
import type { SignJob } from "../model/job.ts";
import type { Subject } from "../model/subject.ts";
import type { SignatureFact, SubjectVerdict } from "../model/verdict.ts";
import { sign } from "../sign/sign.ts";
import type { Signing } from "../sign/vouch.ts";
import { type JobScope, SUBJECTS_AT_ONCE } from "./job_context.ts";
import { worst } from "./judge_tree.ts";
import { type Outcome, refusalOf } from "./outcome.ts";
import { signingOf } from "./signing_of.ts";

/**
 * Signs a target: its manifest, and with `recursive` every child of it.
 *
 * @param warnings Gets what somebody should know who relies on the signatures.
 */
export async function runSignJob(
  job: SignJob,
  scope: JobScope,
  warnings: string[],
): Promise<{ readonly subjects: readonly SubjectVerdict[]; readonly outcome: Outcome }> {
  const signing = signingOf(job, scope.context);
  const { stores, signal } = scope;
  const limit = pLimit(SUBJECTS_AT_ONCE);
  const running: Promise<SubjectVerdict>[] = [];
  for await (const subject of resolve(job.target, stores, { ...job, signal })) {
    running.push(limit(() => signSubject(subject, job, signing, scope)));
  }
  const subjects = await Promise.all(running);
  const facts = subjects.flatMap(({ signatures }) => signatures);
  warnings.push(...new Set(facts.flatMap((fact) => fact.warnings ?? [])));
  return { subjects, outcome: worst(subjects) };
}

async function signSubject(
  subject: Subject,
  job: SignJob,
  signing: Signing,
  scope: JobScope,
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
    const skipSigned = job.skipSigned || !(await isFirst(subject, job, scope));
    for (const format of job.formats) {
      const identities = format === "legacy" ? (job.identities ?? [undefined]) : [undefined];
      for (const identity of identities) {
        const fact = await sign(subject, format, signing, stores, {
          annotations: job.annotations,
          skipSigned,
          upload: job.upload ?? true,
          ...(job.asReferrer === undefined ? {} : { asReferrer: job.asReferrer }),
          now: context.now(),
          idle: context.idle,
          signal,
          ...(identity === undefined ? {} : { identity }),
          ...(job.payload === undefined ? {} : { payload: parseBase64(job.payload) }),
        });
        signatures.push(job.returnMade === true ? fact : withoutMade(fact));
      }
    }
    return { ...known, outcome: "passed", signatures };
  } catch (error) {
    if (signal.aborted) throw error;
    return { ...known, ...refusalOf(reportError(error)), signatures };
  } finally {
    turn.release();
  }
}

/**
 * Whether nobody in this run has begun to sign this digest like this. A digest that several tags
 * name is signed once: the others look for our signature first, also when the first was lost.
 */
async function isFirst(subject: Subject, job: SignJob, scope: JobScope): Promise<boolean> {
  const { context, stores, signal } = scope;
  const { key, formats, annotations, identities } = job;
  const place = stores.companionsOf(subject).name;
  const what = JSON.stringify([place, subject.digest, key, formats, annotations, identities]);
  const mine = randomUUID();
  const first = await context.shared.once(
    `signed:${sha256(utf8(what)).toBase64()}`,
    async () => ({ value: mine }),
    signal,
  );
  return first === mine;
}

function withoutMade({ made, ...fact }: SignatureFact): SignatureFact {
  void made;
  return fact;
}
