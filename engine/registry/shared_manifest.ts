import { equalBytes } from "../model/bytes.ts";
import type { Digest } from "../model/digest.ts";
import { CosignError, hasCode } from "../model/errors.ts";
import type {
  Precondition,
  SharedContent,
  SharedWriteOptions,
  Store,
  StoredManifest,
  Tag,
} from "./store.ts";

/** What {@link updateSharedManifest} needs of a store. */
export type SharedStore = Pick<
  Store,
  "name" | "manifest" | "pushManifest" | "pushBlob" | "enforces"
>;

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
/** What was asked for longer ago is read again before something is written over it, some times. */
const MAX_AGE_MS = 50;
/** Reads in a row that must show our part, and the same manifest, so that nobody is writing any more. */
const CLEAN_READS = 2;
/** So many where others were seen to write: one of them may still hold what it read before. */
const CLEAN_READS_AMONG_OTHERS = 4;
/** So many must do where others never come to an end. */
const ENOUGH_READS = 8;
/** Of pauses after a write whose precondition did not hold. */
const MAX_SPREAD = 8;
/** Some thirty writers at once need about ten. */
const MAX_ROUNDS = 60;

/**
 * Changes a manifest that others change as well, at a tag: read, merge, write, in one short step.
 * Where the registry enforces `If-Match` and `If-None-Match` (which is found out once, by a
 * write whose precondition cannot hold) that is all. Elsewhere the manifest is read back after a
 * pause that is longer than such a step takes, until our part is in it and nothing has changed two
 * times running (four times where others were seen to write), and written again when it is not.
 * Without such conditions no client can promise more: a writer that stalls between its read and its
 * write for longer than that can still remove what was written meanwhile.
 *
 * @param merge What the manifest is to become; nothing when our part is in it.
 * @throws {CosignError} `SIGNATURE_LOST` when our part does not stay, or what the registry says.
 */
export async function updateSharedManifest(
  store: SharedStore,
  tag: Tag,
  merge: (existing: StoredManifest | undefined) => SharedContent | undefined,
  options: SharedManifestOptions,
): Promise<void> {
  const { idle, signal, random = Math.random } = options;
  let stepMs = 0;
  let cleanReads = 0;
  let quietReads = 0;
  let last: Digest | undefined;
  let conflicts = 0;
  let hasWritten = false;
  let amongOthers = false;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const plan = await readAndMerge(store, tag, merge, signal);
    if (plan.merged === undefined) {
      cleanReads++;
      amongOthers ||= last !== undefined && plan.digest !== last;
      quietReads = plan.digest === last ? quietReads + 1 : 1;
      last = plan.digest;
      const enough = amongOthers ? CLEAN_READS_AMONG_OTHERS : CLEAN_READS;
      // What was there before we wrote anything is somebody else's care.
      if (!hasWritten || quietReads >= enough || cleanReads >= ENOUGH_READS) return;
    } else {
      // Our part was there, or should have been: somebody has replaced it.
      amongOthers ||= hasWritten;
      cleanReads = 0;
      quietReads = 0;
      const outcome = await write(store, tag, plan.merged, plan.precondition, signal);
      // The last steps tell how busy registry and machine are now.
      stepMs = Math.max(performance.now() - plan.readFromMs, stepMs / 2);
      if (outcome === "guarded") return;
      hasWritten ||= outcome === "written";
      if (outcome === "conflict") {
        // Somebody else has come through: the more there are, the further they must spread.
        await idle(random() * LEAST_PAUSE_MS * Math.min(++conflicts, MAX_SPREAD));
        continue;
      }
    }
    const leastMs = Math.min(MAX_PAUSE_MS, Math.max(LEAST_PAUSE_MS, PAUSE_STEPS * stepMs));
    await idle(leastMs * (1 + random()));
  }
  throw new CosignError(
    "SIGNATURE_LOST",
    `Cannot write "${store.name}:${tag}": other writers replaced it ${MAX_ROUNDS} times`,
    { hint: "Sign again when fewer others do" },
  );
}

interface Plan {
  /** What there is to write; nothing when our part is in it. */
  readonly merged: SharedContent | undefined;
  /** Of what was read. */
  readonly digest: Digest | undefined;
  /** What the write depends on; absent when the registry gave no entity tag. */
  readonly precondition: Precondition | undefined;
  /** When the read began. */
  readonly readFromMs: number;
}

/** Reads and merges; once more when blobs had to be written or time has passed since the read. */
async function readAndMerge(
  store: SharedStore,
  tag: Tag,
  merge: (existing: StoredManifest | undefined) => SharedContent | undefined,
  signal: AbortSignal | undefined,
): Promise<Plan> {
  let blobsOf: Uint8Array | undefined;
  for (let tries = 0; ; tries++) {
    const readFromMs = performance.now();
    const existing = await store.manifest(tag, signal);
    const merged = merge(existing);
    const plan: Plan = {
      merged,
      digest: existing?.descriptor.digest,
      precondition: preconditionOf(existing),
      readFromMs,
    };
    if (merged === undefined) return plan;
    const isSame = blobsOf !== undefined && equalBytes(blobsOf, merged.content);
    if (!isSame && merged.blobs !== undefined) {
      await Promise.all(
        merged.blobs.map(({ content, digest }) => store.pushBlob(content, digest, signal)),
      );
      blobsOf = merged.content;
    }
    if (performance.now() - readFromMs < MAX_AGE_MS || tries >= 3) return plan;
  }
}

function preconditionOf(existing: StoredManifest | undefined): Precondition | undefined {
  if (existing === undefined) return { ifNoneMatch: true };
  return existing.etag === undefined ? undefined : { ifMatch: existing.etag };
}

async function write(
  store: SharedStore,
  tag: Tag,
  merged: SharedContent,
  precondition: Precondition | undefined,
  signal: AbortSignal | undefined,
): Promise<"guarded" | "written" | "conflict"> {
  const put = (): Promise<string | undefined> =>
    store.pushManifest(merged.content, merged.mediaType, tag, precondition, signal);
  let etag: string | undefined;
  try {
    etag = await put();
  } catch (error) {
    if (hasCode(error, "REGISTRY_CONFLICT")) return "conflict";
    throw error;
  }
  // A registry that tells no entity tag of what was written knows nothing of preconditions either.
  if (precondition === undefined || etag === undefined) return "written";
  if (store.enforces === undefined) return "written";
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
