import { toJsonSchema } from "@valibot/to-json-schema";
import * as v from "valibot";
import { parseDurationMs } from "../model/duration.ts";
import type { RecursivePolicy } from "../model/policy.ts";
import { type ProcessDeclaration, USER_PLUGINS } from "../plugin_host/manifest.ts";
import {
  annotationsSchema,
  artifactKindSchema,
  type ManifestPolicy,
  nonEmptyText,
  policySchema,
  recursivePolicySchema,
  type TargetTransparency,
  targetTransparencySchema,
} from "./policy_schema.ts";

/** What can be said of every target, or once for all in `defaults`. */
export interface TargetSettings {
  /** `batch sign`: the key, a path relative to the manifest or an URI; `keyless` for certificates. */
  readonly key?: string;
  readonly format?: "legacy" | "bundle" | "both";
  /** Who vouches for what is signed, and who must have for what is verified. */
  readonly transparency?: "none" | TargetTransparency;
  readonly recursive?: boolean;
  /** `batch verify`: a name under `policies`. */
  readonly policy?: string;
  /** Written by sign, demanded by verify. */
  readonly annotations?: Readonly<Record<string, string>>;
  readonly skipSigned?: boolean;
  readonly recursivePolicy?: RecursivePolicy;
  readonly skipUnknownPlatform?: boolean;
  /** Whether reports say what the target is, as its kind's handler knows it. */
  readonly describe?: boolean;
  /** Time for one target, as Go writes durations; `0` for no limit. */
  readonly timeout?: string;
  /** Names to sign instead of the repository's, in legacy payloads. */
  readonly identities?: readonly string[];
}

/** Globs of names: at least one of `include`, all when it is absent, and none of `exclude`. */
export interface NameFilter {
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
}

/** One entry of `targets`: an image, the tags of a repository, a whole registry, or a layout on disk. */
export type ManifestTarget = TargetSettings &
  (
    | { readonly reference: string; readonly kind?: string }
    | { readonly repository: string; readonly tags?: NameFilter }
    | { readonly registry: string; readonly repositories?: NameFilter; readonly tags?: NameFilter }
    | { readonly layout: string; readonly kind?: string }
  );

/** A batch manifest, as it stands in the file. */
export interface BatchManifest {
  readonly version: 1;
  readonly plugins: readonly ProcessDeclaration[];
  readonly defaults: TargetSettings;
  readonly policies: Readonly<Record<string, ManifestPolicy>>;
  readonly targets: readonly ManifestTarget[];
}

/** A place in a manifest, and what is wrong there. */
export interface Problem {
  readonly path: readonly (string | number)[];
  /** Whether the name at the end of `path` is meant, rather than its value. */
  readonly atName?: boolean;
  readonly message: string;
}

