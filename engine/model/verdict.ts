import type { ArtifactDescription } from "./artifact.ts";
import type { Platform } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import type { ErrorReport } from "./errors.ts";
import type { Job } from "./job.ts";
import type { SignatureFormat, WorkflowField } from "./policy.ts";

/** A signature that was verified, or made, as reports tell of it. JSON. */
export interface SignatureFact {
  readonly format: SignatureFormat;
  /** The key that it was verified with, as the user named it. */
  readonly key: string;
  /** `sha256:` of the key's SubjectPublicKeyInfo (DER). */
  readonly keyDigest: string;
  /** What was signed, as cosign prints it on stdout: an object of `critical` and `optional`. Null of attestations. */
  readonly payload: unknown;
  /** Only of attestations. */
  readonly attestation?: {
    readonly predicateType: string;
    /** The envelope in one line of JSON, as cosign prints it. */
    readonly envelope: string;
  };
  /** Of a certificate that was believed: what it says. */
  readonly certificate?: {
    /** Its names; the first is cosign's `Subject`. */
    readonly subjects: readonly string[];
    /** Who vouched for the identity; empty when it does not say. */
    readonly issuer: string;
    readonly workflow: Readonly<Partial<Record<WorkflowField, string>>>;
  };
  /** Transparency logs that vouch for it; absent when none was asked. */
  readonly logEntries?: readonly LogEntryFact[];
  /** Timestamps that were checked; absent when none was looked at. */
  readonly timestamps?: readonly TimestampFact[];
  /** What does not count although enough does. */
  readonly warnings?: readonly string[];
  /** The annotations that were signed. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Only of `sign`: whether it is new or was there already. */
  readonly state?: "written" | "present" | "not-uploaded";
  /** Only of `sign`: what was made, for the files that the user wants of it. All base64. */
  readonly made?: {
    /** What was signed: the simple-signing payload, or the statement in the envelope. */
    readonly payload: string;
    readonly signature: string;
    /** The signer's own, DER; absent when a bare key has signed. */
    readonly certificate?: string;
    /** The whole bundle; of an attestation at a tag an old one. */
    readonly bundle?: string;
  };
}

/** An entry that a trusted log has. */
export interface LogEntryFact {
  /** The log, as the trusted root names it. */
  readonly log: string;
  readonly index: number;
  /** When the log took it in, ISO 8601; absent where the log does not say. */
  readonly integratedTime?: string;
  /** Whether the log had to be asked: the entry did not lie beside the signature. */
  readonly lookedUp?: boolean;
}

/** A timestamp by a trusted authority. */
export interface TimestampFact {
  /** The authority, as the trusted root names it. */
  readonly authority: string;
  /** ISO 8601. */
  readonly time: string;
}

/** What came out for one manifest. */
export interface SubjectVerdict {
  readonly name: string;
  readonly digest: Digest;
  readonly platform?: Platform;
  /** What it is, where that was looked at: of the target's own manifest only. */
  readonly artifact?: ArtifactDescription;
  readonly outcome: "passed" | "failed" | "error";
  readonly reason?: ErrorReport;
  readonly signatures: readonly SignatureFact[];
  /** Only of `verify` where nothing passed: the formats of which something lies there, though it does not count. */
  readonly present?: readonly SignatureFormat[];
}

interface VerdictBase {
  readonly job: string;
  readonly op: Job["op"];
  /** The target as the user wrote it. */
  readonly target: string;
  readonly subjects: readonly SubjectVerdict[];
  readonly elapsedMs: number;
  /** HTTP requests that were sent for this job, retries included. */
  readonly requests: number;
  /** What the user should know although it changes no outcome. */
  readonly warnings: readonly string[];
}

/**
 * The answer for one job: yes, no, or "no answer was reached". `skipped` is no answer either: the
 * target is of a sort that cannot be signed, and the reason says which. JSON.
 */
export type Verdict = VerdictBase &
  (
    | { readonly outcome: "passed" }
    | { readonly outcome: "failed"; readonly reason: ErrorReport }
    | { readonly outcome: "error"; readonly reason: ErrorReport }
    | { readonly outcome: "skipped"; readonly reason: ErrorReport }
  );
