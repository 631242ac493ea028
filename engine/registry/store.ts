import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";

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
  /** The descriptor of a manifest without its bytes (`HEAD`); absent when there is no such manifest. */
  head(reference: Digest | Tag, signal?: AbortSignal): Promise<Descriptor | undefined>;
  /** A manifest; absent when there is none. */
  manifest(reference: Digest | Tag, signal?: AbortSignal): Promise<StoredManifest | undefined>;
  /** A blob, whole, at most `limitBytes` (`LIMIT_EXCEEDED`). @throws `REGISTRY_PROTOCOL` when it is not there. */
  blob(descriptor: Descriptor, limitBytes: number, signal?: AbortSignal): Promise<Uint8Array>;
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
   * Makes a pushed manifest known as a referrer of `subject` where the registry does not do so by
   * itself: the fallback tag, written so that two writers do not lose each other's entry.
   */
  announceReferrer(
    subject: Digest,
    referrer: Descriptor,
    options: SharedWriteOptions,
  ): Promise<void>;
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
