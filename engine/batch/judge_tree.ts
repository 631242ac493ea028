import type { Digest } from "../model/digest.ts";
import type { RecursivePolicy } from "../model/policy.ts";
import type { SubjectVerdict } from "../model/verdict.ts";
import type { Outcome } from "./outcome.ts";

/** One manifest of a target, judged by itself. */
export interface JudgedManifest {
  readonly digest: Digest;
  readonly isIndex: boolean;
  /** The indexes that it was reached through. */
  readonly parents: readonly Digest[];
  readonly verdict: SubjectVerdict;
}

/**
 * Judges a target by its manifests: `index` wants the target itself, `leaf` every image in it, `all`
 * both and every index between, `either` for each image itself or an index that holds it. A "no"
 * beats an error, an error beats a yes: but where any one suffices, a yes beats an error.
 */
export function judgeTree(manifests: readonly JudgedManifest[], policy: RecursivePolicy): Outcome {
  const [root] = manifests;
  if (root === undefined) return { outcome: "passed" };
  const leaves = manifests.filter(({ isIndex }) => !isIndex);
  switch (policy) {
    case "all":
      return worst(manifests.map(({ verdict }) => verdict));
    case "index":
      return worst([root.verdict]);
    case "leaf":
      return worst((leaves.length === 0 ? [root] : leaves).map(({ verdict }) => verdict));
    case "either": {
      const byDigest = new Map(manifests.map((manifest) => [manifest.digest, manifest.verdict]));
      const covered = (leaves.length === 0 ? [root] : leaves).map(({ verdict, parents }) => {
        const chain = [verdict, ...parents.flatMap((parent) => byDigest.get(parent) ?? [])];
        return (
          chain.find(({ outcome }) => outcome === "passed") ??
          chain.find(({ outcome }) => outcome === "error") ??
          verdict
        );
      });
      return worst(covered);
    }
  }
}

/** The worst of several outcomes. */
export function worst(verdicts: readonly SubjectVerdict[]): Outcome {
  for (const outcome of ["failed", "error"] as const) {
    const reason = verdicts.find((verdict) => verdict.outcome === outcome)?.reason;
    if (reason !== undefined) return { outcome, reason };
  }
  return { outcome: "passed" };
}
