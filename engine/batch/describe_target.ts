import { describeArtifact } from "../artifacts/describe.ts";
import { resolve } from "../artifacts/resolve.ts";
import type { ArtifactDemand, ArtifactDescription } from "../model/artifact.ts";
import { CosignError } from "../model/errors.ts";
import type { Job, Target } from "../model/job.ts";
import { repositoryName } from "../model/reference.ts";
import type { Subject } from "../model/subject.ts";
import { matchesGlob } from "./_glob.ts";
import type { JobScope } from "./job_context.ts";

/** What a target was found to be, and the target pinned to what was looked at. */
export interface DescribedTarget {
  readonly artifact: ArtifactDescription;
  readonly target: Target;
}

/**
 * Looks at what a target is, where its kind is named, demanded or asked for: before anything is signed,
 * and what was looked at is what is worked on.
 *
 * @returns nothing where nobody asks.
 * @throws {CosignError} `ARTIFACT_MISMATCH`, and as `describeArtifact()`.
 */
export async function describeTarget(
  { target, artifact: demand, describe }: Job,
  { context, stores, signal }: JobScope,
): Promise<DescribedTarget | undefined> {
  if (target.kind === undefined && demand === undefined && describe !== true) return undefined;
  const options = { recursive: false, skipUnknownPlatform: false, signal };
  for await (const subject of resolve(target, stores, options)) {
    const handlers = await context.artifactHandlers();
    const artifact = await describeArtifact(subject, stores, handlers, target.kind, signal);
    if (demand !== undefined) checkDemand(artifact, demand, subject);
    return { artifact, target: pinned(target, subject) };
  }
  throw new TypeError("A target has a subject");
}

function pinned(target: Target, { home }: Subject): Target {
  if (target.type === "layout" || home.at === "layout") return target;
  const { reference } = home;
  return { ...target, reference: `${repositoryName(reference)}@${reference.digest}` };
}

function checkDemand(
  { kind, facts }: ArtifactDescription,
  demand: ArtifactDemand,
  { name }: Subject,
): void {
  const refuse = (why: string): never => {
    throw new CosignError("ARTIFACT_MISMATCH", `Cannot take "${name}": ${why}`);
  };
  if (demand.kinds !== undefined && !demand.kinds.includes(kind)) {
    refuse(`it is of the kind "${kind}", expected ${demand.kinds.join(" or ")}`);
  }
  for (const [fact, glob] of Object.entries(demand.facts ?? {})) {
    const value = Object.hasOwn(facts, fact) ? facts[fact] : undefined;
    const values = typeof value === "string" ? [value] : (value ?? []);
    if (values.some((each) => matchesGlob(glob, each))) continue;
    const got = value === undefined ? "not known" : JSON.stringify(value).slice(0, 200);
    refuse(`its ${fact} is ${got}, expected ${JSON.stringify(glob)}`);
  }
}
