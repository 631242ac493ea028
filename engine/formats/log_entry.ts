/** What a bundle, a layer's annotation or a log itself tells of an entry in a transparency log. Parsed, not believed. */
export interface LogEntry {
  /** Position in the whole log, over all its shards. */
  readonly logIndex: number;
  /** Which log: raw bytes. */
  readonly logId: Uint8Array;
  /** The kind that the bundle claims; must be the body's own. Absent where the format has none. */
  readonly kindVersion?: { readonly kind: string; readonly version: string };
  /** Unix time in seconds; worth nothing without a promise that is signed over it. */
  readonly integratedTime?: number;
  /** The entry itself, canonicalized JSON: what is hashed as the leaf. */
  readonly body: Uint8Array;
  /** The signed entry timestamp (SET): raw signature. */
  readonly promise?: Uint8Array;
  readonly proof?: InclusionProof;
  /** It did not lie beside the signature: the log was asked for it. */
  readonly lookedUp?: true;
}

/** A proof of inclusion (RFC 6962 §2.1.1) and the checkpoint that it leads to. */
export interface InclusionProof {
  /** Position in the shard's tree. */
  readonly logIndex: number;
  readonly treeSize: number;
  /** 32 raw bytes. */
  readonly rootHash: Uint8Array;
  /** 32 raw bytes each, from the leaf upwards. */
  readonly hashes: readonly Uint8Array[];
  /** A signed note (c2sp.org/signed-note); old entries have none. */
  readonly checkpoint?: string;
}
