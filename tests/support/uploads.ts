import { createHash } from "node:crypto";

const IMAGE = "application/vnd.oci.image.manifest.v1+json";
/** Uploads at once: enough to keep a registry on the loopback busy. */
const CONCURRENCY = 8;

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

/** Pushes a small image, which differs from others by `text`; answers its digest. */
export async function pushImage(
  host: string,
  repository: string,
  tag: string,
  text: string,
): Promise<string> {
  const base = `http://${host}/v2/${repository}`;
  const config = new TextEncoder().encode(JSON.stringify({ architecture: "amd64", os: "linux" }));
  await putBlob(base, digestOf(config), config);
  const manifest = encodeImage(config, text);
  await putManifest(base, tag, IMAGE, manifest);
  return digestOf(manifest);
}

/** Pushes `count` images without tags; answers their references by digest, always the same ones. */
export async function pushImages(
  host: string,
  repository: string,
  count: number,
): Promise<readonly string[]> {
  const base = `http://${host}/v2/${repository}`;
  const config = new TextEncoder().encode("{}");
  await putBlob(base, digestOf(config), config);
  const manifests = Array.from({ length: count }, (_, n) => encodeImage(config, `image ${n}`));
  await inParallel(manifests, async (manifest) => {
    await putManifest(base, digestOf(manifest), IMAGE, manifest);
  });
  return manifests.map((manifest) => `${host}/${repository}@${digestOf(manifest)}`);
}

/** `sha256:` and the hash of `content` in hex. */
export function digestOf(content: Uint8Array): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

/** Works on all `items`, a few at a time. */
export async function inParallel<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const lanes = Array.from({ length: CONCURRENCY }, async () => {
    for (let item = queue.pop(); item !== undefined; item = queue.pop()) await work(item);
  });
  await Promise.all(lanes);
}

function encodeImage(config: Uint8Array, text: string): Uint8Array {
  return new TextEncoder().encode(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: IMAGE,
      config: {
        mediaType: "application/vnd.oci.image.config.v1+json",
        digest: digestOf(config),
        size: config.length,
      },
      layers: [],
      annotations: { text },
    }),
  );
}
