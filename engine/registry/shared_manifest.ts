import { equalBytes } from "../model/bytes.ts";
import { CosignError, hasCode } from "../model/errors.ts";
import type {
  Precondition,
  SharedContent,
  SharedWriteOptions,
  Store,
  StoredManifest,
  Tag,
} from "./store.ts";

/** How {@link updateSharedManifest} waits. */
export interface SharedManifestOptions extends SharedWriteOptions {
  /** Evenly between 0 and 1 [`Math.random`]. */
  readonly random?: () => number;
}

/** Longer than a step of reading and writing takes on a machine that is busy. */
const LEAST_PAUSE_MS = 150;
/** A step that was measured is taken to last this many times as long for others. */
const PAUSE_STEPS = 3;
const MAX_PAUSE_MS = 5000;
/** What was read longer ago is read again before something is written over it. */
const MAX_AGE_MS = 50;
/** Reads in a row that must show our part. */
const CLEAN_READS = 2;
/** Some sixty writers at once need about twenty. */
const MAX_ROUNDS = 60;

/**
 * Changes a manifest that others change as well, at a tag: read, merge, write, in one short step.
 * Where the registry enforces `If-Match` and `If-None-Match` (which is found out once, by a
 * write whose precondition cannot hold) that is all. Elsewhere the manifest is read back after a
 * pause that is longer than such a step takes, until our part is in it two times running, and
 * written again when it is not. Without such conditions no client can promise more: a writer that stalls
 * between its read and its write for longer than that can still remove what was written meanwhile.
 *
 * @param merge What the manifest is to become; nothing when our part is in it.
 * @throws {CosignError} `SIGNATURE_LOST` when our part does not stay, or what the registry says.
 */
export async function updateSharedManifest(
  store: Store,
  tag: Tag,
  merge: (existing: StoredManifest | undefined) => SharedContent | undefined,
  options: SharedManifestOptions,
): Promise<void> {
  const { idle, signal, random = Math.random } = options;
  let slowestStepMs = 0;
  let cleanReads = 0;
  let hasWritten = false;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const startedMs = performance.now();
    const plan = await readAndMerge(store, tag, merge, signal);
    if (plan === undefined) {
      cleanReads++;
      // What was there before we wrote anything is somebody else's care.
      if (!hasWritten || cleanReads >= CLEAN_READS) return;
    } else {
      cleanReads = 0;
      const outcome = await write(store, tag, plan, signal);
      if (outcome === "guarded") return;
      hasWritten ||= outcome === "written";
      if (outcome === "conflict") {
        await idle(random() * LEAST_PAUSE_MS);
        continue;
      }
    }
    slowestStepMs = Math.max(slowestStepMs, performance.now() - startedMs);
    const leastMs = Math.min(MAX_PAUSE_MS, Math.max(LEAST_PAUSE_MS, PAUSE_STEPS * slowestStepMs));
    await idle(leastMs * (1 + random()));
  }
  throw new CosignError(
    "SIGNATURE_LOST",
    `Cannot write "${store.name}:${tag}": other writers replaced it ${MAX_ROUNDS} times`,
    { hint: "Sign again when fewer others do" },
  );
}

interface Plan {
  readonly merged: SharedContent;
  /** What the write depends on; absent when the registry gave no entity tag. */
  readonly precondition: Precondition | undefined;
}

/** Reads and merges; once more when blobs had to be written or time has passed since the read. */
async function readAndMerge(
  store: Store,
  tag: Tag,
  merge: (existing: StoredManifest | undefined) => SharedContent | undefined,
  signal: AbortSignal | undefined,
): Promise<Plan | undefined> {
  let blobsOf: Uint8Array | undefined;
  for (let tries = 0; ; tries++) {
    const existing = await store.manifest(tag, signal);
    const readAtMs = performance.now();
    const merged = merge(existing);
    if (merged === undefined) return undefined;
    const precondition = preconditionOf(existing);
    const isSame = blobsOf !== undefined && equalBytes(blobsOf, merged.content);
    if (!isSame && merged.blobs !== undefined) {
      await Promise.all(
        merged.blobs.map(({ content, digest }) => store.pushBlob(content, digest, signal)),
      );
      blobsOf = merged.content;
    }
    if (performance.now() - readAtMs < MAX_AGE_MS || tries >= 3) return { merged, precondition };
  }
}

function preconditionOf(existing: StoredManifest | undefined): Precondition | undefined {
  if (existing === undefined) return { ifNoneMatch: true };
  return existing.etag === undefined ? undefined : { ifMatch: existing.etag };
}

async function write(
  store: Store,
  tag: Tag,
  { merged, precondition }: Plan,
  signal: AbortSignal | undefined,
): Promise<"guarded" | "written" | "conflict"> {
  const put = (): Promise<unknown> =>
    store.pushManifest(merged.content, merged.mediaType, tag, precondition, signal);
  try {
    await put();
  } catch (error) {
    if (hasCode(error, "REGISTRY_CONFLICT")) return "conflict";
    throw error;
  }
  if (precondition === undefined || store.enforces === undefined) return "written";
  // The same write once more: what it demands does not hold any longer.
  const isEnforced = await store.enforces(
    "ifMatch" in precondition ? "ifMatch" : "ifNoneMatch",
    async () => {
      try {
        await put();
        return false;
      } catch (error) {
        if (hasCode(error, "REGISTRY_CONFLICT")) return true;
        throw error;
      }
    },
  );
  return isEnforced ? "guarded" : "written";
}
