import { createHash } from "node:crypto";
import { streamBody } from "../io/http.ts";
import { isTransientError, retry } from "../io/retry.ts";
import type { Descriptor } from "../model/descriptor.ts";
import { type Digest, digestAlgorithm, digestHex } from "../model/digest.ts";
import { CosignError, hasCode } from "../model/errors.ts";
import {
  algorithmQuery,
  type BlobAddress,
  CHUNK_BYTES,
  hasBlob,
  type KnownBlobs,
  locationOf,
  TOO_MUCH_AT_ONCE,
  UPLOADS,
  whatOf,
  withDigest,
} from "./blobs.ts";
import { MAX_ERROR_BYTES, protocolError, type Reply } from "./reply.ts";
import type { Scoped } from "./scoped.ts";
import type { BlobSource, BlobTransfer } from "./store.ts";

/** The bytes of a blob as they come, checked at their end. @throws {CosignError} see `Store.streamBlob()`. */
export async function* streamBlob(
  scoped: Scoped,
  descriptor: Descriptor,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { digest, sizeBytes, data } = descriptor;
  const what = `read blob "${scoped.nameOf(digest)}"`;
  yield* checkedPieces(
    data === undefined ? fetchPieces(scoped, digest, sizeBytes, what, signal) : [data],
    descriptor,
    what,
  );
}

async function* fetchPieces(
  scoped: Scoped,
  digest: Digest,
  sizeBytes: number,
  what: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const reply = await scoped.ask({
    method: "GET",
    path: `/v2/${scoped.repository}/blobs/${digest}`,
    what,
    expect: [200, 404],
    limitBytes: sizeBytes,
    leaveOpen: true,
    signal,
  });
  if (reply.open === undefined) {
    throw protocolError(what, "the registry does not have it, though a manifest names it");
  }
  yield* streamBody(reply.open, sizeBytes);
}

/**
 * Hands pieces on, and checks digest and size at their end.
 *
 * @param what What they are read for, as it stands in a message behind "Cannot".
 * @throws {CosignError} `DIGEST_MISMATCH`.
 */
export async function* checkedPieces(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { digest, sizeBytes }: Descriptor,
  what: string,
): AsyncGenerator<Uint8Array> {
  const hash = createHash(digestAlgorithm(digest));
  let gotBytes = 0;
  for await (const piece of pieces) {
    gotBytes += piece.length;
    if (gotBytes > sizeBytes) break;
    hash.update(piece);
    yield piece;
  }
  if (gotBytes !== sizeBytes) {
    const got = gotBytes > sizeBytes ? "more" : `${gotBytes}`;
    throw new CosignError(
      "DIGEST_MISMATCH",
      `Cannot ${what}: it has ${got} bytes, expected ${sizeBytes}`,
    );
  }
  const hex = hash.digest("hex");
  if (hex === digestHex(digest)) return;
  throw new CosignError(
    "DIGEST_MISMATCH",
    `Cannot ${what}: digest is ${digestAlgorithm(digest)}:${hex}, expected ${digest}`,
  );
}

/** Writes a blob that comes bit by bit. See `Store.pushBlobFrom()`. */
export async function writeBlobFrom(
  scoped: Scoped,
  known: KnownBlobs,
  descriptor: Descriptor,
  source: BlobSource,
  signal?: AbortSignal,
): Promise<BlobTransfer> {
  const { digest } = descriptor;
  if (known.has(digest, scoped.repository)) return "present";
  const upload: StreamUpload = { scoped, digest, signal, descriptor, source };
  const mountFrom = mountable(upload);
  if (mountFrom === undefined && (await hasBlob(upload))) {
    known.add(digest, scoped.repository);
    return "present";
  }
  const outcome = await retry<BlobTransfer>(
    async (attempt) => {
      try {
        return { value: await sendStream(upload, attempt === 1 ? mountFrom : undefined) };
      } catch (error) {
        // Half of it may have arrived: an upload is begun anew, from its source's beginning.
        if (isTransientError(error, true) || hasCode(error, "REGISTRY_UNAVAILABLE")) {
          return { transient: error };
        }
        throw error;
      }
    },
    { attempts: UPLOADS, ...(signal === undefined ? {} : { signal }) },
  );
  known.add(digest, scoped.repository);
  return outcome;
}

interface StreamUpload extends BlobAddress {
  readonly descriptor: Descriptor;
  readonly source: BlobSource;
}

/** The path of another repository of this registry that has it. */
function mountable({ scoped, source }: StreamUpload): string | undefined {
  const { repository } = source;
  if (repository === undefined || repository.registry !== scoped.host.name) return undefined;
  return repository.repository === scoped.repository ? undefined : repository.repository;
}

