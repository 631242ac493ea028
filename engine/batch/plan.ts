import { createHash } from "node:crypto";
import { CosignError, type ErrorReport, reportError } from "../model/errors.ts";
import type { Job, SignJob, Target, VerifyJob } from "../model/job.ts";
import type { SignatureFormat } from "../model/policy.ts";
import { parseReference, parseRegistry, parseRepository } from "../model/reference.ts";
import type { Registry } from "../registry/session.ts";
import { type Listed, listRegistry, listRepository } from "./discovery.ts";
import type { BatchManifest, ManifestTarget, Problem } from "./schema.ts";
import { type BatchFlags, type JobSettings, resolvePath, settle, settler } from "./settings.ts";

/** A job before the ledger has given it its id. */
export type PlannedJob = Omit<SignJob, "id"> | Omit<VerifyJob, "id">;

/** One step of a plan: a job, or a target that has its verdict already because nothing can be done. */
export type PlanItem =
  | {
      readonly kind: "job";
      readonly key: string;
      readonly target: string;
      readonly job: PlannedJob;
    }
  | {
      readonly kind: "answer";
      readonly op: Job["op"];
      readonly key: string;
      readonly target: string;
      readonly outcome: "error" | "skipped";
      readonly reason: ErrorReport;
    };

/** What plans are made with. */
export interface PlanContext {
  readonly flags: BatchFlags;
  /** What stands for a key in the identity of jobs: its digest, so that another key under the same name is another job. */
  readonly keyDigest: (uri: string) => string;
  /** The same for a trusted root; the run's own when none is named. */
  readonly rootDigest: (root: string | undefined) => string;
  readonly registry: Registry;
  readonly signal: AbortSignal;
}

/** What cannot be seen without the flags: policies, keys, contradictions, references. For `readManifest`. */
export function checkPlan(manifest: BatchManifest, flags: BatchFlags): readonly Problem[] {
  const problems: Problem[] = [];
  const settleOne = settler({ flags, ...manifest });
  for (const [i, target] of manifest.targets.entries()) {
    const path = ["targets", i];
    try {
      checkName(target);
      settleOne(target);
    } catch (error) {
      if (!(error instanceof SyntaxError) && !(error instanceof CosignError)) throw error;
      problems.push({ path, message: error.message });
    }
  }
  return problems;
}

/** What jobs need, each once, as the jobs will name it. */
export interface Needs {
  readonly keys: readonly string[];
  /** Trusted roots to verify against; the run's own is `undefined`. */
  readonly roots: readonly (string | undefined)[];
  /** Whether a transparency log is demanded of what is verified. */
  readonly logs: boolean;
  /** In which something is signed. */
  readonly formats: readonly SignatureFormat[];
  /** Whether anybody vouches for what is signed. */
  readonly isVouched: boolean;
  /** Whether the run's own logs get it. */
  readonly upload: boolean;
}

/** What a manifest's jobs need. */
export function needsOfManifest(manifest: BatchManifest, flags: BatchFlags, base: string): Needs {
  const jobs = manifest.targets.map(settler({ flags, base, ...manifest }));
  return needsOf([...new Set(jobs)]);
}

/** What jobs need. */
export function needsOf(jobs: readonly JobSettings[]): Needs {
  const keys = new Set<string>();
  const roots = new Set<string | undefined>();
  const formats = new Set<SignatureFormat>();
  const does = { logs: false, isVouched: false, upload: false };
  for (const job of jobs) {
    for (const key of job.op === "sign" ? [job.key] : job.keys) keys.add(key);
    if (job.op === "sign") {
      const { transparency } = job;
      for (const format of job.formats) formats.add(format);
      does.isVouched ||= transparency !== undefined;
      does.upload ||= transparency?.upload === true && transparency.rekorUrl === undefined;
    } else if (job.demands !== undefined) {
      roots.add(job.demands.root);
      does.logs ||= job.demands.logThreshold > 0;
    }
  }
  return { keys: [...keys], roots: [...roots], formats: [...formats], ...does };
}

/** The kinds of artifacts that a manifest names. */
export function kindsOfManifest(manifest: BatchManifest): readonly string[] {
  const kinds = manifest.targets.flatMap((target) =>
    "kind" in target && target.kind !== undefined ? [target.kind] : [],
  );
  return [...new Set(kinds)];
}

/** How many jobs a manifest has; nothing when that is known only by listing. */
export function countTargets(manifest: BatchManifest): number | undefined {
  const isListed = (target: ManifestTarget) => "repository" in target || "registry" in target;
  return manifest.targets.some(isListed) ? undefined : manifest.targets.length;
}

/** The plan of a manifest that `checkPlan` found nothing wrong with. Listings are read as they are pulled. */
export async function* planManifest(
  manifest: BatchManifest,
  base: string,
  context: PlanContext,
): AsyncGenerator<PlanItem, void, undefined> {
  const settleOne = settler({ flags: context.flags, base, ...manifest });
  const jobItem = jobMaker(context);
  for (const target of manifest.targets) {
    const settings = settleOne(target);
    if ("reference" in target) {
      const { reference } = target;
      yield jobItem(settings, { type: "reference", reference, ...kindOf(target) });
    } else if ("layout" in target) {
      const path = resolvePath({ base }, target.layout);
      yield jobItem(settings, { type: "layout", path, ...kindOf(target) });
    } else {
      yield* planListing(target, (found) => jobItem(settings, found), context);
    }
  }
}

