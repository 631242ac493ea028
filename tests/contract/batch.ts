import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expectCode, readVerdicts } from "../support/batch.ts";
import { type BinaryResult, buildBinary, runBinary } from "../support/binary.ts";
import { startEmbeddedRegistry } from "../support/embedded_registry.ts";
import { verifyByOpenssl } from "../support/openssl.ts";
import type { TestRegistry } from "../support/registries.ts";
import { pushImages } from "../support/uploads.ts";
import type { FixtureKey, KeyFixture, RunningBackend } from "./fixture.ts";

const IMAGES = 500;
const CHECKED_BY_OPENSSL = 20;
const LIMIT_MS = 400_000; // processes on a busy machine
const SIGNATURE = "dev.cosignproject.cosign/signature";

/**
 * Signs five hundred images by one key of a backend, with the compiled program: one public key and one signature
 * for each image are asked for, and no more, also by a second run.
 */
export function testBatchSign(fixture: KeyFixture): void {
  setDefaultTimeout(LIMIT_MS);
  const dir = mkdtempSync(join(tmpdir(), "contract-batch-"));
  let registry: TestRegistry;
  let backend: RunningBackend;
  let key: FixtureKey;
  let images: readonly string[];

  beforeAll(async () => {
    await buildBinary();
    registry = await startEmbeddedRegistry();
    backend = await fixture.start();
    const [first] = backend.keys;
    if (first === undefined) throw new Error("The fixture has no key");
    key = first;
    images = await pushImages(registry.host, "batch/hosted", IMAGES);
  });
  afterAll(async () => {
    await backend.close();
    await registry.close();
    rmSync(dir, { recursive: true });
  });

  const run = (...argv: readonly string[]): Promise<BinaryResult> =>
    runBinary([...argv, ...(backend.argv ?? [])], {
      cwd: dir,
      env: backend.env,
      timeoutMs: LIMIT_MS,
    });

  describe(`batch sign of ${IMAGES} images by ${fixture.name}`, () => {
    test("asks for one public key, and for one signature an image", async () => {
      const manifest = join(dir, "batch.json");
      writeFileSync(
        manifest,
        JSON.stringify({
          version: 1,
          defaults: { transparency: "none", key: key.uri, format: "legacy" },
          targets: images,
        }),
      );
      backend.takeCounts();
      const report = join(dir, "sign.jsonl");
      const ledger = ["--ledger", join(dir, "ledger")];
      expectCode(await run("batch", "sign", manifest, ...ledger, "--report", report), 0);
      expect(backend.takeCounts()).toMatchObject({ publicKey: 1, sign: IMAGES });
      expect(readVerdicts(report).filter(({ outcome }) => outcome === "passed")).toHaveLength(
        IMAGES,
      );
      // Nothing is left to do, and nobody is asked.
      expectCode(await run("batch", "sign", manifest, ...ledger, "--resume"), 0);
      expect(backend.takeCounts()).toMatchObject({ publicKey: 0, sign: 0 });
      // A new run finds the signatures before it asks for any.
      expectCode(await run("batch", "sign", manifest, "--skip-signed"), 0);
      expect(backend.takeCounts()).toMatchObject({ publicKey: 1, sign: 0 });
    });

    test("makes signatures that the public key verifies, by OpenSSL and by us", async () => {
      const publicPem = (await run("public-key", "--key", key.uri)).stdout;
      const pem = join(dir, "key.pub");
      writeFileSync(pem, publicPem);
      const list = join(dir, "verify.json");
      const policies = { release: { keys: [pem] } };
      const defaults = { transparency: "none", policy: "release" };
      writeFileSync(list, JSON.stringify({ version: 1, defaults, policies, targets: images }));
      expectCode(await run("batch", "verify", list), 0);
      for (const image of images.slice(0, CHECKED_BY_OPENSSL)) {
        const [, repository, digest] = /^[^/]+\/(.+)@sha256:(\w+)$/.exec(image) ?? [];
        const base = `http://${registry.host}/v2/${repository}`;
        const accept = { headers: { accept: "application/vnd.oci.image.manifest.v1+json" } };
        const answer = await fetch(`${base}/manifests/sha256-${digest}.sig`, accept);
        const { layers } = JSON.parse(await answer.text());
        expect(layers).toHaveLength(1);
        const payload = await fetch(`${base}/blobs/${layers[0].digest}`);
        verifyByOpenssl({
          publicPem,
          message: await payload.bytes(),
          signature: Uint8Array.fromBase64(layers[0].annotations[SIGNATURE]),
          digest: key.digest,
        });
      }
    });
  });
}