async function sendStream(upload: StreamUpload, mountFrom?: string): Promise<BlobTransfer> {
  const { scoped, digest, descriptor, signal } = upload;
  const begun = await begin(upload, mountFrom).catch((error: unknown) => {
    // Whoever may write here need not be known where the blob is: then it is sent.
    const mayNotMount = hasCode(error, "REGISTRY_AUTH", "REGISTRY_DENIED");
    if (mountFrom === undefined || !mayNotMount) throw error;
    return begin(upload);
  });
  if (begun.status === 201) return "mounted";
  // The registry did not mount it: it may be there all the same.
  if (mountFrom !== undefined && (await hasBlob(upload))) return "present";
  const body = new UploadBody(upload);
  const reply = await body.guard(
    scoped.ask({
      method: "PUT",
      path: withDigest(locationOf(begun, upload), digest),
      what: whatOf(upload),
      headers: {
        "content-type": "application/octet-stream",
        "content-length": `${descriptor.sizeBytes}`,
      },
      body: (progress) => body.open(progress),
      expect: [200, 201, 202, 204, ...TOO_MUCH_AT_ONCE],
      limitBytes: MAX_ERROR_BYTES,
      replayable: false,
      signal,
    }),
  );
  if (TOO_MUCH_AT_ONCE.includes(reply.status)) await sendChunks(upload);
  return "sent";
}

function begin({ scoped, digest, signal }: StreamUpload, mountFrom?: string): Promise<Reply> {
  const query =
    mountFrom === undefined
      ? algorithmQuery(digest)
      : `?mount=${digest}&from=${encodeURIComponent(mountFrom)}`;
  return scoped.ask({
    method: "POST",
    path: `/v2/${scoped.repository}/blobs/uploads/${query}`,
    what: `write blob "${scoped.nameOf(digest)}"`,
    ...(mountFrom === undefined ? {} : { alsoScope: `repository:${mountFrom}:pull` }),
    expect: [201, 202],
    limitBytes: MAX_ERROR_BYTES,
    signal,
  });
}

/** Sends it in pieces of a fixed size, of which one stands in memory. */
async function sendChunks(upload: StreamUpload): Promise<void> {
  const { scoped, digest, source, descriptor, signal } = upload;
  const what = whatOf(upload);
  const begun = await begin(upload);
  const least = Number(begun.headers.get("oci-chunk-min-length") ?? 0);
  const step = Number.isSafeInteger(least) ? Math.max(CHUNK_BYTES, least) : CHUNK_BYTES;
  let location = locationOf(begun, upload);
  let start = 0;
  const pieces = checkedPieces(source.read(signal), descriptor, what);
  for await (const chunk of inSteps(pieces, step)) {
    const reply = await scoped.ask({
      method: "PATCH",
      path: location,
      what,
      headers: {
        "content-type": "application/octet-stream",
        "content-range": `${start}-${start + chunk.length - 1}`,
      },
      body: chunk,
      expect: [202, 204],
      limitBytes: MAX_ERROR_BYTES,
      replayable: false,
      signal,
    });
    location = locationOf(reply, upload);
    start += chunk.length;
  }
  await scoped.ask({
    method: "PUT",
    path: withDigest(location, digest),
    what,
    expect: [200, 201, 202, 204],
    limitBytes: MAX_ERROR_BYTES,
    replayable: false,
    signal,
  });
}

async function* inSteps(
  pieces: AsyncIterable<Uint8Array>,
  step: number,
): AsyncGenerator<Uint8Array> {
  let buffer = new Uint8Array(step);
  let filled = 0;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const part = piece.subarray(at, at + step - filled);
      buffer.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < step) continue;
      yield buffer;
      buffer = new Uint8Array(step);
      filled = 0;
    }
  }
  if (filled > 0) yield buffer.subarray(0, filled);
}

/** The body of an upload: why its source failed is what the upload failed of. */
class UploadBody {
  readonly #upload: StreamUpload;
  #failure: unknown;

  constructor(upload: StreamUpload) {
    this.#upload = upload;
  }

  open(progress: () => void): ReadableStream<Uint8Array> {
    const { source, descriptor, signal } = this.#upload;
    const pieces = checkedPieces(source.read(signal), descriptor, whatOf(this.#upload));
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          try {
            const { done, value } = await pieces.next();
            progress();
            if (done) controller.close();
            else controller.enqueue(value);
          } catch (error) {
            this.#failure = error;
            controller.error(error);
          }
        },
        cancel: async () => {
          await pieces.return(undefined);
        },
      },
      { highWaterMark: 0 },
    );
  }

  async guard(request: Promise<Reply>): Promise<Reply> {
    try {
      return await request;
    } catch (error) {
      throw this.#failure ?? error;
    }
  }
}
