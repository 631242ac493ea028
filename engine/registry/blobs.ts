import { digestOf } from "../crypto/hash.ts";
import { isTransientError, retry } from "../io/retry.ts";
import { unlessAborted } from "../io/wait.ts";
import type { Descriptor } from "../model/descriptor.ts";
import { type Digest, digestAlgorithm } from "../model/digest.ts";
import { CosignError, hasCode } from "../model/errors.ts";
import { resolveLocation } from "./origins.ts";
import { MAX_ERROR_BYTES, protocolError, type Reply } from "./reply.ts";
import type { Scoped } from "./scoped.ts";

/** Larger blobs are asked for before they are sent. */
const WORTH_ASKING_BYTES = 64 * 1024;
/** Chunks where a registry does not take a blob in one piece: gateways commonly let 10 MB through. */
export const CHUNK_BYTES: number = 8 * 1024 * 1024;
/** Statuses by which gateways and registries refuse a blob in one piece. */
export const TOO_MUCH_AT_ONCE: readonly number[] = [405, 411, 413, 416];

/** Reads a blob and checks it. @throws {CosignError} see `Store.blob()`. */
export async function readBlob(
  scoped: Scoped,
  descriptor: Descriptor,
  limitBytes: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const { digest, sizeBytes, data } = descriptor;
  const what = `read blob "${scoped.nameOf(digest)}"`;
  if (sizeBytes > limitBytes) {
    throw new CosignError(
      "LIMIT_EXCEEDED",
      `Cannot ${what}: ${sizeBytes} bytes, at most ${limitBytes} are read`,
    );
  }
  const bytes = data ?? (await fetchBlob(scoped, digest, sizeBytes, what, signal));
  if (bytes.length !== sizeBytes) {
    throw new CosignError(
      "DIGEST_MISMATCH",
      `Cannot ${what}: it has ${bytes.length} bytes, expected ${sizeBytes}`,
    );
  }
  const actual = digestOf(bytes, digestAlgorithm(digest));
  if (actual !== digest) {
    throw new CosignError("DIGEST_MISMATCH", `Cannot ${what}: digest is ${actual}`);
  }
  return bytes;
}

async function fetchBlob(
  scoped: Scoped,
  digest: Digest,
  sizeBytes: number,
  what: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  try {
    const reply = await scoped.ask({
      method: "GET",
      path: `/v2/${scoped.repository}/blobs/${digest}`,
      what,
      expect: [200, 404],
      limitBytes: sizeBytes,
      signal,
    });
    if (reply.status === 200) return reply.body;
  } catch (error) {
    if (!hasCode(error, "LIMIT_EXCEEDED")) throw error;
    throw new CosignError(
      "DIGEST_MISMATCH",
      `Cannot ${what}: it has more than the ${sizeBytes} bytes of its descriptor`,
      { cause: error },
    );
  }
  throw protocolError(what, "the registry does not have it, though a manifest names it");
}

/** Where blobs of a registry are known to be, so that they are not sent again. */
export class KnownBlobs {
  /** Of each digest the repositories. Bounded: the oldest go. */
  readonly #places: Map<Digest, Set<string>> = new Map();
  /** The same blob is not sent twice at once: several jobs want the empty config in their repository. */
  readonly #underWay: Map<string, Promise<void>> = new Map();
  /** False once the registry did not take a blob with the first request. */
  takesSinglePost = true;

  has(digest: Digest, repository: string): boolean {
    return this.#places.get(digest)?.has(repository) ?? false;
  }

  add(digest: Digest, repository: string): void {
    const places = this.#places.get(digest) ?? new Set();
    // Most blobs are in one repository, the empty config is in all.
    if (places.size < MAX_PLACES) places.add(repository);
    this.#places.delete(digest);
    this.#places.set(digest, places);
    if (this.#places.size <= MAX_KNOWN) return;
    for (const oldest of this.#places.keys()) {
      this.#places.delete(oldest);
      break;
    }
  }

  /** Ends when an upload that is under way has ended, however; nothing when there is none. */
  underWay(digest: Digest, repository: string): Promise<void> | undefined {
    return this.#underWay.get(`${repository}@${digest}`);
  }

  /** Makes an upload known as {@link underWay} until it has ended. */
  async during(digest: Digest, repository: string, upload: Promise<void>): Promise<void> {
    const key = `${repository}@${digest}`;
    this.#underWay.set(
      key,
      upload.catch(() => {}),
    );
    try {
      await upload;
    } finally {
      this.#underWay.delete(key);
    }
  }

