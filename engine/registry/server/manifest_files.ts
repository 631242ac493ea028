import { join } from "node:path";
import { concatBytes, parseUtf8, utf8 } from "../../model/bytes.ts";
import { type Digest, digestAlgorithm, digestHex, isDigest } from "../../model/digest.ts";
import {
  digestPath,
  isThere,
  moveInPlace,
  namesIn,
  readIfThere,
  removeIfThere,
  repositoryDir,
  type Storage,
  writeAside,
  writeAsideNow,
} from "./storage.ts";
import { encodeTagName, parseTagName } from "./tag_name.ts";

/** A manifest as it was pushed. */
export interface KeptManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** What is said of a manifest that is to be kept. */
export interface ManifestPlaces {
  /** Tags that shall point to it. */
  readonly tags: readonly string[];
  /** The manifest that it refers to. */
  readonly subject?: Digest;
  /** Runs in the same step as the change: throws to refuse it. */
  readonly guard: () => void;
}

/** The digest that a tag points to; nothing when there is no such tag, or its manifest was deleted. */
export function readTag(storage: Storage, repository: string, tag: string): Digest | undefined {
  const content = readIfThere(tagPath(storage, repository, tag));
  const digest = content && parseUtf8(content);
  if (digest === undefined || !isDigest(digest)) return undefined;
  return isThere(manifestPath(storage, repository, digest)) ? digest : undefined;
}

/** The manifest with a digest; nothing when the repository has none. */
export function readManifest(
  storage: Storage,
  repository: string,
  digest: Digest,
): KeptManifest | undefined {
  const content = readIfThere(manifestPath(storage, repository, digest));
  if (content === undefined) return undefined;
  const end = content.indexOf(0x0a);
  return {
    digest,
    mediaType: parseUtf8(content.subarray(0, end)),
    bytes: content.subarray(end + 1),
  };
}

/**
 * Keeps a manifest, its tags and its entry among its subject's referrers.
 *
 * @param manifest Its bytes have been checked against the digest.
 */
export async function keepManifest(
  storage: Storage,
  repository: string,
  manifest: KeptManifest,
  places: ManifestPlaces,
): Promise<void> {
  const { digest, mediaType, bytes } = manifest;
  const target = manifestPath(storage, repository, digest);
  const content = concatBytes(utf8(`${mediaType}\n`), bytes);
  const isKept = readManifest(storage, repository, digest)?.mediaType === mediaType;
  const moves = await writeAllAside(storage, [
    ...(isKept ? [] : [{ target, content }]),
    ...places.tags.map((tag) => ({
      target: tagPath(storage, repository, tag),
      content: utf8(digest),
    })),
  ]);
  try {
    // From here on nothing waits: no other request of this process sees or changes anything between
    // the guard's look and the last rename.
    places.guard();
    if (places.subject !== undefined) {
      markReferrer(storage, repository, places.subject, digest);
    }
    // Deleted while the tags were written.
    if (isKept && !isThere(target)) moveInPlace(writeAsideNow(storage, content), target);
    for (const { source, target } of moves) moveInPlace(source, target);
  } catch (error) {
    for (const { source } of moves) removeIfThere(source);
    throw error;
  }
}

/** Removes a tag; the manifest stays. @returns whether it was there. */
export function removeTag(storage: Storage, repository: string, tag: string): boolean {
  const wasThere = readTag(storage, repository, tag) !== undefined;
  return removeIfThere(tagPath(storage, repository, tag)) && wasThere;
}

/** Removes a manifest and the tags that point to it. @returns whether it was there. */
export function removeManifest(
  storage: Storage,
  repository: string,
  digest: Digest,
  subject: Digest | undefined,
): boolean {
  for (const tag of listTags(storage, repository)) {
    const path = tagPath(storage, repository, tag);
    const content = readIfThere(path);
    if (content !== undefined && parseUtf8(content) === digest) removeIfThere(path);
  }
  const wasThere = removeIfThere(manifestPath(storage, repository, digest));
  if (subject !== undefined) {
    removeIfThere(join(referrersDir(storage, repository, subject), entryName(digest)));
  }
  return wasThere;
}

/** The tags of a repository in ASCII order. */
export function listTags(storage: Storage, repository: string): readonly string[] {
  return namesIn(join(repositoryDir(storage, repository), "tags"))
    .map(parseTagName)
    .filter((tag) => tag !== undefined)
    .sort();
}

/** The digests of the manifests that were pushed with a subject, in ASCII order. Some may have been deleted. */
export function listReferrers(
  storage: Storage,
  repository: string,
  subject: Digest,
): readonly Digest[] {
  return [...namesIn(referrersDir(storage, repository, subject))]
    .sort()
    .map((name) => name.replace("-", ":"))
    .filter(isDigest);
}

function tagPath(storage: Storage, repository: string, tag: string): string {
  return join(repositoryDir(storage, repository), "tags", encodeTagName(tag));
}

function manifestPath(storage: Storage, repository: string, digest: Digest): string {
  return digestPath(join(repositoryDir(storage, repository), "manifests"), digest);
}

function referrersDir(storage: Storage, repository: string, subject: Digest): string {
  return digestPath(join(repositoryDir(storage, repository), "referrers"), subject);
}

function entryName(digest: Digest): string {
  return `${digestAlgorithm(digest)}-${digestHex(digest)}`; // no colon: Windows has other uses for it
}

// Before the manifest comes to its place, so that it is never there and not listed. The entry is
// empty: what a listing says of a referrer is read from the referrer.
function markReferrer(storage: Storage, repository: string, subject: Digest, digest: Digest): void {
  const target = join(referrersDir(storage, repository, subject), entryName(digest));
  if (isThere(target)) return;
  moveInPlace(writeAsideNow(storage, new Uint8Array()), target);
}

interface Move {
  readonly source: string;
  readonly target: string;
}

async function writeAllAside(
  storage: Storage,
  files: readonly { readonly target: string; readonly content: Uint8Array }[],
): Promise<readonly Move[]> {
  const results = await Promise.allSettled(
    files.map(async ({ target, content }) => ({
      source: await writeAside(storage, content),
      target,
    })),
  );
  const moves = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const failed = results.find((result) => result.status === "rejected");
  if (failed === undefined) return moves;
  for (const { source } of moves) removeIfThere(source);
  throw failed.reason;
}
