import pLimit from "p-limit";
import { digestOf } from "../crypto/hash.ts";
import { MEDIA } from "../formats/media_types.ts";
import { descriptorJson, encodeIndex } from "../formats/oci_manifest.ts";
import { utf8 } from "../model/bytes.ts";
import type { Descriptor } from "../model/descriptor.ts";
import type { Registry } from "../registry/session.ts";
import type { Store } from "../registry/store.ts";

const REPOSITORIES = 10;
const IMAGES_EACH = 10;
const INDEXES = 5;
const PUSHES_AT_ONCE = 16;

/** Puts a hundred small images and some multi-arch indexes into a registry: `demo/app-0:v0` to `demo/app-9:v9`, `demo/multi:v0` … */
export async function pushDemoImages(registry: Registry, host: string): Promise<void> {
  const limit = pLimit(PUSHES_AT_ONCE);
  const pushes: Promise<unknown>[] = [];
  for (let i = 0; i < REPOSITORIES * IMAGES_EACH; i++) {
    const store = demoStore(registry, host, `app-${Math.floor(i / IMAGES_EACH)}`);
    const tag = `v${i % IMAGES_EACH}`;
    pushes.push(limit(() => pushImage(store, `image ${i}`, { tag })));
  }
  for (let i = 0; i < INDEXES; i++) {
    const store = demoStore(registry, host, "multi");
    pushes.push(limit(() => pushIndex(store, `index ${i}`, `v${i}`)));
  }
  await Promise.all(pushes);
}

/** A repository of the demo. */
export function demoStore(registry: Registry, host: string, name: string): Store {
  return registry.repository({ registry: host, repository: `demo/${name}` });
}

/** Pushes an image of one layer, under a tag where there is one. */
export async function pushImage(
  store: Store,
  content: string,
  options: { readonly tag?: string; readonly architecture?: string } = {},
): Promise<Descriptor> {
  const { tag, architecture = "amd64" } = options;
  const config = utf8(
    JSON.stringify({ architecture, os: "linux", rootfs: { type: "layers", diff_ids: [] } }),
  );
  const layer = utf8(content);
  await Promise.all([
    store.pushBlob(config, digestOf(config)),
    store.pushBlob(layer, digestOf(layer)),
  ]);
  const manifest = utf8(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      config: blobJson(config, MEDIA.ociConfig),
      layers: [blobJson(layer, "application/vnd.oci.image.layer.v1.tar")],
    }),
  );
  const digest = digestOf(manifest);
  await store.pushManifest(manifest, MEDIA.ociManifest, tag ?? digest);
  const platform = { os: "linux", architecture };
  return { mediaType: MEDIA.ociManifest, digest, sizeBytes: manifest.length, platform };
}

/** What an attacker does who cannot sign: other content under the same tag, and the old signature moved to it. */
export async function tamper(store: Store, tag: string): Promise<void> {
  const before = await store.head(tag);
  if (before === undefined) throw new TypeError(`There is no demo image ${tag}`);
  const after = await pushImage(store, "something else", { tag });
  for (const { digest } of await store.referrers(before.digest)) {
    const referrer = await store.manifest(digest);
    if (referrer !== undefined) await pushMoved(store, referrer.bytes, after);
  }
}

async function pushMoved(store: Store, bytes: Uint8Array, subject: Descriptor): Promise<void> {
  const manifest: unknown = JSON.parse(new TextDecoder().decode(bytes));
  if (typeof manifest !== "object" || manifest === null) return;
  const { mediaType, digest, sizeBytes } = subject;
  const moved = utf8(
    JSON.stringify({ ...manifest, subject: { mediaType, digest, size: sizeBytes } }),
  );
  await store.pushManifest(moved, MEDIA.ociManifest, digestOf(moved));
}

async function pushIndex(store: Store, content: string, tag: string): Promise<void> {
  const children = await Promise.all(
    ["amd64", "arm64"].map((architecture) =>
      pushImage(store, `${content} for ${architecture}`, { architecture }),
    ),
  );
  await store.pushManifest(encodeIndex(children), MEDIA.ociIndex, tag);
}

function blobJson(bytes: Uint8Array, mediaType: string): unknown {
  return descriptorJson({ mediaType, digest: digestOf(bytes), sizeBytes: bytes.length });
}
