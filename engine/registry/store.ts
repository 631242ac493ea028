import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import type { Repository } from "../model/reference.ts";

/** A manifest as it lies in a store: the bytes are what was hashed, and were checked against the digest. */
export interface StoredManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  /** The registry's entity tag, for conditional writes; absent where there is none. */
  readonly etag?: string;
}

/** What a conditional write of a manifest demands of what is there. */
export type Precondition = { readonly ifMatch: string } | { readonly ifNoneMatch: true };

/**
 * One repository, or one OCI image layout: manifests, blobs and referrers. `gather`, `attach` and
 * `transfer` are written against it. Everything read was checked against digest and size.
 * Throws {@link CosignError}s of the registry's codes; what is not there is `undefined` where a
 * type says so, and an error is never "not there".
 */
export interface Store {
  /** `registry/repository`, or the path of a layout. */
  readonly name: string;
  /** Absent for a layout. */
  readonly repository?: Repository;
  /** The descriptor of a manifest without its bytes (`HEAD`); absent when there is no such manifest. */
  head(reference: Digest | Tag, signal?: AbortSignal): Promise<Descriptor | undefined>;
  /** A manifest; absent when there is none. */
  manifest(reference: Digest | Tag, signal?: AbortSignal): Promise<StoredManifest | undefined>;
  /** A blob, whole, at most `limitBytes` (`LIMIT_EXCEEDED`). @throws `REGISTRY_PROTOCOL` when it is not there. */
  blob(descriptor: Descriptor, limitBytes: number, signal?: AbortSignal): Promise<Uint8Array>;
  /**
   * A blob bit by bit. Digest and size are checked at its end: whoever stops before believes nothing.
   *
   * @throws {CosignError} `DIGEST_MISMATCH`, `REGISTRY_PROTOCOL` when it is not there.
   */
  streamBlob(descriptor: Descriptor, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /**
   * Writes a blob that comes bit by bit, unless it is there: of another repository of the same registry it
   * is mounted. Nothing stays of one that has not its digest.
   */
  pushBlobFrom(
    descriptor: Descriptor,
    source: BlobSource,
    signal?: AbortSignal,
  ): Promise<BlobTransfer>;
  /** Writes a blob unless it is there. */
  pushBlob(content: Uint8Array, digest: Digest, signal?: AbortSignal): Promise<void>;
  /**
   * Writes a manifest under its digest, or under a tag.
   *
   * @returns the etag it has now, where the registry says so.
   * @throws {CosignError} `REGISTRY_CONFLICT` when `precondition` does not hold (412).
   */
  pushManifest(
    content: Uint8Array,
    mediaType: string,
    reference: Digest | Tag,
    precondition?: Precondition,
    signal?: AbortSignal,
  ): Promise<string | undefined>;
  /**
   * The manifests whose `subject` is `digest`: by the referrers API, else by its fallback tag; all
   * pages. Nothing is dropped for its `artifactType`.
   */
  referrers(digest: Digest, signal?: AbortSignal): Promise<readonly Descriptor[]>;
  /**
   * Makes pushed manifests known as referrers of `subject` where the registry does not do so by
   * itself: the fallback tag, written so that two writers do not lose each other's entry.
   */
  announceReferrer(
    subject: Digest,
    referrers: Descriptor | readonly Descriptor[],
    options: SharedWriteOptions,
  ): Promise<void>;
  /** Takes deleted manifests off the list of referrers of `subject`, where the registry does not do so by itself. */
  forgetReferrers(
    subject: Digest,
    referrers: ReadonlySet<Digest>,
    options: SharedWriteOptions,
  ): Promise<void>;
  /** Whether referrers are listed without the help of a tag. */
  listsReferrers(subject: Digest, signal?: AbortSignal): Promise<boolean>;
  /** Deletes a manifest by digest or a tag. @throws `REGISTRY_UNSUPPORTED` where deletion is off. */
  remove(reference: Digest | Tag, signal?: AbortSignal): Promise<void>;
  /**
   * Whether preconditions of this kind are kept, not only taken. Absent where that is not known:
   * then they are not relied on.
   *
   * @param prove Finds it out; asked once per run and registry.
   */
  enforces?(kind: "ifMatch" | "ifNoneMatch", prove: () => Promise<boolean>): Promise<boolean>;
}

/** Where the bytes of a blob come from. */
export interface BlobSource {
  /** Its bytes, from the beginning each time. */
  read(signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** The repository that has it. */
  readonly repository?: Repository;
}

/** How a blob got to where it is. */
export type BlobTransfer = "present" | "mounted" | "sent";

/** How a manifest that many write is written. */
export interface SharedWriteOptions {
  /** Pauses, and lends this job's slot to others meanwhile. */
  readonly idle: (ms: number) => Promise<void>;
  readonly signal?: AbortSignal;
}

/** What `updateSharedManifest` is to write. */
export interface SharedContent {
  readonly content: Uint8Array;
  readonly mediaType: string;
  /** Blobs that the manifest names and that may be new: pushed before it. */
  readonly blobs?: readonly { readonly content: Uint8Array; readonly digest: Digest }[];
}

/** A tag; told from a digest by its lack of a colon. */
export type Tag = string;
