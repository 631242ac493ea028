import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { digestOf } from "../../../engine/crypto/hash.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import type { Descriptor } from "../../../engine/model/descriptor.ts";
import type { Digest } from "../../../engine/model/digest.ts";
import type { Registry } from "../../../engine/registry/session.ts";
import type { Store } from "../../../engine/registry/store.ts";
import { onBothRegistries, type TestRegistry } from "../../support/registries.ts";
import { idle, openForTest } from "./_open.ts";

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";
const CONFIG = utf8("{}");

onBothRegistries((_name, start) => {
  let server: TestRegistry;
  let registry: Registry;
  beforeAll(async () => {
    server = await start();
    registry = openForTest();
  });
  afterAll(() => server.close());

  const storeOf = (repository: string): Store =>
    registry.repository({ registry: server.host, repository });

  test("manifest() and head() answer undefined for what is not there", async () => {
    const store = storeOf("no/such");
    expect(await store.manifest("latest")).toBeUndefined();
    expect(await store.head("latest")).toBeUndefined();
    expect(await store.manifest(digestOf(utf8("nothing")))).toBeUndefined();
    expect(await store.referrers(digestOf(utf8("nothing")))).toEqual([]);
  });

  test("what pushBlob() and pushManifest() write is read back to the byte", async () => {
    const store = storeOf("round/trip");
    const image = await pushImage(store, "v1", "layer");
    expect(await store.head("v1")).toEqual(image.descriptor);
    expect(await store.head(image.descriptor.digest)).toEqual(image.descriptor);
    const stored = await store.manifest("v1");
    expect(stored?.descriptor).toEqual(image.descriptor);
    expect(stored?.bytes).toEqual(image.bytes);
    expect(await store.blob(image.layer, 100)).toEqual(utf8("layer"));
  });

  test("a large blob is written and read whole, and not sent twice", async () => {
    const store = storeOf("large/blob");
    const content = new Uint8Array(3_000_000).map((_, index) => (index * 31) & 255);
    const digest = digestOf(content);
    await store.pushBlob(content, digest);
    const meter = { requests: 0 };
    const again = registry.repository({ registry: server.host, repository: "large/blob" }, meter);
    await again.pushBlob(content, digest);
    expect(meter.requests).toBe(0);
    const other = openForTest();
    const elsewhere = other.repository({ registry: server.host, repository: "large/blob" }, meter);
    await elsewhere.manifest("settles-the-scheme");
    meter.requests = 0;
    await elsewhere.pushBlob(content, digest);
    expect(meter.requests).toBe(1); // the question whether it is there
    const descriptor = { mediaType: "x/y", digest, sizeBytes: content.length };
    expect(await elsewhere.blob(descriptor, content.length)).toEqual(content);
  });

  test("pushBlob() sends a blob once when many want it there at the same time", async () => {
    await storeOf("same/blob").manifest("settles-the-scheme");
    const content = utf8("wanted by many");
    const digest = digestOf(content);
    const first = { requests: 0 };
    const others = { requests: 0 };
    const push = (meter: { requests: number }): Promise<void> =>
      registry
        .repository({ registry: server.host, repository: "same/blob" }, meter)
        .pushBlob(content, digest);
    await Promise.all([push(first), ...Array.from({ length: 9 }, () => push(others))]);
    expect(first.requests).toBeGreaterThan(0);
    expect(others.requests).toBe(0);
  });

  test("pushBlob() goes on when whoever sends the same blob is interrupted", async () => {
    const content = utf8("interrupted by one");
    const digest = digestOf(content);
    const store = storeOf("same/interrupted");
    await store.manifest("settles-the-scheme");
    const interrupted = new AbortController();
    const [leader, follower] = [
      store.pushBlob(content, digest, interrupted.signal),
      store.pushBlob(content, digest),
    ];
    interrupted.abort();
    await expect(leader).rejects.toThrow();
    await follower;
    expect(await store.blob({ mediaType: "x/y", digest, sizeBytes: content.length }, 100)).toEqual(
      content,
    );
  });

  test("pushBlob() mounts what another repository of the registry is known to have", async () => {
    const content = utf8("mounted");
    const digest = digestOf(content);
    await storeOf("mount/from").pushBlob(content, digest);
    const meter = { requests: 0 };
    const target = registry.repository({ registry: server.host, repository: "mount/to" }, meter);
    await target.pushBlob(content, digest);
    expect(meter.requests).toBe(1);
    const descriptor = { mediaType: "x/y", digest, sizeBytes: content.length };
    expect(await target.blob(descriptor, 100)).toEqual(content);
  });

  test("blob() refuses by size before it asks, and says what is not there", async () => {
    const store = storeOf("round/limits");
    const absent = { mediaType: "x/y", digest: digestOf(utf8("absent")), sizeBytes: 6 };
    await expect(store.blob(absent, 5)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    await expect(store.blob(absent, 6)).rejects.toMatchObject({ code: "REGISTRY_PROTOCOL" });
  });

  test("blob() refuses a size that is not the descriptor's", async () => {
    const store = storeOf("round/sizes");
    const { layer } = await pushImage(store, "v1", "twelve bytes");
    for (const sizeBytes of [11, 13]) {
      await expect(store.blob({ ...layer, sizeBytes }, 100)).rejects.toMatchObject({
        code: "DIGEST_MISMATCH",
      });
    }
  });

  test("blob() takes inlined data only when it hashes to the digest", async () => {
    const store = storeOf("round/data");
    const data = utf8("inlined");
    const good: Descriptor = { mediaType: "x/y", digest: digestOf(data), sizeBytes: 7, data };
    expect(await store.blob(good, 100)).toEqual(data);
    const bad: Descriptor = { ...good, data: utf8("INLINED") };
    await expect(store.blob(bad, 100)).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
  });

  test("referrers() lists what announceReferrer() made known", async () => {
    const store = storeOf("with/referrers");
    const subject = await pushImage(store, "v1", "subject");
    expect(await store.referrers(subject.descriptor.digest)).toEqual([]);
    const digests: Digest[] = [];
    for (const name of ["one", "two"]) {
      const referrer = await pushImage(store, undefined, name, subject.descriptor);
      await store.announceReferrer(subject.descriptor.digest, referrer.descriptor, { idle });
      digests.push(referrer.descriptor.digest);
    }
    const listed = await store.referrers(subject.descriptor.digest);
    expect(listed.map(({ digest }) => digest).sort()).toEqual(digests.sort());
    for (const { mediaType, sizeBytes } of listed) {
      expect(mediaType).toBe(MANIFEST);
      expect(sizeBytes).toBeGreaterThan(100);
    }
    const tags = await Array.fromAsync(
      registry.tags({ registry: server.host, repository: "with/referrers" }),
    );
    const fallback = `sha256-${subject.descriptor.digest.slice(7)}`;
    expect(tags.includes(fallback)).toBe(!server.hasReferrersApi);
  });

  test("tags() lists every tag, and says when there is no such repository", async () => {
    const store = storeOf("with/tags");
    const { bytes } = await pushImage(store, "a", "x");
    const tags = Array.from({ length: 30 }, (_, index) => `v${index}`);
    for (const tag of tags) await store.pushManifest(bytes, MANIFEST, tag);
    const listed = await Array.fromAsync(
      registry.tags({ registry: server.host, repository: "with/tags" }),
    );
    expect(listed.sort()).toEqual(["a", ...tags].sort());
    const absent = registry.tags({ registry: server.host, repository: "with/no-tags" });
    await expect(Array.fromAsync(absent)).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
  });

  test("catalog() lists the repositories", async () => {
    await pushImage(storeOf("team/app"), "v1", "x");
    const listed = await Array.fromAsync(registry.catalog(server.host));
    expect(listed).toContain("team/app");
  });

  test("remove() deletes a manifest, and does not mind when it is gone", async () => {
    const store = storeOf("to/delete");
    const { descriptor } = await pushImage(store, "v1", "x");
    await store.remove(descriptor.digest);
    expect(await store.head(descriptor.digest)).toBeUndefined();
    await store.remove(descriptor.digest);
  });

  test("a tag that points to an index is told by its media type", async () => {
    const store = storeOf("an/index");
    const { descriptor } = await pushImage(store, "v1", "x");
    const index = utf8(
      JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [json(descriptor)] }),
    );
    await store.pushManifest(index, INDEX, "all");
    expect((await store.manifest("all"))?.descriptor.mediaType).toBe(INDEX);
  });

  test("the first question of a run costs one request more, later ones none", async () => {
    await pushImage(storeOf("counted/requests"), "v1", "x");
    const meter = { requests: 0 };
    const fresh = openForTest();
    const store = fresh.repository(
      { registry: server.host, repository: "counted/requests" },
      meter,
    );
    await store.manifest("v1");
    expect(meter.requests).toBe(2); // https, which nobody speaks there, then http
    await store.manifest("v1");
    expect(meter.requests).toBe(3);
  });

  test("many first questions at once settle the scheme once", async () => {
    await pushImage(storeOf("many/at-once"), "v1", "x");
    const meter = { requests: 0 };
    const fresh = openForTest();
    const store = fresh.repository({ registry: server.host, repository: "many/at-once" }, meter);
    await Promise.all(Array.from({ length: 20 }, () => store.manifest("v1")));
    expect(meter.requests).toBe(21);
  });
});

