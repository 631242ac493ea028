import type { VerifyJob } from "../../engine/model/job.ts";
import type { Verdict } from "../../engine/model/verdict.ts";

/** A verify job on a reference. */
export function verifyJob(id: string, reference = "registry.example/app:1"): VerifyJob {
  return {
    id,
    op: "verify",
    target: { type: "reference", reference },
    recursive: false,
    skipUnknownPlatform: false,
    annotations: {},
    timeoutMs: 1000,
    keys: ["cosign.pub"],
    recursivePolicy: "all",
    checkClaims: true,
  };
}

/** A verdict on a job. */
export function verdictOn(
  job: string,
  outcome: Verdict["outcome"] = "passed",
  target = "registry.example/app:1",
): Verdict {
  const base = {
    job,
    op: "verify",
    target,
    subjects: [],
    elapsedMs: 5,
    requests: 1,
    warnings: [],
  } as const;
  if (outcome === "passed") return { ...base, outcome };
  const code = outcome === "failed" ? "NO_SIGNATURES" : "REGISTRY_UNAVAILABLE";
  return { ...base, outcome, reason: { code, message: `it is ${outcome}` } };
}
