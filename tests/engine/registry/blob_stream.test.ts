import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOf } from "../../../engine/crypto/hash.ts";
import { concatBytes, utf8 } from "../../../engine/model/bytes.ts";
import type { Descriptor } from "../../../engine/model/descriptor.ts";
import { openLayout } from "../../../engine/registry/layout.ts";
import type { BlobSource, Store } from "../../../engine/registry/store.ts";
import { onBothRegistries, type TestRegistry } from "../../support/registries.ts";
import { startTap, type Tap } from "../../support/tap.ts";
import { openForTest } from "./_open.ts";

setDefaultTimeout(60_000); // registries start slowly on a busy machine

const CONTENT = utf8("some content ".repeat(50_000));
const BLOB: Descriptor = {
  mediaType: "application/octet-stream",
  digest: digestOf(CONTENT),
  sizeBytes: CONTENT.length,
};

/** A source that counts how often it is read. */
function sourceOf(content: Uint8Array): BlobSource & { readonly reads: () => number } {
  let reads = 0;
  return {
    read: async function* () {
      reads += 1;
      for (let at = 0; at < content.length; at += 65_536) yield content.subarray(at, at + 65_536);
    },
    reads: () => reads,
  };
}

async function contentOf(store: Store, descriptor = BLOB): Promise<Uint8Array> {
  return concatBytes(...(await Array.fromAsync(store.streamBlob(descriptor))));
}

onBothRegistries((_name, start) => {
  let registry: TestRegistry;
  let tap: Tap;

  beforeAll(async () => {
    registry = await start();
    tap = startTap(registry.host);
  });

  afterAll(async () => {
    tap.close();
    await registry.close();
  });

  const open = (repository: string, host = tap.host): Store =>
    openForTest().repository({ registry: host, repository });

  test("pushBlobFrom() sends a blob once, streamBlob() reads it back", async () => {
    tap.onRequest(({ forward }) => forward());
    const source = sourceOf(CONTENT);
    expect(await open("stream/a").pushBlobFrom(BLOB, source)).toBe("sent");
    expect(await contentOf(open("stream/a"))).toEqual(CONTENT);
    expect(await open("stream/a").pushBlobFrom(BLOB, source)).toBe("present");
    expect(source.reads()).toBe(1);
  });

  test("pushBlobFrom() mounts, and sends where the registry does not mount", async () => {
    const source = {
      ...sourceOf(CONTENT),
      repository: { registry: tap.host, repository: "mount/a" },
    };
    tap.onRequest(({ forward }) => forward());
    await open("mount/a").pushBlobFrom(BLOB, sourceOf(CONTENT));
    expect(await open("mount/b").pushBlobFrom(BLOB, source)).toBe("mounted");
    expect(source.reads()).toBe(0);
    const absent = { ...source, repository: { registry: tap.host, repository: "mount/absent" } };
    expect(await open("mount/c").pushBlobFrom(BLOB, absent)).toBe("sent");
    expect(await contentOf(open("mount/c"))).toEqual(CONTENT);
    expect(
      await open("mount/d").pushBlobFrom(BLOB, {
        ...source,
        repository: { registry: "other", repository: "mount/a" },
      }),
    ).toBe("sent");
  });

  test("pushBlobFrom() begins anew when the upload breaks, from the source's beginning", async () => {
    let broken = 0;
    tap.onRequest(({ method, path, forward }) => {
      if (method !== "PUT" || !path.includes("/blobs/uploads/") || broken++ > 0) return forward();
      return Promise.resolve(new Response("later", { status: 503 }));
    });
    const source = sourceOf(CONTENT);
    expect(await open("broken/a").pushBlobFrom(BLOB, source)).toBe("sent");
    expect([broken, source.reads()]).toEqual([2, 2]);
  });

  test("pushBlobFrom() sends in chunks where a gateway takes no more at once", async () => {
    const sent: number[] = [];
    const content = concatBytes(...Array.from({ length: 30 }, () => CONTENT)); // 19.5 MB
    const blob = { ...BLOB, digest: digestOf(content), sizeBytes: content.length };
    tap.onRequest(({ method, path, forward }) => {
      if (method === "PATCH") sent.push(1);
      const whole = method === "PUT" && path.includes("/blobs/uploads/") && sent.length === 0;
      return whole ? Promise.resolve(new Response("too large", { status: 413 })) : forward();
    });
    expect(await open("chunks/a").pushBlobFrom(blob, sourceOf(content))).toBe("sent");
    expect(sent).toHaveLength(3);
    expect((await contentOf(open("chunks/a"), blob)).length).toBe(content.length);
  });

  test("pushBlobFrom() leaves nothing of a source that has not its digest, or not its length", async () => {
    tap.onRequest(({ forward }) => forward());
    const other = CONTENT.slice();
    other[100] = 0;
    for (const content of [other, CONTENT.subarray(1), concatBytes(CONTENT, CONTENT)]) {
      const push = open("wrong/a").pushBlobFrom(BLOB, sourceOf(content));
      expect(await push.catch((error: unknown) => error)).toMatchObject({
        code: "DIGEST_MISMATCH",
      });
    }
    const there = await fetch(`http://${registry.host}/v2/wrong/a/blobs/${BLOB.digest}`);
    expect(there.status).toBe(404);
  });

  test("streamBlob() tells what was cut short, too long, other or not there", async () => {
    tap.onRequest(({ forward }) => forward());
    await open("read/a").pushBlobFrom(BLOB, sourceOf(CONTENT));
    const other = CONTENT.slice();
    other[0] = 0;
    for (const body of [CONTENT.slice(0, 10), concatBytes(CONTENT, CONTENT), other]) {
      tap.onRequest(() => Promise.resolve(new Response(body)));
      const reading = contentOf(open("read/a"));
      expect(await reading.catch((error: unknown) => error)).toMatchObject({
        code: "DIGEST_MISMATCH",
      });
    }
    tap.onRequest(() => Promise.resolve(new Response("gone", { status: 404 })));
    const missing = contentOf(open("read/a"));
    expect(await missing.catch((error: unknown) => error)).toMatchObject({
      code: "REGISTRY_PROTOCOL",
    });
  });
});

test("a layout takes a blob that comes bit by bit whole or not at all", async () => {
  const dir = mkdtempSync(join(tmpdir(), "layout-stream-"));
  try {
    const layout = openLayout(dir);
    const folder = join(dir, "blobs", "sha256");
    const wrong = layout.pushBlobFrom(BLOB, sourceOf(CONTENT.slice(1)));
    expect(await wrong.catch((error: unknown) => error)).toMatchObject({ code: "DIGEST_MISMATCH" });
    expect(readdirSync(folder)).toEqual([]);
    expect(await layout.pushBlobFrom(BLOB, sourceOf(CONTENT))).toBe("sent");
    expect(await layout.pushBlobFrom(BLOB, sourceOf(CONTENT))).toBe("present");
    expect(await contentOf(layout)).toEqual(CONTENT);
    const file = join(folder, BLOB.digest.slice(7));
    writeFileSync(file, new Uint8Array(CONTENT.length));
    expect(await contentOf(layout).catch((error: unknown) => error)).toMatchObject({
      code: "DIGEST_MISMATCH",
    });
    expect(await layout.pushBlobFrom(BLOB, sourceOf(CONTENT))).toBe("sent");
    rmSync(file);
    expect(await contentOf(layout).catch((error: unknown) => error)).toMatchObject({
      code: "LAYOUT_INVALID",
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
});
