import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOf } from "../../../engine/crypto/hash.ts";
import { encodeSignatureConfig } from "../../../engine/formats/oci_manifest.ts";
import { digestHex, parseDigest } from "../../../engine/model/digest.ts";
import { openLayout, readLayoutRoot } from "../../../engine/registry/layout.ts";
import { unpackVectors } from "../../support/vectors.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cosign-ts-layout-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function saved(name: string): string {
  unpackVectors(`saved/${name}/`, folder);
  return folder;
}

const code = (expected: string) => expect.objectContaining({ code: expected });

describe("a directory that cosign saved", () => {
  test("readLayoutRoot() finds the image, not its signatures", async () => {
    const path = saved("save-legacy-v3-tags");
    const index = JSON.parse(readFileSync(join(path, "index.json"), "utf8"));
    const image = index.manifests.find(
      (entry: { annotations: { kind: string } }) =>
        entry.annotations.kind === "dev.cosignproject.cosign/image",
    );
    expect(String((await readLayoutRoot(path)).digest)).toBe(image.digest);
  });

  test("openLayout().manifest() gives the signatures for the image's tag and for no other", async () => {
    const path = saved("save-legacy-v1-tags");
    const { digest } = await readLayoutRoot(path);
    const store = openLayout(path);
    const stored = await store.manifest(`sha256-${digestHex(digest)}.sig`);
    expect(stored?.descriptor.mediaType).toBe("application/vnd.oci.image.manifest.v1+json");
    expect(await store.manifest(`sha256-${"0".repeat(64)}.sig`)).toBeUndefined();
    expect(await store.manifest(`sha256-${digestHex(digest)}.att`)).toBeUndefined();
  });

  test("openLayout().referrers() finds the bundles that no index names", async () => {
    const path = saved("save-bundle-v3-tags");
    const { digest } = await readLayoutRoot(path);
    const referrers = await openLayout(path).referrers(digest);
    expect(referrers.length).toBeGreaterThan(0);
    expect(referrers.every(({ artifactType }) => artifactType?.includes("bundle.v0.3"))).toBe(true);
    expect(await openLayout(path).referrers(parseDigest(`sha256:${"0".repeat(64)}`))).toEqual([]);
  });

  test("openLayout().pushManifest() replaces the signatures and keeps the image", async () => {
    const path = saved("save-legacy-v2-tags");
    const root = await readLayoutRoot(path);
    const store = openLayout(path);
    const tag = `sha256-${digestHex(root.digest)}.sig`;
    const before = await store.manifest(tag);
    if (before === undefined) throw new Error("no signatures");
    const content = new TextEncoder().encode(`${new TextDecoder().decode(before.bytes)} `);
    await store.pushManifest(content, before.descriptor.mediaType, tag);
    const after = await store.manifest(tag);
    expect(after?.descriptor.digest).toBe(digestOf(content));
    expect((await readLayoutRoot(path)).digest).toBe(root.digest);
    const index = JSON.parse(readFileSync(join(path, "index.json"), "utf8"));
    expect(index.manifests.length).toBe(2);
    const kinds = index.manifests.map((e: { annotations: { kind: string } }) => e.annotations.kind);
    expect(kinds.sort()).toEqual([
      "dev.cosignproject.cosign/image",
      "dev.cosignproject.cosign/sigs",
    ]);
  });
});

describe("a layout that is broken", () => {
  test("a blob that does not have its digest is DIGEST_MISMATCH", async () => {
    const path = saved("save-legacy-v3-tags");
    const { digest } = await readLayoutRoot(path);
    writeFileSync(join(path, "blobs", "sha256", digestHex(digest)), "{}");
    await expect(openLayout(path).manifest(digest)).rejects.toThrow(code("DIGEST_MISMATCH"));
  });

  test("no directory, no index.json, no JSON, no image are LAYOUT_INVALID", async () => {
    await expect(readLayoutRoot(join(folder, "nowhere"))).rejects.toThrow(code("LAYOUT_INVALID"));
    writeFileSync(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    await expect(readLayoutRoot(folder)).rejects.toThrow(code("LAYOUT_INVALID"));
    for (const text of [
      "{",
      "[]",
      "null",
      '{"manifests":{}}',
      '{"manifests":[]}',
      '{"manifests":[{"digest":"x"}]}',
    ]) {
      writeFileSync(join(folder, "index.json"), text);
      await expect(readLayoutRoot(folder)).rejects.toThrow(code("LAYOUT_INVALID"));
    }
  });

  test("two images are LAYOUT_INVALID: nobody guesses which is meant", async () => {
    writeFileSync(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    const entry = (letter: string) => ({
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      digest: `sha256:${letter.repeat(64)}`,
      size: 2,
    });
    writeFileSync(
      join(folder, "index.json"),
      JSON.stringify({ manifests: [entry("a"), entry("b")] }),
    );
    await expect(readLayoutRoot(folder)).rejects.toThrow(code("LAYOUT_INVALID"));
  });

  test("a directory in the place of a blob is an error, an absent blob is absent", async () => {
    const digest = digestOf(encodeSignatureConfig([]));
    mkdirSync(join(folder, "blobs", "sha256"), { recursive: true });
    expect(await openLayout(folder).manifest(digest)).toBeUndefined();
    mkdirSync(join(folder, "blobs", "sha256", digestHex(digest)));
    await expect(openLayout(folder).manifest(digest)).rejects.toThrow(code("LAYOUT_INVALID"));
  });

  test("a blob over the limit is LIMIT_EXCEEDED", async () => {
    const content = new Uint8Array(100);
    const digest = digestOf(content);
    const store = openLayout(folder);
    await store.pushBlob(content, digest);
    const descriptor = { mediaType: "x", digest, sizeBytes: 100 };
    expect((await store.blob(descriptor, 100)).length).toBe(100);
    await expect(store.blob(descriptor, 99)).rejects.toThrow(code("LIMIT_EXCEEDED"));
  });
});
