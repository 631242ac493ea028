import { openStores } from "../artifacts/stores.ts";
import type { ArtifactDescription } from "../model/artifact.ts";
import { CosignError, hasCode, reportError } from "../model/errors.ts";
import { isIndeterminate } from "../model/exit_code.ts";
import type { Job } from "../model/job.ts";
import type { SubjectVerdict, Verdict } from "../model/verdict.ts";
import type { RequestMeter } from "../registry/session.ts";
import { runAttestJob } from "./attest_job.ts";
import { describeTarget } from "./describe_target.ts";
import type { JobContext, JobScope } from "./job_context.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { runSignJob } from "./sign_job.ts";
import { runVerifyAttestationJob } from "./verify_attestation_job.ts";
import { runVerifyJob } from "./verify_job.ts";

/**
 * Runs one job from its target to its verdict. The faults of the world are verdicts; it throws only
 * for bugs.
 */
export async function runJob(job: Job, context: JobContext): Promise<Verdict> {
  const startedMs = performance.now();
  const meter: RequestMeter = { requests: 0 };
  const time = jobTime(job, context.signal);
  const warnings: string[] = [];
  const finish = (subjects: readonly SubjectVerdict[]) => ({
    job: job.id,
    op: job.op,
    target: job.target.type === "layout" ? job.target.path : job.target.reference,
    subjects,
    elapsedMs: Math.round(performance.now() - startedMs),
    requests: meter.requests,
    warnings,
  });
  try {
    const stores = openStores(context.registry, context.conventions, meter);
    const scope: JobScope = { context, stores, signal: time.signal };
    const described = await describeTarget(job, scope);
    const pinned = described === undefined ? job : { ...job, target: described.target };
    const { subjects, outcome } = await perform(pinned, scope, warnings);
    return { ...finish(subjectsOf(subjects, described?.artifact)), ...outcome };
  } catch (error) {
    const report = reportError(interrupted(error, job, time.isOver(), context.signal));
    return { ...finish([]), ...outcomeOf(report) };
  } finally {
    time.end();
  }
}

/** The first one is the target's own manifest. */
function subjectsOf(
  subjects: readonly SubjectVerdict[],
  artifact: ArtifactDescription | undefined,
): readonly SubjectVerdict[] {
  const [first, ...children] = subjects;
  if (first === undefined || artifact === undefined) return subjects;
  return [{ ...first, artifact }, ...children];
}

function perform(
  job: Job,
  scope: JobScope,
  warnings: string[],
): Promise<{ readonly subjects: readonly SubjectVerdict[]; readonly outcome: Outcome }> {
  switch (job.op) {
    case "sign":
      return runSignJob(job, scope, warnings);
    case "verify":
      return runVerifyJob(job, scope, warnings);
    case "attest":
      return runAttestJob(job, scope, warnings);
    case "verify-attestation":
      return runVerifyAttestationJob(job, scope, warnings);
  }
}

/** The time of one job: ends with the run's signal too. Its timer must not outlive the job. */
function jobTime(job: Job, run: AbortSignal) {
  const controller = new AbortController();
  let over = false;
  const stop = () => controller.abort(run.reason);
  const timer =
    job.timeoutMs > 0
      ? setTimeout(() => {
          over = true;
          controller.abort(new DOMException("The time of this job is over", "TimeoutError"));
        }, job.timeoutMs)
      : undefined;
  if (run.aborted) stop();
  else run.addEventListener("abort", stop, { once: true });
  return {
    signal: controller.signal,
    isOver: () => over,
    end: () => {
      clearTimeout(timer);
      run.removeEventListener("abort", stop);
    },
  };
}

/** What became of a job's time or of the run stands before what the interrupted request said of it. */
function interrupted(error: unknown, job: Job, isOver: boolean, run: AbortSignal): unknown {
  const wasCut = !(error instanceof CosignError) || isIndeterminate(error.code);
  if (run.aborted && wasCut) {
    if (hasCode(run.reason, "DEADLINE_EXCEEDED", "CANCELLED")) return run.reason;
    return new CosignError("CANCELLED", "The run was interrupted", { cause: error });
  }
  if (isOver && wasCut) {
    return new CosignError(
      "DEADLINE_EXCEEDED",
      `The time of ${job.timeoutMs} ms for this image is over`,
      {
        cause: error,
        hint: "Give it more with --timeout",
      },
    );
  }
  return error;
}
