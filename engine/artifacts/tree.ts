import { ANNOTATION } from "../formats/media_types.ts";
import type { Digest } from "../model/digest.ts";
import { hasCode } from "../model/errors.ts";
import type { Subject } from "../model/subject.ts";
import type { Store } from "../registry/store.ts";
import { companionLayers } from "./companion_image.ts";
import type { Companion } from "./companion_tag.ts";
import { readCompanions } from "./companions.ts";
import { parseStored } from "./resolve.ts";
import type { Stores } from "./stores.ts";
import { inLanes } from "./transfer.ts";

/** What belongs to an image: an image at a tag, or a referrer. */
export interface Branch {
  /** Absent for a referrer. */
  readonly kind?: Companion;
  /** Of a referrer: the predicate of a bundle, else the artifact type. */
  readonly type?: string;
  /** The whole reference. */
  readonly name: string;
  readonly layers: readonly Digest[];
}

/** Referrers that are looked into at once. */
const REFERRERS_AT_ONCE = 8;

/**
 * All that belongs to an image: attestations, signatures and SBOMs at tags, then referrers by their type
 * and digest.
 *
 * @param withReferrers False leaves the referrers out.
 * @param onUnreadable Told of each referrer that cannot be read: it is left out.
 */
export async function readBranches(
  subject: Subject,
  stores: Stores,
  withReferrers: boolean,
  onUnreadable: (name: string, error: unknown) => void,
  signal?: AbortSignal,
): Promise<readonly Branch[]> {
  const store = stores.companionsOf(subject);
  const { tagPrefix } = stores.conventions;
  const tagged = await readCompanions(subject.digest, store, tagPrefix, undefined, signal);
  const branches = tagged.map(({ kind, tag, stored }): Branch => {
    const layers = companionLayers(stored, store, tag).map(({ digest }) => digest);
    return { kind, name: `${store.name}:${tag}`, layers };
  });
  const found = branches.filter(({ layers }) => layers.length > 0);
  if (!withReferrers) return found;
  return [...found, ...(await readReferrers(subject.digest, store, onUnreadable, signal))];
}

async function readReferrers(
  digest: Digest,
  store: Store,
  onUnreadable: (name: string, error: unknown) => void,
  signal: AbortSignal | undefined,
): Promise<readonly Branch[]> {
  const found: (Branch & { readonly type: string })[] = [];
  const referrers = await store.referrers(digest, signal);
  await inLanes(referrers, REFERRERS_AT_ONCE, async (referrer) => {
    const name = `${store.name}@${referrer.digest}`;
    try {
      const stored = await store.manifest(referrer.digest, signal);
      if (stored === undefined) return;
      const manifest = parseStored(stored.bytes, stored.descriptor.mediaType, name);
      const layers = manifest.kind === "image" ? manifest.layers : [];
      const annotations = manifest.kind === "schema1" ? {} : manifest.annotations;
      const type = annotations[ANNOTATION.bundlePredicateType] ?? referrer.artifactType ?? "";
      if (type === "") return;
      found.push({ type, name, layers: layers.map((layer) => layer.digest) });
    } catch (error) {
      if (signal?.aborted || !hasCode(error, "REGISTRY_PROTOCOL", "SCHEMA1_UNSUPPORTED"))
        throw error;
      onUnreadable(name, error);
    }
  });
  return found.sort((a, b) => compare(a.type, b.type) || compare(a.name, b.name));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
