import { createHash, type Hash, randomUUID } from "node:crypto";
import { createReadStream, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import {
  type Digest,
  type DigestAlgorithm,
  digestAlgorithm,
  digestHex,
} from "../../model/digest.ts";
import { keepBlob } from "./blob_files.ts";
import { Refusal } from "./refusal.ts";
import { removeIfThere, type Storage, sizeIfThere, type UploadSession } from "./storage.ts";

/** Begins an upload. @returns its id, a UUID that nobody can guess. */
export function beginUpload(
  storage: Storage,
  repository: string,
  algorithm: DigestAlgorithm,
): string {
  const id = randomUUID();
  const path = uploadPath(storage, repository, id);
  writeFileSync(path, "", { flag: "wx" });
  const hash = createHash(algorithm);
  storage.sessions.set(path, { algorithm, hash, sizeBytes: 0, busy: false });
  return id;
}

/** How many bytes of an upload have arrived. @throws {Refusal} 404 when there is no such upload. */
export function uploadSize(storage: Storage, repository: string, id: string): number {
  const sizeBytes = sizeIfThere(uploadPath(storage, repository, id));
  if (sizeBytes === undefined) throw unknownUpload();
  return sizeBytes;
}

/**
 * Appends to an upload. When the body breaks off, what has arrived stays, and the upload may be
 * resumed behind it.
 *
 * @param startByte Where the client says that the chunk begins.
 * @returns the size in bytes it has now.
 * @throws {Refusal} 404 when there is no such upload, 416 when the chunk does not begin where the
 *   upload ends, or somebody else is writing to it.
 */
export async function appendToUpload(
  storage: Storage,
  repository: string,
  id: string,
  body: AsyncIterable<Uint8Array>,
  startByte?: number,
): Promise<number> {
  const path = uploadPath(storage, repository, id);
  return await asOnlyWriter(storage, repository, id, undefined, async (session) => {
    if (startByte !== undefined && startByte !== session.sizeBytes) {
      throw outOfOrder(session.sizeBytes, `chunk begins at ${startByte}`);
    }
    const file = await open(path, "r+");
    try {
      for await (const chunk of body) {
        await writeAt(file, chunk, session.sizeBytes);
        session.hash.update(chunk);
        session.sizeBytes += chunk.length;
      }
    } catch (error) {
      // A disk that is full may have taken a part of the last chunk, which the hash has not seen.
      await file.truncate(session.sizeBytes).catch(() => undefined);
      throw error;
    } finally {
      await file.close();
    }
    return session.sizeBytes;
  });
}

/**
 * Makes a blob of an upload.
 *
 * @throws {Refusal} 404 when there is no such upload; 400 `DIGEST_INVALID` when the bytes have another
 *   digest: then the upload is gone.
 */
export async function finishUpload(
  storage: Storage,
  repository: string,
  id: string,
  digest: Digest,
): Promise<void> {
  const path = uploadPath(storage, repository, id);
  await asOnlyWriter(storage, repository, id, digestAlgorithm(digest), async (session) => {
    const hex = session.hash.copy().digest("hex"); // a copy: the disk may fail below, and the client try again
    if (hex !== digestHex(digest)) {
      forgetUpload(storage, repository, id);
      throw new Refusal(400, "DIGEST_INVALID", "provided digest did not match uploaded content", {
        detail: { provided: digest, computed: `${session.algorithm}:${hex}` },
      });
    }
    await flush(path, session.sizeBytes);
    keepBlob(storage, repository, digest, path, session.sizeBytes);
    storage.sessions.delete(path);
  });
}

/** Ends an upload. @throws {Refusal} 404 when there is no such upload. */
export function cancelUpload(storage: Storage, repository: string, id: string): void {
  if (storage.sessions.get(uploadPath(storage, repository, id))?.busy) {
    throw new Refusal(400, "BLOB_UPLOAD_INVALID", "another request is writing to this upload");
  }
  if (!forgetUpload(storage, repository, id)) throw unknownUpload();
}

/** Drops what has arrived of an upload. @returns whether it was there. */
export function forgetUpload(storage: Storage, repository: string, id: string): boolean {
  const path = uploadPath(storage, repository, id);
  storage.sessions.delete(path);
  return removeIfThere(path);
}

/** `0-END`, as the `Range` header tells the progress of an upload. Nothing and one byte read the same: `0-0`. */
export function uploadedRange(sizeBytes: number): string {
  return `0-${Math.max(0, sizeBytes - 1)}`;
}

// 416 with what the client needs for going on.
function outOfOrder(sizeBytes: number, why: string): Refusal {
  return new Refusal(416, "BLOB_UPLOAD_INVALID", `${why}, upload has ${sizeBytes} bytes`, {
    headers: { Range: uploadedRange(sizeBytes) },
  });
}

// The repository is a part of the file's name: an id is of no use in another repository.
function uploadPath(storage: Storage, repository: string, id: string): string {
  const mark = createHash("sha256").update(repository).digest("hex").slice(0, 16);
  return join(storage.dir, "uploads", `${id}.${mark}`);
}

async function asOnlyWriter<T>(
  storage: Storage,
  repository: string,
  id: string,
  algorithm: DigestAlgorithm | undefined,
  write: (session: UploadSession) => Promise<T>,
): Promise<T> {
  const path = uploadPath(storage, repository, id);
  const sizeBytes = uploadSize(storage, repository, id);
  const known = storage.sessions.get(path);
  if (known?.busy) throw outOfOrder(sizeBytes, "another request is writing");
  const usable =
    known?.sizeBytes === sizeBytes && (algorithm ?? known.algorithm) === known.algorithm;
  const session: UploadSession =
    usable && known !== undefined ? known : newSession(algorithm ?? known?.algorithm ?? "sha256");
  session.busy = true;
  storage.sessions.set(path, session);
  try {
    if (session !== known) session.sizeBytes = await hashFile(path, session.hash);
    return await write(session);
  } finally {
    session.busy = false;
  }
}

function newSession(algorithm: DigestAlgorithm): UploadSession {
  return { algorithm, hash: createHash(algorithm), sizeBytes: 0, busy: false };
}

// Needed after a restart, and when the client names another algorithm at the end than at the start.
async function hashFile(path: string, hash: Hash): Promise<number> {
  let sizeBytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return sizeBytes;
}

async function writeAt(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    const { bytesWritten } = await file.write(chunk, done, chunk.length - done, position + done);
    done += bytesWritten;
  }
}

async function flush(path: string, sizeBytes: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    // Another process on the same directory may have written to it: what was hashed is what is kept.
    const { size } = await file.stat();
    if (size !== sizeBytes) throw outOfOrder(size, "another process is writing");
    await file.datasync();
  } finally {
    await file.close();
  }
}

function unknownUpload(): Refusal {
  return new Refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
}
