import { dirname, resolve } from "node:path";
import { MAX_BATCH_MANIFEST_BYTES, readManifest } from "../batch/manifest.ts";
import {
  checkPlan,
  countTargets,
  kindsOfManifest,
  type Needs,
  needsOf,
  needsOfManifest,
  type PlanContext,
  type PlanItem,
  type PlannedJob,
  planLines,
  planManifest,
} from "../batch/plan.ts";
import { policyWarnings } from "../batch/policy_schema.ts";
import { batchExitCode } from "../batch/run_batch.ts";
import { type BatchFlags, settle } from "../batch/settings.ts";
import { sha256 } from "../crypto/hash.ts";
import { Budgets, createBudgetMemory } from "../io/budget.ts";
import { readFileBytes } from "../io/files.ts";
import { stdinLines } from "../io/lines.ts";
import { LocalShared } from "../io/shared.ts";
import { KEYLESS, type RunKey } from "../keys/key_ring.ts";
import type { WantedDemand } from "../model/policy.ts";
import type { UserPlugins } from "../plugin_host/table.ts";
import type { Registry } from "../registry/session.ts";
import type { BatchCall, BatchTrust } from "./batch_call.ts";
import type { World } from "./command.ts";
import { namedGeneration } from "./generation.ts";
import { openListing } from "./open_listing.ts";
import { usage } from "./parse.ts";
import { printableLine } from "./printable.ts";

/** Where the targets come from. */
export interface Source extends Needs {
  /** As the user wrote it; `-` for standard input. */
  readonly name: string;
  /** Absolute; empty for standard input. */
  readonly path: string;
  readonly digest: string;
  readonly total?: number;
  /** The kinds of artifacts that the targets say they are. */
  readonly kinds: readonly string[];
  /** The plugins that it declares. */
  readonly plugins: readonly UserPlugins[];
  /** What the user should know before anything is done. */
  readonly warnings: readonly string[];
  readonly plan: (context: PlanContext) => AsyncIterable<PlanItem>;
}

/** Reads the manifest, or makes ready for the list on standard input (`-`). @throws {CosignError} */
export async function openSource(name: string, flags: BatchFlags): Promise<Source> {
  if (name === "-") {
    return {
      name,
      path: "",
      digest: "",
      ...needsOfLines(flags),
      kinds: [],
      plugins: [],
      warnings: [],
      plan: (context) => planLines(stdinLines(context.signal), context),
    };
  }
  const bytes = await readFileBytes(name, MAX_BATCH_MANIFEST_BYTES);
  const { manifest, digest } = readManifest(bytes, name, (read) => checkPlan(read, flags));
  const base = dirname(name);
  const total = countTargets(manifest);
  return {
    name,
    path: resolve(name),
    digest,
    ...(total === undefined ? {} : { total }),
    ...needsOfManifest(manifest, flags, base),
    kinds: kindsOfManifest(manifest),
    plugins: manifest.plugins.length === 0 ? [] : [{ where: name, declarations: manifest.plugins }],
    warnings: flags.op === "verify" ? policyWarnings(manifest.policies) : [],
    plan: (context) => planManifest(manifest, base, context),
  };
}

function needsOfLines(flags: BatchFlags): Needs {
  try {
    return needsOf([settle({ target: {}, flags, defaults: {}, policies: {} })]);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const identity = flags.op === "verify" ? ", or --certificate-identity" : "";
    throw usage(`A list of references needs --key${identity}`);
  }
}

/** What a run's plan is made with. */
export interface PlanSources extends BatchTrust {
  readonly keys: readonly RunKey[];
  /** Digest of who signs with certificates. */
  readonly identity?: string;
}

/** What a source's plan is made with. */
export function contextOf(
  flags: BatchFlags,
  { keys, identity, trustedRoot, namedRoots }: PlanSources,
  registry: Registry,
  signal: AbortSignal,
): PlanContext {
  const digests = new Map(keys.map(({ uri, spki }) => [uri, sha256(spki).toHex()]));
  if (identity !== undefined) digests.set(KEYLESS, identity);
  const roots = new Map<string | undefined, string>();
  for (const [name, json] of namedRoots ?? []) roots.set(name, sha256(json).toHex());
  if (trustedRoot !== undefined) roots.set(undefined, sha256(trustedRoot).toHex());
  return {
    flags,
    registry,
    signal,
    keyDigest: (uri) => digests.get(uri) ?? uri,
    rootDigest: (name) => roots.get(name) ?? name ?? "",
  };
}

/** Prints a line a target; nothing is signed, verified or written. */
export async function dryRun(
  source: Source,
  { call, flags, registry }: BatchCall,
): Promise<number> {
  const listing = openListing(registry, call, {
    shared: new LocalShared(),
    budgets: new Budgets(createBudgetMemory(), 1),
  });
  const counts = { targets: 0, faults: 0 };
  for await (const item of source.plan(
    contextOf(flags, { keys: [] }, listing, new AbortController().signal),
  )) {
    if (item.kind === "job") {
      counts.targets += 1;
      const { job } = item;
      call.stdout.write(`${printableLine(`${job.op} ${item.target} (${howOf(job)})`)}\n`);
    } else {
      if (item.outcome === "error") counts.faults += 1;
      const { code, message } = item.reason;
      call.stderr.write(
        `${printableLine(`${item.outcome} ${item.target}: ${code}: ${message}`)}\n`,
      );
    }
  }
  call.stderr.write(`${counts.targets} targets, ${counts.faults} errors; nothing was done\n`);
  const tally = { passed: counts.targets, failed: 0, error: counts.faults, skipped: 0, open: 0 };
  return batchExitCode({ tally, complete: true }, namedGeneration(call.flags.compat));
}

/** The plugins of a run: the user's, and those that the manifest declares. */
export function pluginsOf({ plugins }: Source, { call }: BatchCall): World["plugins"] {
  return (declared = []) => call.plugins([...plugins, ...declared]);
}

function howOf(job: PlannedJob): string {
  if (job.op === "sign") return `${job.key}, ${job.formats.join(" and ")}`;
  const identities = job.demands?.identities?.map(({ subject, issuer }) =>
    [subject, issuer].map((wanted) => wantedText(wanted)).join(" of "),
  );
  return [...job.keys, ...(identities ?? [])].join(", ");
}

function wantedText(wanted: WantedDemand | undefined): string {
  if (wanted === undefined) return "anybody";
  return "exact" in wanted ? wanted.exact : `/${wanted.regExp}/`;
}
