import type { Platform } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import type { PinnedReference } from "./reference.ts";

/** Where a subject lies. */
export type SubjectHome =
  | { readonly at: "registry"; readonly reference: PinnedReference }
  | { readonly at: "layout"; readonly path: string };

/** What is signed: one manifest, pinned to its digest. JSON, so that it crosses threads. */
export interface Subject {
  /** How the user knows it: `registry/repository@sha256:…`, or the path of a layout. */
  readonly name: string;
  readonly digest: Digest;
  readonly home: SubjectHome;
  /** Known only where the manifest or its descriptor was read. */
  readonly mediaType?: string;
  readonly sizeBytes?: number;
  readonly platform?: Platform;
  /** The digests of the indexes that this subject was reached through, outermost first. */
  readonly parents: readonly Digest[];
}
