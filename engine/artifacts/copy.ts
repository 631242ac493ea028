import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import { CosignError } from "../model/errors.ts";
import { formatReference, parseReference, type Reference } from "../model/reference.ts";
import type { Subject } from "../model/subject.ts";
import type { Store, StoredManifest, Tag } from "../registry/store.ts";
import type { Companion } from "./companion_tag.ts";
import { COMPANIONS, readCompanions, referrerKind } from "./companions.ts";
import { selectPlatform } from "./platform.ts";
import { resolve } from "./resolve.ts";
import type { Stores } from "./stores.ts";
import { copyManifest, inLanes, openTransfer, readManifest, type Transfer } from "./transfer.ts";

/** How an image is copied. */
export interface CopyOptions {
  /** Only these companions, and no tag for the image. All, and the tag, when absent. */
  readonly only?: readonly Companion[];
  /** Puts tags on other manifests that have them already. */
  readonly force: boolean;
  /** Only the image of an index for this platform. */
  readonly platform?: string;
  /** Told of each thing before it is copied. */
  readonly onCopy: (from: string, to: string) => void;
  readonly idle: (ms: number) => Promise<void>;
  readonly signal?: AbortSignal;
}

/** Subjects whose companions are looked for at once. */
const SUBJECTS_AT_ONCE = 4;
/** How far what belongs to a companion is followed: an SBOM's signature, a referrer of a referrer. */
const MAX_DEPTH = 3;

/**
 * Copies an image or index and all that belongs to it: signatures, attestations and SBOMs at tags, and
 * referrers. The tag comes last. Each image is also given the tag `sha256-<hex>`, as cosign does, but not
 * where a registry keeps the list of its referrers at that tag.
 *
 * @throws {CosignError} `IMAGE_EXISTS` when a tag would move without `force`, or what a registry says.
 */
export async function copyImage(
  source: string,
  destination: string,
  stores: Stores,
  options: CopyOptions,
): Promise<void> {
  const { signal } = options;
  const target = parseReference(destination);
  const to = stores.ofTarget({ type: "reference", reference: destination });
  const { root, subjects } = await readSubjects(source, stores, options);
  const from = stores.of(root.home);
  const stored = await readManifest(from, root.digest, signal);
  checkDigest(target, root);
  const tag = options.only === undefined ? target.tag : undefined;
  if (tag !== undefined) await checkTag(to, tag, root.digest, options.force, signal);

  const images = openTransfer(from, to, signal);
  options.onCopy(`${from.name}@${root.digest}`, formatReference(target));
  await copyManifest(images, root.digest, stored);
  await nameImages(images, subjects, stores.conventions.tagPrefix, options);

  const companions = openTransfer(stores.companionsOf(root), to, signal);
  const copy: CompanionCopy = { transfer: companions, stores, options };
  await inLanes(subjects, SUBJECTS_AT_ONCE, ({ digest }) => copyCompanions(digest, copy, 0));
  if (tag === undefined) return;
  await to.pushManifest(stored.bytes, stored.descriptor.mediaType, tag, undefined, signal);
}

interface CompanionCopy {
  readonly transfer: Transfer;
  readonly stores: Stores;
  readonly options: CopyOptions;
}

async function readSubjects(
  source: string,
  stores: Stores,
  { platform, signal }: CopyOptions,
): Promise<{ readonly root: Subject; readonly subjects: readonly Subject[] }> {
  const from = signal === undefined ? {} : { signal };
  const follow = async (reference: string): Promise<readonly [Subject, ...Subject[]]> => {
    const target = { type: "reference", reference } as const;
    const resolving = resolve(target, stores, {
      recursive: true,
      skipUnknownPlatform: false,
      ...from,
    });
    const [first, ...rest] = await Array.fromAsync(resolving);
    if (first === undefined) throw new TypeError("A target has at least one subject");
    return [first, ...rest];
  };
  const subjects = await follow(source);
  if (platform === undefined) return { root: subjects[0], subjects };
  const chosen = await follow((await selectPlatform(subjects[0], platform, stores, signal)).name);
  return { root: chosen[0], subjects: chosen };
}

