import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import { CosignError } from "../model/errors.ts";
import { formatReference, parseReference } from "../model/reference.ts";
import type { Subject } from "../model/subject.ts";
import {
  openLayout,
  readSavedLayout,
  type SavedLayout,
  writeSavedLayout,
} from "../registry/layout.ts";
import type { Store, Tag } from "../registry/store.ts";
import { type Companion, companionTag } from "./companion_tag.ts";
import { readCompanions } from "./companions.ts";
import { resolve } from "./resolve.ts";
import type { Stores } from "./stores.ts";
import { copyManifest, inLanes, openTransfer, readManifest, type Transfer } from "./transfer.ts";

/** How something is saved or loaded. */
export interface SavedOptions {
  readonly idle: (ms: number) => Promise<void>;
  readonly signal?: AbortSignal;
}

/** Subjects whose companions are looked for at once. */
const SUBJECTS_AT_ONCE = 4;
/** How far what belongs to an SBOM is followed. */
const MAX_DEPTH = 3;
/** The tags of companions: the digest that they belong to, and the kind. */
const COMPANION = /sha256-([0-9a-f]{64})\.(sig|att|sbom)$/;

/**
 * Saves an image or index and all that belongs to it as a directory: an OCI layout as cosign's `save` writes
 * it, with referrers, and what belongs to an index's images. What is there whole is not fetched again; the
 * index of the layout is written last.
 *
 * @throws {CosignError} `IMAGE_NOT_FOUND`, `FILE_WRITE`, or what the registry says.
 */
export async function saveImage(
  reference: string,
  directory: string,
  stores: Stores,
  { signal }: SavedOptions,
): Promise<void> {
  const subjects = await Array.fromAsync(
    resolve({ type: "reference", reference }, stores, {
      recursive: true,
      skipUnknownPlatform: false,
      ...(signal === undefined ? {} : { signal }),
    }),
  );
  const [root] = subjects;
  if (root === undefined) throw new TypeError("A target has at least one subject");
  const layout = openLayout(directory);
  const images = openTransfer(stores.of(root.home), layout, signal);
  await copyManifest(images, root.digest);
  const companions = openTransfer(stores.companionsOf(root), layout, signal);
  const found = new Map<Tag, Descriptor>();
  await inLanes(subjects, SUBJECTS_AT_ONCE, ({ digest }) =>
    saveCompanions(digest, companions, stores.conventions.tagPrefix, found),
  );
  await writeSavedLayout(directory, savedOf(root, found));
}

async function saveCompanions(
  digest: Digest,
  transfer: Transfer,
  tagPrefix: string,
  found: Map<Tag, Descriptor>,
  depth = 0,
): Promise<void> {
  const { from, signal } = transfer;
  const [tagged, referrers] = await Promise.all([
    readCompanions(digest, from, tagPrefix, undefined, signal),
    from.referrers(digest, signal),
  ]);
  for (const { kind, stored } of tagged) {
    await copyManifest(transfer, stored.descriptor.digest, stored);
    found.set(companionTag(digest, kind, ""), stored.descriptor);
    if (kind === "sbom" && depth < MAX_DEPTH) {
      await saveCompanions(stored.descriptor.digest, transfer, tagPrefix, found, depth + 1);
    }
  }
  for (const referrer of referrers) await copyManifest(transfer, referrer.digest);
}

/** cosign's own names for what belongs to the image itself; the rest keeps its tags. */
function savedOf(root: Subject, found: ReadonlyMap<Tag, Descriptor>): SavedLayout {
  const { digest, mediaType, sizeBytes } = root;
  if (mediaType === undefined || sizeBytes === undefined) {
    throw new TypeError("The root of a recursive target has been read");
  }
  const tagged = new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
  const take = (kind: Companion): Descriptor | undefined => {
    const tag = companionTag(digest, kind, "");
    const descriptor = tagged.get(tag);
    tagged.delete(tag);
    return descriptor;
  };
  const signatures = take("sig");
  const attestations = take("att");
  return {
    root: { mediaType, digest, sizeBytes },
    tagged,
    ...(signatures === undefined ? {} : { signatures }),
    ...(attestations === undefined ? {} : { attestations }),
  };
}

/**
 * Loads a directory that `save` wrote, ours or cosign's, or any layout of one image: all that is in it, the
 * image's own tag last. Every blob must have its digest.
 *
 * @throws {CosignError} `LAYOUT_INVALID`, `DIGEST_MISMATCH`, `USAGE`, or what the registry says.
 */
export async function loadImage(
  directory: string,
  reference: string,
  stores: Stores,
  options: SavedOptions,
): Promise<void> {
  const { signal } = options;
  const target = parseReference(reference);
  const saved = await readSavedLayout(directory);
  const { root } = saved;
  if (target.digest !== undefined && target.digest !== root.digest) {
    throw new CosignError(
      "USAGE",
      `Cannot load "${directory}" as "${formatReference(target)}": it holds ${root.digest}`,
    );
  }
  const layout = openLayout(directory);
  const to = stores.ofTarget({ type: "reference", reference });
  const subjects = await Array.fromAsync(
    resolve({ type: "layout", path: directory }, stores, {
      recursive: true,
      skipUnknownPlatform: false,
    }),
  );
  await copyManifest(openTransfer(layout, to, signal), root.digest);
  const { registry, repository } = target;
  const home = {
    at: "registry",
    reference: { registry, repository, digest: root.digest },
  } as const;
  const beside = stores.companionsOf({ name: reference, digest: root.digest, home, parents: [] });
  const companions = openTransfer(layout, beside, signal);
  for (const [tag, { digest }] of companionTags(saved, stores.conventions.tagPrefix)) {
    await loadTag(tag, digest, companions);
  }
  await inLanes(subjects, SUBJECTS_AT_ONCE, ({ digest }) =>
    loadReferrers(digest, companions, options),
  );
  if (target.tag !== undefined) await nameRoot(to, target.tag, layout, root.digest, signal);
}

function* companionTags(
  { root, signatures, attestations, tagged }: SavedLayout,
  tagPrefix: string,
): Iterable<[Tag, Descriptor]> {
  if (signatures !== undefined) yield [companionTag(root.digest, "sig", tagPrefix), signatures];
  if (attestations !== undefined) yield [companionTag(root.digest, "att", tagPrefix), attestations];
  for (const [tag, descriptor] of tagged) {
    const [plain] = COMPANION.exec(tag) ?? [];
    if (plain !== undefined) yield [`${tagPrefix}${plain}`, descriptor];
  }
}

async function loadTag(tag: Tag, digest: Digest, transfer: Transfer): Promise<void> {
  await copyManifest(transfer, digest);
  await nameRoot(transfer.to, tag, transfer.from, digest, transfer.signal);
}

async function nameRoot(
  to: Store,
  tag: Tag,
  from: Store,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { bytes, descriptor } = await readManifest(from, digest, signal);
  await to.pushManifest(bytes, descriptor.mediaType, tag, undefined, signal);
}

async function loadReferrers(
  subject: Digest,
  transfer: Transfer,
  options: SavedOptions,
): Promise<void> {
  const referrers = await transfer.from.referrers(subject);
  for (const referrer of referrers) await copyManifest(transfer, referrer.digest);
  await transfer.to.announceReferrer(subject, referrers, options);
}
