import { createHash } from "node:crypto";
import { listVectors, readVector, readVectorText } from "./vectors.ts";

interface IndexEntry {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Manifest {
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly config?: { readonly mediaType: string };
  readonly manifests?: readonly IndexEntry[];
  readonly subject?: { readonly digest: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

const REF_NAME = "org.opencontainers.image.ref.name";
const INDEX = "application/vnd.oci.image.index.v1+json";
/** Uploads at once: enough to keep a registry on the loopback busy. */
const CONCURRENCY = 8;

/**
 * Loads the packed layout `repos/NAME` into the registry at `host` as `repository`, by plain HTTP and
 * with nothing of the engine: blobs, manifests (children first), tags. To a registry without the
 * referrers API it writes the fallback tags, as the specification asks of whoever pushes.
 */
export async function pushVectorRepository(
  host: string,
  name: string,
  repository: string = `veca/${name}`,
): Promise<void> {
  const base = `http://${host}/v2/${repository}`;
  const prefix = `repos/${name}/`;
  const entries: readonly IndexEntry[] = JSON.parse(
    readVectorText(`${prefix}index.json`),
  ).manifests;
  const isManifest = new Set(entries.map(({ digest }) => digest));
  const blobs = listVectors(`${prefix}blobs/`)
    .map((path) => path.slice(`${prefix}blobs/`.length).replace("/", ":"))
    .filter((digest) => !isManifest.has(digest));
  await inParallel(blobs, (digest) => putBlob(base, digest, readVector(blobPath(prefix, digest))));

  const tags = new Set(entries.map(({ annotations }) => annotations?.[REF_NAME]));
  const fallbacks = new Map<string, IndexEntry[]>();
  for (const entry of childrenFirst(prefix, entries)) {
    const content = readVector(blobPath(prefix, entry.digest));
    const tag = entry.annotations?.[REF_NAME];
    const answer = await putManifest(base, tag ?? entry.digest, entry.mediaType, content);
    const manifest: Manifest = JSON.parse(new TextDecoder().decode(content));
    if (manifest.subject === undefined || answer.headers.has("oci-subject")) continue;
    const fallback = manifest.subject.digest.replace(":", "-");
    if (tags.has(fallback)) continue;
    fallbacks.set(fallback, [...(fallbacks.get(fallback) ?? []), describe(entry, manifest)]);
  }
  for (const [tag, manifests] of fallbacks) {
    const index = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests });
    await putManifest(base, tag, INDEX, new TextEncoder().encode(index));
  }
}

/** Writes a blob in one go. */
export async function putBlob(base: string, digest: string, content: Uint8Array): Promise<void> {
  const begun = await fetch(`${base}/blobs/uploads/`, { method: "POST" });
  await begun.body?.cancel();
  const location = begun.headers.get("location");
  if (begun.status !== 202 || location === null) {
    throw new Error(`Cannot begin an upload to "${base}": status ${begun.status}`);
  }
  const url = new URL(location, base);
  url.searchParams.set("digest", digest);
  const ended = await fetch(url, {
    method: "PUT",
    headers: { "content-type": "application/octet-stream" },
    body: content,
  });
  if (ended.status !== 201) {
    throw new Error(`Cannot push blob "${digest}": ${ended.status} ${await ended.text()}`);
  }
  await ended.body?.cancel();
}

/** Writes a manifest under a tag or its digest; answers the response. */
export async function putManifest(
  base: string,
  reference: string,
  mediaType: string,
  content: Uint8Array,
): Promise<Response> {
  const response = await fetch(`${base}/manifests/${reference}`, {
    method: "PUT",
    headers: { "content-type": mediaType },
    body: content,
  });
  const text = await response.text();
  if (response.status !== 201) {
    throw new Error(`Cannot push manifest "${reference}": ${response.status} ${text}`);
  }
  return response;
}

/** Pushes a small image whose layer holds `text`; answers its digest. */
export async function pushImage(
  host: string,
  repository: string,
  tag: string,
  text: string,
): Promise<string> {
  const base = `http://${host}/v2/${repository}`;
  const layer = new TextEncoder().encode(text);
  const config = new TextEncoder().encode(
    JSON.stringify({
      architecture: "amd64",
      os: "linux",
      config: {},
      rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
    }),
  );
  await Promise.all([layer, config].map((blob) => putBlob(base, digestOf(blob), blob)));
  const manifest = new TextEncoder().encode(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: {
        mediaType: "application/vnd.oci.image.config.v1+json",
        digest: digestOf(config),
        size: config.length,
      },
      layers: [
        {
          mediaType: "application/vnd.oci.image.layer.v1.tar",
          digest: digestOf(layer),
          size: layer.length,
        },
      ],
    }),
  );
  await putManifest(base, tag, "application/vnd.oci.image.manifest.v1+json", manifest);
  return digestOf(manifest);
}

/** `sha256:` and the hash of `content` in hex. */
export function digestOf(content: Uint8Array): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

function describe(entry: IndexEntry, manifest: Manifest): IndexEntry {
  const artifactType = manifest.artifactType ?? manifest.config?.mediaType;
  return {
    mediaType: entry.mediaType,
    digest: entry.digest,
    size: entry.size,
    ...(artifactType !== undefined && { artifactType }),
    ...(manifest.annotations && { annotations: manifest.annotations }),
  };
}

function childrenFirst(prefix: string, entries: readonly IndexEntry[]): readonly IndexEntry[] {
  const depth = (entry: IndexEntry): number => {
    const manifest: Manifest = JSON.parse(readVectorText(blobPath(prefix, entry.digest)));
    return 1 + Math.max(-1, ...(manifest.manifests ?? []).map(depth));
  };
  return entries
    .map((entry) => ({ entry, depth: depth(entry) }))
    .sort((left, right) => left.depth - right.depth)
    .map(({ entry }) => entry);
}

function blobPath(prefix: string, digest: string): string {
  return `${prefix}blobs/${digest.replace(":", "/")}`;
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const lanes = Array.from({ length: CONCURRENCY }, async () => {
    for (let item = queue.pop(); item !== undefined; item = queue.pop()) await work(item);
  });
  await Promise.all(lanes);
}