  /** Some repository that has it. */
  placeOf(digest: Digest): string | undefined {
    for (const place of this.#places.get(digest) ?? []) return place;
    return undefined;
  }
}

/** Enough for the configs and the last payloads of a run; the memory of a batch must not grow with it. */
const MAX_KNOWN = 1000;
const MAX_PLACES = 10_000;

/**
 * Writes a blob: not at all where it is known to be, else by mounting it from a repository that has it, by
 * one request, by two, or in chunks, whatever the registry takes.
 */
export async function writeBlob(
  scoped: Scoped,
  known: KnownBlobs,
  content: Uint8Array,
  digest: Digest,
  signal?: AbortSignal,
): Promise<void> {
  const { repository } = scoped;
  for (;;) {
    if (known.has(digest, repository)) return;
    const other = known.underWay(digest, repository);
    if (other === undefined) break;
    await unlessAborted(other, signal);
  }
  await known.during(digest, repository, send({ scoped, known, content, digest, signal }));
}

async function send(upload: Upload): Promise<void> {
  const { scoped, known, content, digest, signal } = upload;
  if (content.length < WORTH_ASKING_BYTES || !(await hasBlob(upload))) {
    await retry(
      async () => {
        try {
          return { value: await sendBlob(upload) };
        } catch (error) {
          // Half of it may have arrived: an upload is begun anew, not continued.
          if (isTransientError(error, true) || hasCode(error, "REGISTRY_UNAVAILABLE")) {
            return { transient: error };
          }
          throw error;
        }
      },
      { attempts: UPLOADS, ...(signal === undefined ? {} : { signal }) },
    );
  }
  known.add(digest, scoped.repository);
}

/** Each upload's requests are tried again by themselves where that can be. */
export const UPLOADS = 4;

/** One blob of one repository. */
export interface BlobAddress {
  readonly scoped: Scoped;
  readonly digest: Digest;
  readonly signal: AbortSignal | undefined;
}

interface Upload extends BlobAddress {
  readonly known: KnownBlobs;
  readonly content: Uint8Array;
}

/** Whether a blob is there. */
export async function hasBlob({ scoped, digest, signal }: BlobAddress): Promise<boolean> {
  const { status } = await scoped.ask({
    method: "HEAD",
    path: `/v2/${scoped.repository}/blobs/${digest}`,
    what: `find blob "${scoped.nameOf(digest)}"`,
    expect: [200, 404, 405],
    limitBytes: 0,
    signal,
  });
  return status === 200;
}

async function sendBlob(upload: Upload): Promise<void> {
  const begun = await begin(upload);
  if (begun === undefined) return;
  const { scoped, content, digest, signal } = upload;
  const what = whatOf(upload);
  const reply = await scoped.ask({
    method: "PUT",
    path: withDigest(begun.location, digest),
    what,
    headers: { "content-type": "application/octet-stream" },
    body: content,
    expect: [200, 201, 202, 204, ...TOO_MUCH_AT_ONCE],
    limitBytes: MAX_ERROR_BYTES,
    replayable: false,
    signal,
  });
  if (TOO_MUCH_AT_ONCE.includes(reply.status)) await sendChunks(upload);
}

/** Begins an upload; nothing when that ended it as well, by a mount or because the one request was enough. */
async function begin(
  upload: Upload,
): Promise<{ readonly location: string; readonly reply: Reply } | undefined> {
  const { scoped, known, content, digest, signal } = upload;
  const { repository } = scoped;
  const from = known.placeOf(digest);
  // With tokens a mount costs a token for both repositories: more than the small blobs that are known here.
  const mounts = from !== undefined && from !== repository && !scoped.host.usesTokens;
  const single = !mounts && known.takesSinglePost && content.length < WORTH_ASKING_BYTES;
  const query = mounts
    ? `?mount=${digest}&from=${encodeURIComponent(from)}`
    : single
      ? `?digest=${digest}`
      : algorithmQuery(digest);
  const reply = await scoped.ask({
    method: "POST",
    path: `/v2/${repository}/blobs/uploads/${query}`,
    what: whatOf(upload),
    ...(single ? { headers: { "content-type": "application/octet-stream" }, body: content } : {}),
    expect: [201, 202],
    limitBytes: MAX_ERROR_BYTES,
    signal,
  });
  if (reply.status === 201) return undefined;
  if (single) known.takesSinglePost = false;
  return { location: locationOf(reply, upload), reply };
}

async function sendChunks(upload: Upload): Promise<void> {
  const { scoped, content, digest, signal } = upload;
  const what = whatOf(upload);
  const begun = await scoped.ask({
    method: "POST",
    path: `/v2/${scoped.repository}/blobs/uploads/${algorithmQuery(digest)}`,
    what,
    expect: [202],
    limitBytes: MAX_ERROR_BYTES,
    signal,
  });
  const least = Number(begun.headers.get("oci-chunk-min-length") ?? 0);
  const step = Number.isSafeInteger(least) ? Math.max(CHUNK_BYTES, least) : CHUNK_BYTES;
  let location = locationOf(begun, upload);
  for (let start = 0; start < content.length; start += step) {
    const chunk = content.subarray(start, start + step);
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

/** What an upload is for, as it stands in a message behind "Cannot". */
export function whatOf({ scoped, digest }: BlobAddress): string {
  return `write blob "${scoped.nameOf(digest)}"`;
}

/** Where the registry wants the content: it may be another origin, which then gets no credentials. */
export function locationOf(reply: Reply, upload: BlobAddress): string {
  return resolveLocation(reply.headers.get("location"), reply.url, whatOf(upload)).href;
}

/** The location of an upload, told the digest that it ends with. */
export function withDigest(location: string, digest: Digest): string {
  const url = new URL(location);
  url.searchParams.set("digest", digest);
  return url.href;
}

/** Registries hash while they receive: they must know by what, unless it is the usual. */
export function algorithmQuery(digest: Digest): string {
  return digestAlgorithm(digest) === "sha256" ? "" : "?digest-algorithm=sha512";
}
