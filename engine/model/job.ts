import type { ArtifactDemand } from "./artifact.ts";
import type { Generation } from "./exit_code.ts";
import type {
  RecursivePolicy,
  SignatureDigestAlgorithm,
  SignatureFormat,
  TrustDemands,
} from "./policy.ts";

/** What one job is about. */
export type Target =
  | { readonly type: "reference"; readonly reference: string; readonly kind?: string }
  | { readonly type: "layout"; readonly path: string; readonly kind?: string };

interface JobBase {
  /** Unique in its run, the same again when the same plan is made again. */
  readonly id: string;
  readonly target: Target;
  readonly recursive: boolean;
  /** Leaves BuildKit's `unknown/unknown` children of indexes out. */
  readonly skipUnknownPlatform: boolean;
  readonly annotations: Readonly<Record<string, string>>;
  /** `--attachment sbom`: the job is about the image at this companion tag, not about the target. */
  readonly attachment?: "sbom";
  /** What the target must be; absent: anything. */
  readonly artifact?: ArtifactDemand;
  /** Whether the verdict says what the target is. Default false: it costs a request or two. */
  readonly describe?: boolean;
  /** Time that this job may take, in milliseconds; 0 for none. */
  readonly timeoutMs: number;
}

/** Who is to vouch for signatures beside their signer. */
export interface JobTransparency {
  /** Whether transparency logs get them. */
  readonly upload: boolean;
  /** A log, Rekor v1, in the place of those of the run. */
  readonly rekorUrl?: string;
  /** A timestamp authority in the place of those of the run. */
  readonly timestampUrl?: string;
}

/** Signs a target with one key. */
export interface SignJob extends JobBase {
  readonly op: "sign";
  /** The key, as the URI that `RunSetup` knows it by; `keyless` for certificates. */
  readonly key: string;
  readonly formats: readonly SignatureFormat[];
  /** Absent: nobody vouches. */
  readonly transparency?: JobTransparency;
  /** No second signature by this key, or by this identity, over the same payload. */
  readonly skipSigned: boolean;
  /** `--sign-container-identity`: names to sign instead of the repository's, in legacy payloads. */
  readonly identities?: readonly string[];
  /** `--payload`: sign these bytes (base64) instead of a payload of ours; legacy only. */
  readonly payload?: string;
  /** `--registry-referrers-mode oci-1-1`: legacy signatures become referrers. Default false. */
  readonly asReferrer?: boolean;
  /** `--upload=false`: sign, and write nothing to the registry. Default true. */
  readonly upload?: boolean;
  /** Also answer what was made (`SignatureFact.made`). Default false. */
  readonly returnMade?: boolean;
}

/** Verifies a target. */
export interface VerifyJob extends JobBase {
  readonly op: "verify";
  /** Keys of which any may have signed, as the URIs that `RunSetup` knows them by. */
  readonly keys: readonly string[];
  readonly recursivePolicy: RecursivePolicy;
  readonly checkClaims: boolean;
  readonly signatureDigestAlgorithm?: SignatureDigestAlgorithm;
  /** What must hold beside the key; absent: nothing. */
  readonly demands?: TrustDemands;
  /** `--experimental-oci11`: signatures of the legacy format are looked for among referrers first. */
  readonly amongReferrers?: boolean;
  /** `--signature`: this one instead of those that lie beside the target. */
  readonly detached?: DetachedSignature;
  /** The format to look for first. Both are looked for before "unsigned" is said. */
  readonly expectFormat?: SignatureFormat;
}

/** A signature that the user hands over. All base64. */
export interface DetachedSignature {
  readonly signature: string;
  /** What was signed; when absent, the payload of {@link SignJob} without annotations. */
  readonly payload?: string;
}

/** Signs a statement about a target with one key. */
export interface AttestJob extends JobBase {
  readonly op: "attest";
  /** The key, as the URI that `RunSetup` knows it by; `keyless` for certificates. */
  readonly key: string;
  readonly formats: readonly SignatureFormat[];
  /** Absent: nobody vouches. */
  readonly transparency?: JobTransparency;
  /** As what the attestation stands in the log. Default `dsse`. */
  readonly entryKind?: "dsse" | "intoto";
  /** The generation of cosign that statements, envelopes and layers are written as. */
  readonly generation: Generation;
  /** URI of the predicate's type. */
  readonly predicateType: string;
  readonly content: /** JSON of the predicate, as Go writes it: the statement around it is made for each subject. */
    | { readonly kind: "predicate"; readonly json: string }
    /** A whole statement, signed as it is when it is about the subject. */
    | { readonly kind: "statement"; readonly json: string };
  /** `--replace`: at the tag the new one takes the place of those with its predicate type. */
  readonly replace: boolean;
  /** `--no-upload`: false writes nothing to the registry. */
  readonly upload: boolean;
  /** Also answer what was made (`SignatureFact.made`). */
  readonly returnMade: boolean;
}

/** Verifies the attestations of a target. */
export interface VerifyAttestationJob extends JobBase {
  readonly op: "verify-attestation";
  /** Keys of which any may have signed, as the URIs that `RunSetup` knows them by. */
  readonly keys: readonly string[];
  /** As it was asked for: a short name or an URI. */
  readonly predicateType: string;
  readonly checkClaims: boolean;
  readonly signatureDigestAlgorithm?: SignatureDigestAlgorithm;
  /** What must hold beside the key; absent: nothing. */
  readonly demands?: TrustDemands;
}

/** One unit of work: goes whole to one worker and comes back as one verdict. JSON. */
export type Job = SignJob | VerifyJob | AttestJob | VerifyAttestationJob;
