import * as v from "valibot";
import type { ArtifactDemand } from "../model/artifact.ts";
import { describeError } from "../model/errors.ts";
import type { RecursivePolicy, WorkflowField } from "../model/policy.ts";
import { parsePattern } from "../verify/re2.ts";

/** Whose certificates count: what they must say, exactly or by a pattern in Go's syntax. */
export interface ManifestIdentity {
  /** Who vouched for the identity. */
  readonly issuer?: string;
  readonly issuerRegExp?: string;
  /** One of the certificate's names. */
  readonly subject?: string;
  readonly subjectRegExp?: string;
  /** Values of Fulcio's extensions about GitHub workflows. */
  readonly workflow?: Readonly<Partial<Record<WorkflowField, string>>>;
}

/** Who must vouch for a signature beside its signer. */
export interface ManifestTransparency {
  readonly require?: "log" | "timestamp" | "both" | "none";
  /** How many logs must have it; 1 when `require` asks for one. */
  readonly logs?: number;
  /** How many timestamp authorities must have stamped it; 1 when `require` asks for one. */
  readonly timestamps?: number;
}

/** Who vouches for the signatures of a target, beside who must. */
export interface TargetTransparency extends ManifestTransparency {
  /** Whether the log gets what is signed. Default true. */
  readonly upload?: boolean;
  /** URL of a log, Rekor v1, that gets it instead of the run's. */
  readonly rekor?: string;
  /** URL of a timestamp authority, with its path, that is asked instead of the run's. */
  readonly timestamp?: string;
}

/** Who must have signed: any of the keys, or any of the identities. */
export interface ManifestPolicy {
  /** Public keys; paths are relative to the manifest. */
  readonly keys?: readonly string[];
  readonly identities?: readonly ManifestIdentity[];
  readonly transparency?: "none" | ManifestTransparency;
  /** Whether a log of certificates must have seen the certificate. Default true. */
  readonly sct?: boolean;
  /** File of the trusted root, relative to the manifest; the run's own when absent. */
  readonly trustedRoot?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly recursivePolicy?: RecursivePolicy;
  /** What a target must be, beside being signed. */
  readonly artifact?: ArtifactDemand;
}

const MAX_THRESHOLD = 32; // as many entries, and timestamps, as a bundle may have
const MAX_IDENTITIES = 100; // each is a pattern to try on every certificate
/** Somebody's name that no honest pattern knows. */
const ANYBODY = "\u{1f47d} anybody";

/** A text that says something. */
export const nonEmptyText: v.GenericSchema<string> = v.pipe(
  v.string(),
  v.nonEmpty("must not be empty"),
);
export const annotationsSchema: v.GenericSchema<Readonly<Record<string, string>>> = v.record(
  nonEmptyText,
  v.string(),
);
/** The name of a kind of artifacts. */
export const artifactKindSchema: v.GenericSchema<string> = v.pipe(
  v.string(),
  v.regex(/^[a-z][a-z0-9-]*$/, "must be a kind, as image"),
);
export const recursivePolicySchema: v.GenericSchema<RecursivePolicy> = v.picklist([
  "leaf",
  "index",
  "either",
  "all",
]);

const threshold = v.exactOptional(
  v.pipe(
    v.number(),
    v.integer("must be a whole number"),
    v.minValue(1, "must be 1 at least"),
    v.maxValue(MAX_THRESHOLD, `must be ${MAX_THRESHOLD} at most`),
  ),
);
const transparencyWith = <Entries extends v.ObjectEntries>(more: Entries) =>
  v.union([
    v.literal("none"),
    v.pipe(
      v.strictObject({
        require: v.exactOptional(v.picklist(["log", "timestamp", "both", "none"])),
        logs: threshold,
        timestamps: threshold,
        ...more,
      }),
      v.check(
        ({ require, logs }) =>
          logs === undefined || (require !== "timestamp" && require !== "none"),
        `"logs" contradicts "require", which asks for no log`,
      ),
      v.check(
        ({ require, timestamps }) =>
          timestamps === undefined || (require !== "log" && require !== "none"),
        `"timestamps" contradicts "require", which asks for no timestamp`,
      ),
    ),
  ]);
const serviceUrl = v.exactOptional(
  v.pipe(v.string(), v.regex(/^https?:\/\/[^\s]+$/, "must be an http or https URL")),
);
const transparencySchema: v.GenericSchema<"none" | ManifestTransparency> = transparencyWith({});
export const targetTransparencySchema: v.GenericSchema<"none" | TargetTransparency> =
  transparencyWith({
    upload: v.exactOptional(v.boolean()),
    rekor: serviceUrl,
    timestamp: serviceUrl,
  });

