import pLimit from "p-limit";
import { resolve } from "../artifacts/resolve.ts";
import type { Evidence } from "../formats/evidence.ts";
import { isIndex } from "../formats/oci_manifest.ts";
import type { VerifyJob } from "../model/job.ts";
import type { SignatureFormat } from "../model/policy.ts";
import type { Subject } from "../model/subject.ts";
import type { SignatureFact, SubjectVerdict } from "../model/verdict.ts";
import { type Judgement, judge, type PlaceResult } from "../verify/judge.ts";
import { signerFacts } from "../verify/signer_facts.ts";
import { signerPolicy } from "../verify/signer_policy.ts";
import type { SignaturePolicy, VerifiedSignature } from "../verify/verify.ts";
import { absenceOf } from "./absence.ts";
import { type JobScope, rootOf, SUBJECTS_AT_ONCE } from "./job_context.ts";
import { judgeTree } from "./judge_tree.ts";
import type { Outcome } from "./outcome.ts";
import { readPlace, readUnlogged } from "./read_place.ts";
import { printedPayload } from "./signature_fact.ts";

/** How long the verdict on a digest serves the other tags that name it. */
const SUBJECT_VERDICT_MS = 300_000;

/** Verifies a target: its manifest, and with `recursive` every child of it. */
export async function runVerifyJob(
  job: VerifyJob,
  scope: JobScope,
  warnings: string[],
): Promise<{ readonly subjects: readonly SubjectVerdict[]; readonly outcome: Outcome }> {
  const { context, stores, signal } = scope;
  const policy: SignaturePolicy = {
    ...signerPolicy(
      job.keys.map((uri) => context.keys.publicKey(uri)),
      job.demands,
      rootOf(context, job.demands),
      job.signatureDigestAlgorithm,
    ),
    annotations: job.annotations,
    checkClaims: job.checkClaims,
  };
  const limit = pLimit(SUBJECTS_AT_ONCE);
  const running: Promise<{ subject: Subject; verdict: SubjectVerdict }>[] = [];
  for await (const subject of resolve(job.target, stores, { ...job, signal })) {
    running.push(
      limit(async () => ({ subject, verdict: await verifyShared(subject, job, policy, scope) })),
    );
  }
  const judged = await Promise.all(running);
  for (const { verdict } of judged) {
    for (const { warnings: more = [] } of verdict.signatures) warnings.push(...more);
  }
  return {
    subjects: judged.map(({ verdict }) => verdict),
    outcome: judgeTree(
      judged.map(({ subject, verdict }) => ({
        digest: subject.digest,
        isIndex: subject.mediaType !== undefined && isIndex(subject.mediaType),
        parents: subject.parents,
        verdict,
      })),
      job.recursive ? job.recursivePolicy : "all",
    ),
  };
}

/** The verdict on a digest, worked out once for all the tags that name it. */
async function verifyShared(
  subject: Subject,
  job: VerifyJob,
  policy: SignaturePolicy,
  scope: JobScope,
): Promise<SubjectVerdict> {
  const byTag = subject.home.at === "registry" && !subject.name.includes("@");
  if (!byTag) return await verifySubject(subject, job, policy, scope);
  const { context, stores, signal } = scope;
  const key = `subject:${JSON.stringify([
    "verify",
    stores.of(subject.home).name,
    subject.digest,
    job.keys,
    job.annotations,
    job.checkClaims,
    job.signatureDigestAlgorithm,
    job.demands,
    job.detached,
    job.amongReferrers,
  ])}`;
  const verdict = await context.shared.once(
    key,
    async () => {
      const value = await verifySubject(subject, job, policy, scope);
      const keepMs = value.outcome === "error" ? 0 : context.now().getTime() + SUBJECT_VERDICT_MS;
      return { value, expiresAtMs: keepMs };
    },
    signal,
  );
  return { ...verdict, name: subject.name };
}

async function verifySubject(
  subject: Subject,
  job: VerifyJob,
  policy: SignaturePolicy,
  scope: JobScope,
): Promise<SubjectVerdict> {
  const { context, stores } = scope;
  const repository = stores.companionsOf(subject).name;
  const results: PlaceResult[] = [];
  const unlogged: Evidence[] = [];
  const { detached, amongReferrers = false } = job;
  const asked = { subject, policy, scope, detached, amongReferrers };
  const places = placesInOrder(context.found.get(repository) ?? job.expectFormat);
  for (const format of job.detached === undefined ? places : (["legacy"] as const)) {
    results.push(...(await readPlace(format, asked, unlogged)));
    const judgement = judge(results);
    if (judgement.outcome !== "passed") continue;
    if (job.detached === undefined) context.found.set(repository, format);
    return verdictOf(subject, judgement);
  }
  if (unlogged.length > 0) {
    results.push(...(await readUnlogged(unlogged, asked)));
  }
  const judgement = judge(results);
  if (judgement.outcome === "passed") return verdictOf(subject, judgement);
  const isUnsigned = judgement.outcome === "failed" && judgement.reason.code === "NO_SIGNATURES";
  const answer = isUnsigned ? ((await absenceOf(subject, scope)) ?? judgement) : judgement;
  return { ...verdictOf(subject, answer), present: formatsPresent(results) };
}

/** The formats of which something lies beside the subject, whether it counts or not. */
function formatsPresent(results: readonly PlaceResult[]): readonly SignatureFormat[] {
  const formats = results.flatMap((result) =>
    result.outcome === "read" && result.refused.length + result.attestations.length > 0
      ? [result.format]
      : [],
  );
  return [...new Set(formats)];
}

function placesInOrder(first: SignatureFormat | undefined): readonly SignatureFormat[] {
  return first === "bundle" ? ["bundle", "legacy"] : ["legacy", "bundle"];
}

function verdictOf(subject: Subject, judgement: Judgement): SubjectVerdict {
  const { name, digest, platform } = subject;
  const known = { name, digest, ...(platform === undefined ? {} : { platform }) };
  if (judgement.outcome !== "passed") return { ...known, ...judgement, signatures: [] };
  return { ...known, outcome: "passed", signatures: judgement.signatures.map(factOf) };
}

function factOf(signature: VerifiedSignature): SignatureFact {
  const { format, signer, payload, annotations } = signature;
  return {
    format,
    ...signerFacts(signer),
    payload: format === "legacy" ? printedPayload(payload, signer) : payload,
    annotations,
  };
}
