import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { digestOf } from "../crypto/hash.ts";
import type { Descriptor } from "../model/descriptor.ts";
import { type Digest, digestAlgorithm, digestHex } from "../model/digest.ts";
import { CosignError, describeError } from "../model/errors.ts";
import { checkedPieces } from "./blob_stream.ts";
import type { BlobSource, BlobTransfer } from "./store.ts";

/** Large enough for the disk, small enough for many at once. */
const PIECE_BYTES = 256 * 1024;

/** Where a layout keeps a blob. */
export function blobPath(path: string, digest: Digest): string {
  return join(path, "blobs", digestAlgorithm(digest), digestHex(digest));
}

/** A blob, whole, checked against its digest; absent when there is none. @throws {CosignError} `DIGEST_MISMATCH`, `LIMIT_EXCEEDED`, `LAYOUT_INVALID`. */
export async function readLayoutBlob(
  path: string,
  digest: Digest,
  limitBytes: number,
): Promise<Uint8Array | undefined> {
  const bytes = await readLimited(path, blobPath(path, digest), limitBytes);
  if (bytes === undefined) return undefined;
  const got = digestOf(bytes, digestAlgorithm(digest));
  if (got === digest) return bytes;
  throw new CosignError(
    "DIGEST_MISMATCH",
    `Cannot read layout "${path}": a blob is ${got}, expected ${digest}`,
  );
}

async function readLimited(
  path: string,
  file: string,
  limitBytes: number,
): Promise<Uint8Array | undefined> {
  try {
    const info = await stat(file); // before it is opened: opening a FIFO waits for its writer
    if (!info.isFile()) throw invalid(path, `"${file}" is no regular file`);
    if (info.size > limitBytes) {
      throw new CosignError(
        "LIMIT_EXCEEDED",
        `Cannot read "${file}": it has ${info.size} bytes, at most ${limitBytes} are read`,
      );
    }
    return new Uint8Array(await readFile(file));
  } catch (error) {
    if (error instanceof CosignError) throw error;
    if (isMissing(error)) return undefined;
    throw invalid(path, describeError(error), error);
  }
}

/** A blob bit by bit, checked at its end. */
export async function* streamLayoutBlob(
  path: string,
  descriptor: Descriptor,
): AsyncGenerator<Uint8Array> {
  const what = `read layout "${path}", blob ${descriptor.digest}`;
  yield* checkedPieces(filePieces(path, blobPath(path, descriptor.digest)), descriptor, what);
}

async function* filePieces(path: string, file: string): AsyncGenerator<Uint8Array> {
  const info = await stat(file).catch((error: unknown) => {
    throw invalid(path, isMissing(error) ? `"${file}" is not there` : describeError(error), error);
  });
  if (!info.isFile()) throw invalid(path, `"${file}" is no regular file`);
  await using handle = await open(file, "r");
  for (;;) {
    const { bytesRead, buffer } = await handle.read(new Uint8Array(PIECE_BYTES), 0, PIECE_BYTES);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

/** Writes a blob. */
export async function writeLayoutBlob(
  path: string,
  digest: Digest,
  content: Uint8Array,
): Promise<void> {
  const file = blobPath(path, digest);
  await written(file, () => mkdir(dirname(file), { recursive: true }));
  await replaceFile(file, content);
}

/** Writes a blob that comes bit by bit, unless it is there whole: it gets its name when it was checked. */
export async function writeLayoutBlobFrom(
  path: string,
  descriptor: Descriptor,
  source: BlobSource,
  signal?: AbortSignal,
): Promise<BlobTransfer> {
  const file = blobPath(path, descriptor.digest);
  if (await isWhole(file, descriptor)) return "present";
  const temporary = `${file}.${randomUUID()}`;
  try {
    await written(file, async () => {
      await mkdir(dirname(file), { recursive: true });
      await using handle = await open(temporary, "wx");
      const what = `write layout "${path}", blob ${descriptor.digest}`;
      for await (const piece of checkedPieces(source.read(signal), descriptor, what)) {
        for (let at = 0; at < piece.length; ) at += (await handle.write(piece, at)).bytesWritten;
      }
    });
    await written(file, () => rename(temporary, file));
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined); // not even the directory is there
  }
  return "sent";
}

async function isWhole(file: string, { digest, sizeBytes }: Descriptor): Promise<boolean> {
  try {
    const info = await stat(file);
    if (!info.isFile() || info.size !== sizeBytes) return false;
    const hash = createHash(digestAlgorithm(digest));
    for await (const piece of filePieces(dirname(file), file)) hash.update(piece);
    return hash.digest("hex") === digestHex(digest);
  } catch {
    return false; // what cannot be read is written anew, and then says why it cannot
  }
}

/** Writes a file beside its place and moves it there: it is whole or not there at all. */
export async function replaceFile(file: string, content: Uint8Array): Promise<void> {
  const temporary = `${file}.${randomUUID()}`;
  await written(file, async () => {
    await writeFile(temporary, content, { flag: "wx" });
    await rename(temporary, file);
  });
}

async function written<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof CosignError) throw cause;
    throw new CosignError("FILE_WRITE", `Cannot write "${file}": ${describeError(cause)}`, {
      cause,
    });
  }
}

/** Whether an error says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

/** The error for a layout that is none. */
export function invalid(path: string, why: string, cause?: unknown): CosignError {
  return new CosignError("LAYOUT_INVALID", `Cannot read layout "${path}": ${why}`, {
    hint: "A layout is a directory with oci-layout, index.json and blobs/, as cosign save writes it",
    ...(cause === undefined ? {} : { cause }),
  });
}