/** The plan of a list of references: one a line, blank lines and `#` comments passed over. */
export async function* planLines(
  lines: AsyncIterable<string>,
  context: PlanContext,
): AsyncGenerator<PlanItem, void, undefined> {
  const settings = settle({ target: {}, flags: context.flags, defaults: {}, policies: {} });
  const jobItem = jobMaker(context);
  for await (const line of lines) {
    const reference = line.trim();
    if (reference === "" || reference.startsWith("#")) continue;
    try {
      parseReference(reference);
    } catch (error) {
      yield answerItem("error", reference.slice(0, 200), reportError(error), context);
      continue;
    }
    yield jobItem(settings, { type: "reference", reference });
  }
}

/**
 * The identity of a job: equal for jobs that ask for the same. Time limits, and whether to look for
 * a signature first, are how it is done, not what.
 */
export function jobKey({ target, ...settings }: PlannedJob, context: KeyContext): string {
  return keyOf(target, identityOf(settings, context));
}

type KeyContext = Pick<PlanContext, "keyDigest" | "rootDigest">;

function keyOf(target: Target, identity: string): string {
  return hash(`${JSON.stringify(target)} ${identity}`);
}

/** What is asked of a target, as text. */
function identityOf(settings: JobSettings, { keyDigest, rootDigest }: KeyContext): string {
  const { timeoutMs: _timeout, annotations, ...rest } = settings;
  const what =
    rest.op === "sign"
      ? { ...rest, key: keyDigest(rest.key), skipSigned: undefined }
      : {
          ...rest,
          keys: rest.keys.map(keyDigest).sort(),
          expectFormat: undefined,
          demands: rest.demands && {
            ...rest.demands,
            root: rootDigest(rest.demands.root),
            // That the present time counts is asked; which one it is, the run says.
            now: rest.demands.now !== undefined,
          },
        };
  const entries = Object.entries({ ...what, annotations: Object.entries(annotations).sort() });
  return JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What a target is called in verdicts and reports. */
export function targetName(target: Target): string {
  return target.type === "reference" ? target.reference : target.path;
}

async function* planListing(
  target: Extract<ManifestTarget, { repository: string } | { registry: string }>,
  jobItem: (target: Target) => PlanItem,
  context: PlanContext,
): AsyncGenerator<PlanItem, void, undefined> {
  const name = "registry" in target ? target.registry : target.repository;
  let isEmpty = true;
  for await (const listed of listingOf(target, context)) {
    isEmpty = false;
    yield listed.kind === "found"
      ? jobItem({ type: "reference", reference: listed.reference })
      : answerItem("error", listed.name, listed.reason, context);
  }
  if (isEmpty) {
    const message = `Cannot ${context.flags.op} "${name}": its listing has no tag that is selected`;
    yield answerItem("skipped", name, { code: "NOTHING_TO_DO", message }, context);
  }
}

function listingOf(
  target: Extract<ManifestTarget, { repository: string } | { registry: string }>,
  { registry, signal }: PlanContext,
): AsyncIterable<Listed> {
  const tags = target.tags ?? {};
  if ("repository" in target) {
    return listRepository(registry, parseRepository(target.repository), tags, signal);
  }
  const host = parseRegistry(target.registry);
  return listRegistry(registry, host, target.repositories ?? {}, tags, signal);
}

/** Makes the items of jobs. Most have the settings of another, whose identity is worked out once. */
function jobMaker(context: KeyContext): (settings: JobSettings, target: Target) => PlanItem {
  const identities = new WeakMap<JobSettings, string>();
  return (settings, target) => {
    const identity = identities.get(settings) ?? identityOf(settings, context);
    identities.set(settings, identity);
    const job = { ...settings, target };
    return { kind: "job", key: keyOf(target, identity), target: targetName(target), job };
  };
}

function answerItem(
  outcome: "error" | "skipped",
  target: string,
  reason: ErrorReport,
  { flags }: PlanContext,
): PlanItem {
  const { op } = flags;
  return { kind: "answer", op, key: hash(`${op} answer ${target}`), target, outcome, reason };
}

function kindOf(target: { readonly kind?: string }): { readonly kind?: string } {
  return target.kind === undefined ? {} : { kind: target.kind };
}

function checkName(target: ManifestTarget): void {
  if ("reference" in target) parseReference(target.reference);
  else if ("repository" in target) parseRepository(target.repository);
  else if ("registry" in target) {
    const host = parseRegistry(target.registry);
    if (parseRepository(`${host}/name`).registry !== host) {
      throw new SyntaxError(`the registry "${host}" needs a port or a domain, as in a reference`);
    }
  }
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
