import type { Digest } from "../model/digest.ts";
import { CosignError, hasCode } from "../model/errors.ts";
import type { Subject } from "../model/subject.ts";
import type { Store, Tag } from "../registry/store.ts";
import { type Companion, companionTag } from "./companion_tag.ts";
import { isBundleReferrer } from "./companions.ts";
import type { Stores } from "./stores.ts";

/** How companions are removed. */
export interface CleanOptions {
  /** Companions at tags. */
  readonly kinds: readonly Companion[];
  /** Bundles among the referrers as well. */
  readonly referrers: boolean;
  readonly onRemoved: (name: string) => void;
  readonly onFailed: (name: string, error: unknown) => void;
  readonly idle: (ms: number) => Promise<void>;
  readonly signal?: AbortSignal;
}

/**
 * Removes companions of an image, from where they lie: beside it, or in `COSIGN_REPOSITORY`. It goes on
 * after what cannot be removed.
 *
 * @throws {CosignError} the first failure, when all the rest has been tried.
 */
export async function cleanImage(
  subject: Subject,
  stores: Stores,
  options: CleanOptions,
): Promise<void> {
  const { kinds, signal } = options;
  const store = stores.companionsOf(subject);
  const failures: unknown[] = [];
  const attempt = async (name: string, remove: () => Promise<boolean>): Promise<boolean> => {
    try {
      const isRemoved = await remove();
      if (isRemoved) options.onRemoved(name);
      return isRemoved;
    } catch (error) {
      if (signal?.aborted) throw error;
      options.onFailed(name, error);
      failures.push(error);
      return false;
    }
  };
  for (const kind of kinds) {
    const tag = companionTag(subject.digest, kind, stores.conventions.tagPrefix);
    await attempt(`${store.name}:${tag}`, () => removeTag(store, tag, signal));
  }
  if (options.referrers) await cleanReferrers(subject.digest, store, attempt, options);
  if (failures.length === 0) return;
  const [cause] = failures;
  const code = cause instanceof CosignError ? cause.code : "INTERNAL";
  const hint = cause instanceof CosignError ? cause.hint : undefined;
  throw new CosignError(
    code,
    `Cannot remove ${failures.length} of what belongs to "${subject.name}"`,
    { cause, ...(hint === undefined ? {} : { hint }) },
  );
}

/** Whether bundles refer to a subject. */
export async function hasBundles(
  subject: Subject,
  stores: Stores,
  signal?: AbortSignal,
): Promise<boolean> {
  const referrers = await stores.companionsOf(subject).referrers(subject.digest, signal);
  return referrers.some(isBundleReferrer);
}

async function cleanReferrers(
  digest: Digest,
  store: Store,
  attempt: (name: string, remove: () => Promise<boolean>) => Promise<boolean>,
  options: CleanOptions,
): Promise<void> {
  const { signal } = options;
  const removed = new Set<Digest>();
  const referrers = await store.referrers(digest, signal);
  for (const referrer of referrers.filter(isBundleReferrer)) {
    const isRemoved = await attempt(`${store.name}@${referrer.digest}`, async () => {
      await store.remove(referrer.digest, signal);
      return true;
    });
    if (isRemoved) removed.add(referrer.digest);
  }
  if (removed.size === 0) return;
  await attempt(`the referrers of ${store.name}@${digest}`, async () => {
    await store.forgetReferrers(digest, removed, options);
    return false;
  });
}

/** Deletes what a tag is on; by digest where the registry deletes no tags. @returns whether it was there. */
async function removeTag(
  store: Store,
  tag: Tag,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const descriptor = await store.head(tag, signal);
  if (descriptor === undefined) return false;
  try {
    await store.remove(tag, signal);
  } catch (error) {
    if (!hasCode(error, "REGISTRY_UNSUPPORTED")) throw error;
    await store.remove(descriptor.digest, signal);
  }
  return true;
}