describe("conditional writes on the embedded registry", () => {
  test("pushManifest() says REGISTRY_CONFLICT when the precondition does not hold", async () => {
    const { startEmbeddedRegistry } = await import("../../support/embedded_registry.ts");
    const server = await startEmbeddedRegistry();
    try {
      const store = openForTest().repository({ registry: server.host, repository: "a/b" });
      const { bytes } = await pushImage(store, "v1", "x");
      const conflict = { code: "REGISTRY_CONFLICT" };
      await expect(
        store.pushManifest(bytes, MANIFEST, "v1", { ifNoneMatch: true }),
      ).rejects.toMatchObject(conflict);
      await expect(
        store.pushManifest(bytes, MANIFEST, "v1", { ifMatch: '"other"' }),
      ).rejects.toMatchObject(conflict);
      const etag = (await store.manifest("v1"))?.etag ?? "";
      expect(await store.pushManifest(bytes, MANIFEST, "v1", { ifMatch: etag })).toBe(etag);
    } finally {
      await server.close();
    }
  });
});

interface PushedImage {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly layer: Descriptor;
}

async function pushImage(
  store: Store,
  tag: string | undefined,
  content: string,
  subject?: Descriptor,
): Promise<PushedImage> {
  const layerBytes = utf8(content);
  const layer: Descriptor = {
    mediaType: "text/plain",
    digest: digestOf(layerBytes),
    sizeBytes: layerBytes.length,
  };
  const config: Descriptor = {
    mediaType: "application/vnd.oci.empty.v1+json",
    digest: digestOf(CONFIG),
    sizeBytes: CONFIG.length,
  };
  await store.pushBlob(CONFIG, config.digest);
  await store.pushBlob(layerBytes, layer.digest);
  const bytes = utf8(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: json(config),
      layers: [json(layer)],
      ...(subject === undefined ? {} : { subject: json(subject) }),
    }),
  );
  const digest = digestOf(bytes);
  await store.pushManifest(bytes, MANIFEST, tag ?? digest);
  return { descriptor: { mediaType: MANIFEST, digest, sizeBytes: bytes.length }, bytes, layer };
}

function json({ mediaType, digest, sizeBytes }: Descriptor) {
  return { mediaType, digest, size: sizeBytes };
}