const pattern: v.GenericSchema<string> = v.pipe(
  nonEmptyText,
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    try {
      parsePattern(dataset.value);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      addIssue({ message: `is no pattern in Go's syntax: ${describeError(error)}` });
    }
  }),
);

const identity: v.GenericSchema<ManifestIdentity> = v.pipe(
  v.strictObject({
    issuer: v.exactOptional(nonEmptyText),
    issuerRegExp: v.exactOptional(pattern),
    subject: v.exactOptional(nonEmptyText),
    subjectRegExp: v.exactOptional(pattern),
    workflow: v.exactOptional(
      v.strictObject({
        trigger: v.exactOptional(nonEmptyText),
        sha: v.exactOptional(nonEmptyText),
        name: v.exactOptional(nonEmptyText),
        repository: v.exactOptional(nonEmptyText),
        ref: v.exactOptional(nonEmptyText),
      }),
    ),
  }),
  v.check(
    ({ issuer, issuerRegExp }) => (issuer === undefined) !== (issuerRegExp === undefined),
    `must say who vouches for it: one of "issuer" and "issuerRegExp"`,
  ),
  v.check(
    ({ subject, subjectRegExp }) => (subject === undefined) !== (subjectRegExp === undefined),
    `must say who it is: one of "subject" and "subjectRegExp"`,
  ),
  v.check(
    ({ issuerRegExp, subjectRegExp }) => !(takesAll(issuerRegExp) && takesAll(subjectRegExp)),
    "demands nothing: its patterns take everybody",
  ),
);

const artifact: v.GenericSchema<ArtifactDemand> = v.pipe(
  v.strictObject({
    kinds: v.exactOptional(v.pipe(v.array(artifactKindSchema), v.minLength(1, "must name a kind"))),
    facts: v.exactOptional(annotationsSchema),
  }),
  v.check(
    ({ kinds, facts }) => kinds !== undefined || facts !== undefined,
    `demands nothing: name "kinds" or "facts"`,
  ),
);

export const policySchema: v.GenericSchema<ManifestPolicy> = v.pipe(
  v.strictObject({
    keys: v.exactOptional(v.pipe(v.array(nonEmptyText), v.minLength(1, "must name a key"))),
    identities: v.exactOptional(
      v.pipe(
        v.array(identity),
        v.minLength(1, "must name an identity"),
        v.maxLength(MAX_IDENTITIES, `must be ${MAX_IDENTITIES} identities at most`),
      ),
    ),
    transparency: v.exactOptional(transparencySchema),
    sct: v.exactOptional(v.boolean()),
    trustedRoot: v.exactOptional(nonEmptyText),
    annotations: v.exactOptional(annotationsSchema),
    recursivePolicy: v.exactOptional(recursivePolicySchema),
    artifact: v.exactOptional(artifact),
  }),
  v.check(
    ({ keys, identities }) => keys !== undefined || identities !== undefined,
    `demands nothing: name "keys" or "identities"`,
  ),
  v.check(
    ({ sct, identities }) => sct === undefined || identities !== undefined,
    `"sct" is about certificates: it needs "identities"`,
  ),
);

/**
 * What somebody may not have meant in policies that are right: patterns that match in the middle of a
 * text, certificates that nobody has seen.
 */
export function policyWarnings(
  policies: Readonly<Record<string, ManifestPolicy>>,
): readonly string[] {
  return Object.entries(policies).flatMap(([name, policy]) => {
    const { identities = [], transparency, sct } = policy;
    const asksNobody = transparency === "none" || transparency?.require === "none";
    return [
      ...identities.flatMap((each, i) =>
        patternWarnings(each, `policies.${name}.identities[${i}]`),
      ),
      ...(asksNobody && identities.length > 0
        ? [
            `policies.${name}.transparency asks no log: whoever misuses an identity is seen by nobody`,
          ]
        : []),
      ...(sct === false ? [`policies.${name}.sct asks no log of certificates`] : []),
    ];
  });
}

function patternWarnings(identity: ManifestIdentity, where: string): readonly string[] {
  return (["issuerRegExp", "subjectRegExp"] as const).flatMap((field) => {
    const source = identity[field];
    if (source === undefined || parsePattern(source).isAnchored) return [];
    return [`${where}.${field} may match in the middle of a name: write ^…$ to match all of it`];
  });
}

/** Whether a pattern is met by any text. One that cannot be read is told of elsewhere. */
function takesAll(source: string | undefined): boolean {
  if (source === undefined) return false;
  try {
    const { test } = parsePattern(source);
    return test("") && test(ANYBODY);
  } catch {
    return false; // a predicate of the schema
  }
}