const names = v.array(nonEmptyText);
const nameFilter = v.strictObject({
  include: v.exactOptional(v.pipe(names, v.minLength(1, "must name something"))),
  exclude: v.exactOptional(names),
});
const duration = v.pipe(
  v.string(),
  v.regex(/^(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/, "must be as 90s or 5m"),
  v.check(isDuration, "must be less than 24 days"),
);

const settings = {
  key: v.exactOptional(nonEmptyText),
  format: v.exactOptional(v.picklist(["legacy", "bundle", "both"])),
  transparency: v.exactOptional(targetTransparencySchema),
  recursive: v.exactOptional(v.boolean()),
  policy: v.exactOptional(nonEmptyText),
  annotations: v.exactOptional(annotationsSchema),
  skipSigned: v.exactOptional(v.boolean()),
  recursivePolicy: v.exactOptional(recursivePolicySchema),
  skipUnknownPlatform: v.exactOptional(v.boolean()),
  describe: v.exactOptional(v.boolean()),
  timeout: v.exactOptional(duration),
  identities: v.exactOptional(v.pipe(names, v.minLength(1, "must name something"))),
} as const;

const targetSchemas = {
  reference: v.strictObject({
    reference: nonEmptyText,
    kind: v.exactOptional(artifactKindSchema),
    ...settings,
  }),
  repository: v.strictObject({
    repository: nonEmptyText,
    tags: v.exactOptional(nameFilter),
    ...settings,
  }),
  registry: v.strictObject({
    registry: nonEmptyText,
    repositories: v.exactOptional(nameFilter),
    tags: v.exactOptional(nameFilter),
    ...settings,
  }),
  layout: v.strictObject({
    layout: nonEmptyText,
    kind: v.exactOptional(artifactKindSchema),
    ...settings,
  }),
} as const;

const top = {
  version: v.literal(1),
  plugins: v.exactOptional(USER_PLUGINS),
  defaults: v.exactOptional(v.strictObject(settings)),
  policies: v.exactOptional(v.record(nonEmptyText, policySchema)),
} as const;

/** The targets one by one, so that a problem in one is told by the form it has. */
const shallow = v.strictObject({
  ...top,
  targets: v.pipe(v.array(v.unknown()), v.minLength(1, "must name something")),
});

const published = v.strictObject({
  ...top,
  targets: v.pipe(
    v.array(v.union([nonEmptyText, ...Object.values(targetSchemas)])),
    v.minLength(1, "must name something"),
  ),
});

/** The JSON Schema of batch manifests (draft 2020-12), for editors. */
export function manifestJsonSchema(): Readonly<Record<string, unknown>> {
  return {
    ...toJsonSchema(published, { target: "draft-2020-12", ignoreActions: ["check", "raw_check"] }),
    title: "cosign-ts batch manifest",
  };
}

/**
 * Checks what was read from a manifest.
 *
 * @returns the manifest, or every problem that it has.
 */
export function checkManifest(value: unknown): BatchManifest | readonly Problem[] {
  const whole = v.safeParse(shallow, value);
  if (!whole.success) return whole.issues.flatMap((issue) => problemsOf([], issue));
  const problems: Problem[] = [];
  const targets = whole.output.targets.flatMap((entry, i) => {
    const target = checkTarget(entry, ["targets", i]);
    if (!Array.isArray(target)) return [target];
    problems.push(...target);
    return [];
  });
  if (problems.length > 0) return problems;
  const { version, plugins = [], defaults = {}, policies = {} } = whole.output;
  return { version, plugins, defaults, policies, targets };
}

function checkTarget(entry: unknown, path: Problem["path"]): ManifestTarget | Problem[] {
  if (typeof entry === "string" && entry !== "") return { reference: entry };
  const value = typeof entry === "string" ? { reference: entry } : entry;
  const forms = Object.keys(targetSchemas).filter(isForm);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return [
      { path, message: `got ${describe(value)}, expected a reference or ${forms.join(", ")}` },
    ];
  }
  const [form, ...others] = forms.filter((name) => Object.hasOwn(value, name));
  if (form === undefined) return [{ path, message: `expected one of ${forms.join(", ")}` }];
  if (others.length > 0) {
    const message = `"${form}" and "${others.join('", "')}" contradict each other: one target has one of them`;
    return [{ path, message }];
  }
  const result = v.safeParse(targetSchemas[form], value);
  if (result.success) return result.output;
  return result.issues.flatMap((issue) => problemsOf(path, issue));
}

function isForm(name: string): name is keyof typeof targetSchemas {
  return Object.hasOwn(targetSchemas, name);
}

function problemsOf(at: Problem["path"], issue: v.BaseIssue<unknown>): readonly Problem[] {
  const below = issue.path?.map((item) => item.key) ?? [];
  const path = [
    ...at,
    ...below.filter((key) => typeof key === "string" || typeof key === "number"),
  ];
  // Of a choice between a word and an object, what is wrong within the object says more.
  const within = issue.type === "union" ? issue.issues?.filter((each) => each.path) : undefined;
  if (within !== undefined && within.length > 0) {
    return within.flatMap((each) => problemsOf(path, each));
  }
  return [problemOf(path, issue)];
}

function problemOf(path: Problem["path"], issue: v.BaseIssue<unknown>): Problem {
  if (issue.type === "strict_object" && issue.expected === "never") {
    return { path, atName: true, message: "unknown field" };
  }
  if (issue.type === "strict_object" && issue.received === "undefined") {
    return { path, message: "missing" };
  }
  if (issue.kind === "schema") {
    const got = describe(issue.input);
    return { path, message: `got ${got}, expected ${words(issue.expected ?? "something else")}` };
  }
  return { path, message: issue.message };
}

function words(expected: string): string {
  return expected.replaceAll(/^\(|\)$/g, "").replaceAll(" | ", " or ");
}

function describe(value: unknown): string {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object"
    ? "an object"
    : (JSON.stringify(value) ?? "nothing").slice(0, 100);
}

function isDuration(value: string): boolean {
  try {
    parseDurationMs(value);
    return true;
  } catch {
    return false; // a predicate of the schema; the message is its own
  }
}
