import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedRegistry } from "../../support/embedded_registry.ts";
import { pushLayeredImage, pushReferrer } from "../../support/layered_image.ts";
import type { TestRegistry } from "../../support/registries.ts";
import { startTap } from "../../support/tap.ts";
import { digestOf, putBlob, putManifest } from "../../support/uploads.ts";
import { cli } from "../cli/_cli.ts";

setDefaultTimeout(30_000); // a machine that is busy
const IMAGE = "application/vnd.oci.image.manifest.v1+json";
const dir = mkdtempSync(join(tmpdir(), "artifact-limits-"));
const bytes = (text: string) => new TextEncoder().encode(text);
let registry: TestRegistry;

beforeAll(async () => {
  registry = await startEmbeddedRegistry();
});

afterAll(async () => {
  await registry.close();
  rmSync(dir, { recursive: true });
});

const at = (reference: string) => `${registry.host}/${reference}`;

/** A manifest of `count` times the same layer, put to a tag. */
async function pushLayers(repository: string, tag: string, count: number, layer: object) {
  const base = `http://${registry.host}/v2/${repository}`;
  const blob = bytes("{}");
  await putBlob(base, digestOf(blob), blob);
  const described = { digest: digestOf(blob), size: blob.length };
  const manifest = {
    schemaVersion: 2,
    mediaType: IMAGE,
    config: { mediaType: "application/vnd.oci.image.config.v1+json", ...described },
    layers: Array.from({ length: count }, () => ({ ...layer, ...described })),
  };
  await putManifest(base, tag, IMAGE, bytes(JSON.stringify(manifest)));
}

async function pushImage(repository: string) {
  const image = await pushLayeredImage(registry.host, repository, "1", [bytes(repository)]);
  return {
    ...image,
    pinned: at(`${repository}@${image.digest}`),
    hex: image.digest.replace(":", "-"),
  };
}

test("download reads at most 100 signatures and attestations, as cosign", async () => {
  const { pinned, hex } = await pushImage("limit/hundred");
  const signature = {
    mediaType: "application/vnd.dev.cosign.simplesigning.v1+json",
    annotations: { "dev.cosignproject.cosign/signature": "x" },
  };
  const envelope = { mediaType: "application/vnd.dsse.envelope.v1+json" };
  for (const [kind, tag, layer] of [
    ["signature", "sig", signature],
    ["attestation", "att", envelope],
  ] as const) {
    await pushLayers("limit/hundred", `${hex}.${tag}`, 101, layer);
    const { code, stdout, stderr } = await cli(["download", kind, pinned]);
    expect([code, stdout]).toEqual([20, ""]);
    expect(stderr).toContain(`maximum number of ${kind}s on an image is 100, found 101`);
  }
  await pushLayers("limit/hundred", `${hex}.sig`, 100, signature);
  const { stdout } = await cli(["download", "signature", pinned]);
  expect(stdout.trimEnd().split("\n")).toHaveLength(100);
});

test("what has more than 1000 layers is refused, not worked on", async () => {
  await pushLayers("limit/layers", "many", 1001, { mediaType: "x/y" });
  for (const argv of [
    ["copy", at("limit/layers:many"), at("limit/copied:1")],
    ["save", "--dir", join(dir, "many"), at("limit/layers:many")],
  ]) {
    const { code, stderr } = await cli(argv);
    expect(code).toBe(20);
    expect(stderr).toContain("1001 layers, at most 1000 are read");
  }
  await pushLayers("limit/layers", "thousand", 1000, { mediaType: "x/y" });
  const most = await cli(["copy", at("limit/layers:thousand"), at("limit/copied:1")]);
  expect(most.code).toBe(0);
});

test("pipes are refused where a file is read twice, and in layouts, without waiting", async () => {
  const pipe = join(dir, "pipe");
  expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
  const uploaded = await cli(["upload", "blob", "-f", pipe, at("limit/pipe:1")]);
  expect([uploaded.code, uploaded.stderr.includes("is no regular file")]).toEqual([1, true]);
  const image = await pushImage("limit/fifo");
  const saved = join(dir, "saved");
  expect((await cli(["save", "--dir", saved, image.pinned])).code).toBe(0);
  for (const digest of [image.layers[0] ?? "", image.digest]) {
    const blob = join(saved, "blobs", digest.replace(":", "/"));
    rmSync(blob);
    expect(Bun.spawnSync(["mkfifo", blob]).exitCode).toBe(0);
    const loaded = await cli(["load", "--dir", saved, at("limit/loaded:1")]);
    expect([loaded.code, loaded.stderr.includes("code: LAYOUT_INVALID\n")]).toEqual([1, true]);
  }
});

test("a layer that is longer than it says is not saved, and nothing is left of it", async () => {
  const image = await pushImage("limit/long");
  const tap = startTap(registry.host);
  try {
    tap.onRequest(({ path, forward }) =>
      path.includes(`/blobs/${image.layers[0]}`)
        ? Promise.resolve(new Response(new Uint8Array(1_000_000)))
        : forward(),
    );
    const saved = join(dir, "long");
    const { code, stderr } = await cli(["save", "--dir", saved, `${tap.host}/limit/long:1`]);
    expect([code, stderr.includes("code: DIGEST_MISMATCH\n")]).toEqual([20, true]);
    expect(existsSync(join(saved, "index.json"))).toBe(false);
    const blobs = readdirSync(join(saved, "blobs", "sha256"));
    expect(blobs.filter((name) => !/^[0-9a-f]{64}$/.test(name))).toEqual([]);
    expect(blobs).not.toContain(image.layers[0]?.slice(7));
  } finally {
    tap.close();
  }
});

test("referrers are copied in requests that grow with them, no faster", async () => {
  const counts: number[] = [];
  for (const count of [20, 40]) {
    const repository = `limit/referrers-${count}`;
    const image = await pushImage(repository);
    for (let n = 0; n < count; n += 1) {
      await pushReferrer(registry.host, repository, image, `application/x-${n}`);
    }
    const tap = startTap(registry.host);
    tap.onRequest(({ forward }) => forward());
    const copied = await cli([
      "copy",
      `${tap.host}/${repository}:1`,
      `${tap.host}/${repository}-b:1`,
    ]);
    expect(copied.code).toBe(0);
    counts.push(tap.count);
    tap.close();
  }
  const [few = 0, many = 0] = counts;
  expect(many).toBeLessThan(2 * few);
});
