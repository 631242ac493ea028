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
