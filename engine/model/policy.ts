/** The formats in which a signature of an image can lie beside it. */
export type SignatureFormat = "legacy" | "bundle";

/**
 * What of a multi-arch index must be signed: every leaf image, the index itself, each leaf or an
 * index that holds it, or the index and every child.
 */
export type RecursivePolicy = "leaf" | "index" | "either" | "all";

/** What a verification demands. JSON: it crosses threads and goes into ledgers. */
export interface Policy {
  /** Key URIs of which any one must have signed. */
  readonly keys: readonly string[];
  /** Name and value of annotations that must have been signed. */
  readonly annotations: Readonly<Record<string, string>>;
  /** False leaves out the comparison of digest and annotations (`--check-claims=false`). */
  readonly checkClaims: boolean;
  /** `--signature-digest-algorithm`: only this digest, instead of those that go with the key. */
  readonly signatureDigestAlgorithm?: SignatureDigestAlgorithm;
}

/** The digests that `--signature-digest-algorithm` names. */
export type SignatureDigestAlgorithm = "sha224" | "sha256" | "sha384" | "sha512";

/** A text that must be met: exactly, or by a pattern in Go's syntax. */
export type WantedDemand = { readonly exact: string } | { readonly regExp: string };

/** What a certificate must say of whom it is for, and who vouched for that. */
export interface IdentityDemand {
  readonly subject?: WantedDemand;
  readonly issuer?: WantedDemand;
  /** Values of Fulcio's extensions about GitHub workflows. */
  readonly workflow?: Readonly<Partial<Record<WorkflowField, string>>>;
}

/** Fulcio's extensions about GitHub workflows. */
export type WorkflowField = "trigger" | "sha" | "name" | "repository" | "ref";

/** What a signature must satisfy beside keys, held against the trusted root of its run. JSON. */
export interface TrustDemands {
  /** Whose certificates count; absent: only keys do. */
  readonly identities?: readonly IdentityDemand[];
  /** How many transparency logs must have it; 0: entries are not looked at. */
  readonly logThreshold: number;
  /** How many timestamp authorities must have stamped it. */
  readonly timestampThreshold: number;
  /** Whether a log of certificates must have seen the certificate. */
  readonly sct: boolean;
  /** When certificates must be valid where no evidence states a time, ISO 8601; absent: then they are refused. */
  readonly now?: string;
  /** The certificate that must have been used: base64 of DER. */
  readonly certificate?: string;
  /** A signed certificate timestamp that lies elsewhere: base64 of JSON. */
  readonly detachedSct?: string;
  /** The trusted root that it is held against, as the run knows it; absent: the run's own. */
  readonly root?: string;
}
