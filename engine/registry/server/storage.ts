import { type Hash, randomUUID } from "node:crypto";
import {
  constants,
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  type Digest,
  type DigestAlgorithm,
  digestAlgorithm,
  digestHex,
} from "../../model/digest.ts";
import { CosignError, describeError } from "../../model/errors.ts";

/**
 * The directory of a registry:
 *
 * ```
 * blobs/ALGORITHM/AB/HEX                            every blob once
 * repositories/NAME/_/blobs/ALGORITHM/HEX           a hard link to it: the repository has this blob
 * repositories/NAME/_/manifests/ALGORITHM/HEX       a line with the media type, then the manifest
 * repositories/NAME/_/tags/TAG^CASE                 the digest
 * repositories/NAME/_/referrers/ALGORITHM/HEX/DIGEST  empty: that manifest names this subject
 * uploads/ID.REPOSITORY                             what has arrived of an upload
 * staging/UUID                                      files on their way to their place
 * ```
 *
 * Files are written aside, flushed, and come to their place by one rename or link, so whoever dies
 * on the way leaves nothing half-written in sight. What is small is read and moved by synchronous
 * calls: they are ten times quicker than a round through the thread pool, and a change that does
 * not wait is a change that no other request of this process can come between.
 */
export interface Storage {
  readonly dir: string;
  /** The uploads under way in this process, by their file. */
  readonly sessions: Map<string, UploadSession>;
}

/** What this process knows of an upload beside its file: the hash so far, so that nothing is read twice. */
export interface UploadSession {
  readonly algorithm: DigestAlgorithm;
  readonly hash: Hash;
  /** How many bytes the hash has seen. */
  sizeBytes: number;
  /** Whether a request is writing to it. */
  busy: boolean;
}

const STALE_STAGING_MS = 3_600_000; // nothing is on its way to its place for an hour
const STALE_UPLOAD_MS = 24 * 3_600_000; // longer than anybody waits before resuming an upload

/** Makes the directories that are missing, and {@link sweep}s. @throws {CosignError} `FILE_WRITE`. */
export function openStorage(dir: string, nowMs: number): Storage {
  const storage: Storage = { dir, sessions: new Map() };
  try {
    for (const part of ["blobs", "repositories", "uploads", "staging"]) {
      mkdirSync(join(dir, part), { recursive: true });
    }
    sweep(storage, nowMs);
    return storage;
  } catch (error) {
    throw new CosignError(
      "FILE_WRITE",
      `Cannot open registry directory ${JSON.stringify(dir)}: ${describeError(error)}`,
      { cause: error },
    );
  }
}

/** Removes what was abandoned long ago: uploads, and files that a dead process left on their way. */
export function sweep(storage: Storage, nowMs: number): void {
  for (const [part, staleMs] of [
    ["staging", STALE_STAGING_MS],
    ["uploads", STALE_UPLOAD_MS],
  ] as const) {
    for (const name of readdirSync(join(storage.dir, part))) {
      const path = join(storage.dir, part, name);
      const modifiedMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
      if (modifiedMs === undefined || nowMs - modifiedMs < staleMs) continue;
      if (storage.sessions.get(path)?.busy) continue;
      rmSync(path, { force: true });
    }
  }
  for (const path of storage.sessions.keys()) {
    if (!isThere(path)) storage.sessions.delete(path);
  }
}

/** Where a repository keeps its things. `_` is no name, so repositories may lie below each other. */
export function repositoryDir(storage: Storage, repository: string): string {
  return join(storage.dir, "repositories", repository, "_");
}

/** Whether anything was ever pushed to a repository. */
export function hasRepository(storage: Storage, repository: string): boolean {
  return isThere(repositoryDir(storage, repository));
}

/** `ALGORITHM/HEX` below `base`. */
export function digestPath(base: string, digest: Digest): string {
  return join(base, digestAlgorithm(digest), digestHex(digest));
}

/** Writes a file aside and flushes it. @returns its path, for {@link moveInPlace}. */
export async function writeAside(storage: Storage, content: Uint8Array): Promise<string> {
  const path = stagingPath(storage);
  const file = await open(path, "wx");
  try {
    await file.writeFile(content);
    // Without it a machine that loses power may keep the name and lose the bytes.
    await file.datasync();
    return path;
  } catch (error) {
    removeIfThere(path);
    throw error;
  } finally {
    await file.close();
  }
}

/** Writes a file aside without waiting, and without flushing it. @returns its path, for {@link moveInPlace}. */
export function writeAsideNow(storage: Storage, content: Uint8Array): string {
  const path = stagingPath(storage);
  writeFileSync(path, content, { flag: "wx" });
  return path;
}

/** Renames a file to its place, replacing what is there in one step. */
export function moveInPlace(source: string, target: string): void {
  withParent(target, () => renameSync(source, target));
}

/**
 * Gives a file a second name. Where the file system has no hard links, or no more of them
 * (ext4: 65,000), it is copied.
 *
 * @returns whether `source` is there. A `target` that is there already stays.
 */
export function linkInPlace(storage: Storage, source: string, target: string): boolean {
  try {
    withParent(target, () => linkSync(source, target));
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (code === "EEXIST") return true;
    if (code === "ENOENT") return false;
    if (!["EPERM", "EXDEV", "EMLINK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(code))
      throw error;
  }
  const copy = stagingPath(storage);
  copyFileSync(source, copy, constants.COPYFILE_FICLONE);
  moveInPlace(copy, target);
  return true;
}

/** The content of a small file; nothing when it is not there. */
export function readIfThere(path: string): Uint8Array | undefined {
  return unlessMissing(() => readFileSync(path));
}

/** The names in a directory; none when it is not there. */
export function namesIn(path: string): readonly string[] {
  return unlessMissing(() => readdirSync(path)) ?? [];
}

/** The size of a file in bytes; nothing when it is not there. */
export function sizeIfThere(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}

/** Whether there is a file or directory. */
export function isThere(path: string): boolean {
  return sizeIfThere(path) !== undefined;
}

/** Removes a file. @returns whether it was there. */
export function removeIfThere(path: string): boolean {
  return unlessMissing(() => unlinkSync(path) ?? true) ?? false;
}

/** The system's name for an error (`ENOENT`); empty when it has none. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function stagingPath(storage: Storage): string {
  return join(storage.dir, "staging", randomUUID());
}

function unlessMissing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

function withParent(target: string, change: () => void): void {
  try {
    change();
  } catch (error) {
    if (errorCode(error) !== "ENOENT" || isThere(dirname(target))) throw error;
    mkdirSync(dirname(target), { recursive: true });
    change();
  }
}
