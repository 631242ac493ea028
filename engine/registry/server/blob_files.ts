import { statSync } from "node:fs";
import { join } from "node:path";
import { type Digest, digestAlgorithm, digestHex } from "../../model/digest.ts";
import {
  digestPath,
  isThere,
  linkInPlace,
  moveInPlace,
  removeIfThere,
  repositoryDir,
  type Storage,
  sizeIfThere,
} from "./storage.ts";

/** Where a repository keeps a blob. */
export function blobPath(storage: Storage, repository: string, digest: Digest): string {
  return digestPath(join(repositoryDir(storage, repository), "blobs"), digest);
}

/**
 * Puts a finished file among the blobs of a repository. The file is gone afterwards.
 *
 * @param path Flushed, and its content has been checked against `digest`.
 */
export function keepBlob(
  storage: Storage,
  repository: string,
  digest: Digest,
  path: string,
  sizeBytes: number,
): void {
  const shared = sharedPath(storage, digest);
  const own = blobPath(storage, repository, digest);
  if (sizeIfThere(own) === sizeBytes) {
    removeIfThere(path);
  } else if (sizeIfThere(shared) === sizeBytes && linkInPlace(storage, shared, own)) {
    removeIfThere(path);
  } else {
    // First into the repository: whatever happens to the shared name meanwhile, this one stays.
    linkInPlace(storage, path, own);
    moveInPlace(path, shared);
  }
}

/**
 * Gives a repository a blob that another one has.
 *
 * @param from The other repository; any, when absent.
 * @returns whether it was there to give.
 */
export function mountBlob(
  storage: Storage,
  repository: string,
  digest: Digest,
  from: string | undefined,
): boolean {
  const source = from === undefined ? sharedPath(storage, digest) : blobPath(storage, from, digest);
  return isThere(source) && linkInPlace(storage, source, blobPath(storage, repository, digest));
}

/** Takes a blob from a repository; its bytes go when no other has it. @returns whether it was there. */
export function removeBlob(storage: Storage, repository: string, digest: Digest): boolean {
  if (!removeIfThere(blobPath(storage, repository, digest))) return false;
  const shared = sharedPath(storage, digest);
  // Somebody may link it between the two lines: then only the shared name is lost, not the bytes.
  if (statSync(shared, { throwIfNoEntry: false })?.nlink === 1) removeIfThere(shared);
  return true;
}

function sharedPath(storage: Storage, digest: Digest): string {
  const hex = digestHex(digest);
  return join(storage.dir, "blobs", digestAlgorithm(digest), hex.slice(0, 2), hex);
}