/** Gives each image the tag that keeps it from being collected as garbage. */
async function nameImages(
  { from, to, signal }: Transfer,
  subjects: readonly Subject[],
  tagPrefix: string,
  { onCopy, force }: CopyOptions,
): Promise<void> {
  const [root] = subjects;
  if (root === undefined) return;
  // Without a prefix this is the name of the list of referrers, where a registry needs one.
  if (tagPrefix === "" && !(await to.listsReferrers(root.digest, signal))) return;
  await inLanes(subjects, SUBJECTS_AT_ONCE, async ({ digest }) => {
    const tag = `${tagPrefix}${digest.replace(":", "-").slice(0, 71)}`;
    if (await isTagged(to, tag, digest, force, signal)) return;
    onCopy(`${from.name}@${digest}`, `${to.name}:${tag}`);
    const { bytes, descriptor } = await readManifest(from, digest, signal);
    await to.pushManifest(bytes, descriptor.mediaType, tag, undefined, signal);
  });
}

async function copyCompanions(digest: Digest, copy: CompanionCopy, depth: number): Promise<void> {
  const { transfer, stores, options } = copy;
  const { from, to, signal } = transfer;
  const wanted = options.only ?? COMPANIONS;
  const kinds = depth === 0 ? wanted : wanted.filter((kind) => kind === "sig");
  const [tagged, referrers] = await Promise.all([
    readCompanions(digest, from, stores.conventions.tagPrefix, kinds, signal),
    from.referrers(digest, signal),
  ]);
  for (const { kind, tag, stored } of tagged) {
    await copyTagged(tag, stored, copy);
    if (kind === "sbom" && depth < MAX_DEPTH) {
      await copyCompanions(stored.descriptor.digest, copy, depth + 1);
    }
  }
  const fresh = referrers.filter(
    (referrer) => isWanted(referrer, options.only) && !transfer.done.has(referrer.digest),
  );
  await inLanes(fresh, SUBJECTS_AT_ONCE, async (referrer) => {
    options.onCopy(`${from.name}@${referrer.digest}`, `${to.name}@${referrer.digest}`);
    await copyManifest(transfer, referrer.digest);
    if (depth < MAX_DEPTH) await copyCompanions(referrer.digest, copy, depth + 1);
  });
  await to.announceReferrer(digest, fresh, options);
}

async function copyTagged(
  tag: Tag,
  stored: StoredManifest,
  { transfer, options }: CompanionCopy,
): Promise<void> {
  const { from, to, signal } = transfer;
  const { digest, mediaType } = stored.descriptor;
  if (await isTagged(to, tag, digest, options.force, signal)) return;
  options.onCopy(`${from.name}:${tag}`, `${to.name}:${tag}`);
  await copyManifest(transfer, digest, stored);
  await to.pushManifest(stored.bytes, mediaType, tag, undefined, signal);
}

function isWanted(referrer: Descriptor, only: readonly Companion[] | undefined): boolean {
  if (only === undefined) return true;
  const kind = referrerKind(referrer);
  return kind !== undefined && only.includes(kind);
}

/** Whether a tag is on a manifest already; on another one that is an error without `force`. */
async function isTagged(
  to: Store,
  tag: Tag,
  digest: Digest,
  force: boolean,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const there = await to.head(tag, signal);
  if (there === undefined) return false;
  if (there.digest === digest) return true;
  if (force) return false;
  throw new CosignError(
    "IMAGE_EXISTS",
    `image ${JSON.stringify(`${to.name}:${tag}`)} already exists. Use \`-f\` to overwrite`,
  );
}

async function checkTag(
  to: Store,
  tag: Tag,
  digest: Digest,
  force: boolean,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!force) await isTagged(to, tag, digest, force, signal);
}

function checkDigest(target: Reference, root: Subject): void {
  if (target.digest === undefined || target.digest === root.digest) return;
  throw new CosignError(
    "USAGE",
    `Cannot copy to "${formatReference(target)}": the image is ${root.digest}`,
    { hint: "Name a tag of the destination" },
  );
}
