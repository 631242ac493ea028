import pLimit, { type LimitFunction } from "p-limit";
import { isIndex, isSchema1 } from "../formats/oci_manifest.ts";
import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import { CosignError } from "../model/errors.ts";
import type { Store, StoredManifest } from "../registry/store.ts";
import { parseStored } from "./resolve.ts";

/** Blobs that are on their way at once: some pieces of each stand in memory. */
const BLOBS_AT_ONCE = 6;
/** Children of one index that are worked on at once. */
const CHILDREN_AT_ONCE = 4;
/** As deep as images are resolved. */
const MAX_DEPTH = 8;
/** Layers that may not be distributed: their clients fetch them elsewhere. */
const FOREIGN = /\.nondistributable\.|^application\/vnd\.docker\.image\.rootfs\.foreign\./;

/** Moves manifests and all that they name from one store to another, each once. */
export interface Transfer {
  readonly from: Store;
  readonly to: Store;
  readonly signal?: AbortSignal;
  readonly blobs: LimitFunction;
  /** What is there or on its way. */
  readonly done: Map<Digest, Promise<unknown>>;
}

/** Begins a transfer. Nothing is asked of the stores yet. */
export function openTransfer(from: Store, to: Store, signal?: AbortSignal): Transfer {
  return {
    from,
    to,
    blobs: pLimit(BLOBS_AT_ONCE),
    done: new Map(),
    ...(signal === undefined ? {} : { signal }),
  };
}

/**
 * Copies a manifest and all that it names: blobs before manifests, children before their index, so that
 * whatever is there is whole. Blobs are streamed, some at once, and checked on their way. A registry that
 * has the manifest has its blobs too; in a layout each is looked at.
 *
 * @returns the manifest's bytes, where they were read.
 * @throws {CosignError} `IMAGE_NOT_FOUND`, `SCHEMA1_UNSUPPORTED`, `DIGEST_MISMATCH`, or what a store says.
 */
export async function copyManifest(
  transfer: Transfer,
  digest: Digest,
  known?: StoredManifest,
  depth = 0,
): Promise<void> {
  await once(transfer, digest, async () => {
    const { from, to, signal } = transfer;
    const isThere = to.repository !== undefined && (await to.head(digest, signal)) !== undefined;
    if (isThere) return;
    const stored = known ?? (await readManifest(from, digest, signal));
    await copyContent(transfer, stored, depth);
    await to.pushManifest(stored.bytes, stored.descriptor.mediaType, digest, undefined, signal);
  });
}

/** Reads a manifest that must be there. @throws {CosignError} `IMAGE_NOT_FOUND`. */
export async function readManifest(
  store: Store,
  digest: Digest,
  signal?: AbortSignal,
): Promise<StoredManifest> {
  const stored = await store.manifest(digest, signal);
  if (stored !== undefined) return stored;
  throw new CosignError("IMAGE_NOT_FOUND", `image tag not found: ${store.name}@${digest}`);
}

async function copyContent(
  transfer: Transfer,
  { bytes, descriptor }: StoredManifest,
  depth: number,
): Promise<void> {
  const name = `${transfer.from.name}@${descriptor.digest}`;
  if (depth > MAX_DEPTH) {
    throw new CosignError("LIMIT_EXCEEDED", `Index "${name}" is nested deeper than ${MAX_DEPTH}`);
  }
  const manifest = parseStored(bytes, descriptor.mediaType, name);
  if (manifest.kind === "schema1" || isSchema1(descriptor.mediaType)) {
    throw new CosignError(
      "SCHEMA1_UNSUPPORTED",
      `Cannot copy "${name}": it is a manifest of Docker's schema 1`,
    );
  }
  if (manifest.kind === "index") {
    await inLanes(manifest.manifests, CHILDREN_AT_ONCE, (child) =>
      isManifest(child)
        ? copyManifest(transfer, child.digest, undefined, depth + 1)
        : copyBlob(transfer, child),
    );
    return;
  }
  const blobs = [manifest.config, ...manifest.layers.filter((layer) => !isForeign(layer))];
  await inLanes(blobs, BLOBS_AT_ONCE, (blob) => copyBlob(transfer, blob));
}

async function copyBlob(transfer: Transfer, descriptor: Descriptor): Promise<void> {
  const { from, to, blobs, signal } = transfer;
  await once(transfer, descriptor.digest, () =>
    blobs(async () => {
      const source = {
        read: (inner?: AbortSignal) => from.streamBlob(descriptor, inner),
        ...(from.repository === undefined ? {} : { repository: from.repository }),
      };
      await to.pushBlobFrom(descriptor, source, signal);
    }),
  );
}

function once(transfer: Transfer, digest: Digest, work: () => Promise<void>): Promise<unknown> {
  const running = transfer.done.get(digest) ?? work();
  transfer.done.set(digest, running);
  return running;
}

/** Works on `items` in order, some at once; the first that fails ends it, after those under way. */
export async function inLanes<T>(
  items: readonly T[],
  lanes: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failed = false;
  const lane = async (): Promise<void> => {
    for (let at = next++; at < items.length && !failed; at = next++) {
      try {
        await work(items[at] as T);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(
    Array.from({ length: Math.min(lanes, items.length) }, lane),
  );
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

function isManifest({ mediaType }: Descriptor): boolean {
  return (
    isIndex(mediaType) ||
    /^application\/vnd\.(?:oci\.(?:image|artifact)\.manifest|docker\.distribution\.manifest)\.v\d\+/.test(
      mediaType,
    )
  );
}

function isForeign({ mediaType }: Descriptor): boolean {
  return FOREIGN.test(mediaType);
}
