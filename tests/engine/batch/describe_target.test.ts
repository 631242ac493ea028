import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { JobContext } from "../../../engine/batch/job_context.ts";
import { runJob } from "../../../engine/batch/run_job.ts";
import { Budgets, createBudgetMemory } from "../../../engine/io/budget.ts";
import { LocalShared } from "../../../engine/io/shared.ts";
import { makeKeyRing } from "../../../engine/keys/key_ring.ts";
import type { VerifyJob } from "../../../engine/model/job.ts";
import type { Verdict } from "../../../engine/model/verdict.ts";
import { openRegistry } from "../../../engine/registry/client.ts";
import { plugin as wasm } from "../../../plugins/artifacts-wasm/mod.ts";
import { startEmbeddedRegistry } from "../../support/embedded_registry.ts";
import { keyHost } from "../../support/key_host.ts";
import type { TestRegistry } from "../../support/registries.ts";
import { digestOf, pushImage, putBlob, putManifest } from "../../support/uploads.ts";

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";
const IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json";
const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
let registry: TestRegistry;

beforeAll(async () => {
  registry = await startEmbeddedRegistry();
});
afterAll(() => registry.close());

interface Part {
  readonly mediaType: string;
  readonly content: Uint8Array;
}

/** Pushes a manifest of a config and layers; answers its digest. */
async function push(name: string, config: Part, layers: readonly Part[], more: object = {}) {
  const base = `http://${registry.host}/v2/${name}`;
  const described = await Promise.all(
    [config, ...layers].map(async ({ mediaType, content }) => {
      await putBlob(base, digestOf(content), content);
      return { mediaType, digest: digestOf(content), size: content.length };
    }),
  );
  const [first, ...rest] = described;
  const manifest = text({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: first,
    layers: rest,
    ...more,
  });
  await putManifest(base, "1", MANIFEST, manifest);
  return { mediaType: MANIFEST, digest: digestOf(manifest), size: manifest.length };
}

async function run(name: string, more: Partial<VerifyJob>, kind?: string): Promise<Verdict> {
  const shared = new LocalShared();
  const budgets = new Budgets(createBudgetMemory(), 1);
  const context: JobContext = {
    registry: openRegistry(
      { allowHttp: true, allowInsecure: false, userAgent: "tests" },
      { shared, budgets, env: {} },
    ),
    keys: makeKeyRing([], keyHost()),
    conventions: { tagPrefix: "", dockerMediaTypes: false, maxAttachmentBytes: 1_000_000 },
    artifactHandlers: async () => Object.values(wasm.artifacts ?? {}),
    shared,
    signal: new AbortController().signal,
    now: () => new Date(),
    idle: () => Promise.resolve(),
    found: new Map(),
  };
  const reference = `${registry.host}/${name}:1`;
  const job: VerifyJob = {
    id: "1",
    op: "verify",
    target: { type: "reference", reference, ...(kind === undefined ? {} : { kind }) },
    keys: [],
    recursivePolicy: "all",
    checkClaims: true,
    recursive: false,
    skipUnknownPlatform: false,
    annotations: {},
    timeoutMs: 30_000,
    ...more,
  };
  return await runJob(job, context);
}

async function described(name: string): Promise<unknown> {
  return (await run(name, { describe: true })).subjects[0]?.artifact;
}

describe("describeTarget()", () => {
  test("tells images, indexes and what `upload blob` writes", async () => {
    await pushImage(registry.host, "kinds/image", "1", "an image");
    expect(await described("kinds/image")).toEqual({
      kind: "image",
      facts: { platform: "linux/amd64" },
    });
    const file = { mediaType: "text/plain", content: new TextEncoder().encode("hello") };
    const config = { mediaType: IMAGE_CONFIG, content: text({ os: "", architecture: "" }) };
    const blob = await push("kinds/blob", config, [file]);
    expect(await described("kinds/blob")).toEqual({
      kind: "blob",
      facts: { contentType: "text/plain", sizeBytes: "5", content: digestOf(file.content) },
    });
    const manifests = [
      { ...blob, platform: { os: "linux", architecture: "arm64", variant: "v8" } },
      { ...blob, platform: { os: "linux", architecture: "amd64" } },
    ];
    const index = text({ schemaVersion: 2, mediaType: INDEX, manifests });
    await putManifest(`http://${registry.host}/v2/kinds/blob`, "2", INDEX, index);
    const target = { type: "reference", reference: `${registry.host}/kinds/blob:2` } as const;
    expect((await run("", { describe: true, target })).subjects[0]?.artifact).toEqual({
      kind: "index",
      facts: { manifests: "2", platforms: ["linux/arm64/v8", "linux/amd64"] },
    });
  });

  test("tells layouts and links of in-toto, and any other artifact by its type", async () => {
    const config = { mediaType: "application/vnd.oci.empty.v1+json", content: text({}) };
    const layout = {
      signatures: [],
      signed: {
        _type: "layout",
        expires: "2030-01-01T00:00:00Z",
        steps: [{ name: "build" }, { name: "test" }],
        inspect: [],
      },
    };
    const mediaType = "application/vnd.in-toto+json";
    await push("kinds/layout", config, [{ mediaType, content: text(layout) }]);
    expect(await described("kinds/layout")).toEqual({
      kind: "in-toto",
      facts: { type: "layout", steps: ["build", "test"], expires: "2030-01-01T00:00:00Z" },
    });
    const link = { _type: "link", name: "build", materials: {}, products: {} };
    const envelope = { payloadType: mediaType, payload: text(link).toBase64(), signatures: [] };
    await push("kinds/link", config, [{ mediaType, content: text(envelope) }]);
    expect(await described("kinds/link")).toEqual({
      kind: "in-toto",
      facts: { type: "link", step: "build" },
    });
    await push("kinds/other", config, [{ mediaType: "a/b", content: text("x") }], {
      artifactType: "application/vnd.acme.thing",
    });
    expect(await described("kinds/other")).toEqual({
      kind: "artifact",
      facts: { type: "application/vnd.acme.thing", layers: ["a/b"] },
    });
  });

  test("asks plugins before the engine, and looks at nothing where nobody asks", async () => {
    const config = {
      mediaType: "application/vnd.wasm.config.v0+json",
      content: text({ os: "wasip2" }),
    };
    const module = { mediaType: "application/wasm", content: Uint8Array.of(0, 97, 115, 109) };
    await push("kinds/wasm", config, [module]);
    expect(await described("kinds/wasm")).toEqual({
      kind: "wasm",
      facts: { form: "cncf", sizeBytes: "4", os: "wasip2" },
    });
    expect((await run("kinds/wasm", {})).subjects[0]?.artifact).toBeUndefined();
  });

  test("refuses a target of another kind, or with other facts, and says what it is", async () => {
    await pushImage(registry.host, "kinds/demanded", "1", "demanded");
    const verdicts = [
      await run("kinds/demanded", {}, "wasm"),
      await run("kinds/demanded", { artifact: { kinds: ["helm", "wasm"] } }),
      await run("kinds/demanded", { artifact: { facts: { platform: "windows/*" } } }),
      await run("kinds/demanded", { artifact: { facts: { version: "*" } } }),
    ];
    expect(verdicts.map((verdict) => verdict.outcome)).toEqual(Array(4).fill("failed"));
    expect(
      verdicts.map((verdict) => (verdict.outcome === "passed" ? "" : verdict.reason.message)),
    ).toEqual([
      expect.stringContaining('it is of the kind "image", expected "wasm"'),
      expect.stringContaining('it is of the kind "image", expected helm or wasm'),
      expect.stringContaining('its platform is "linux/amd64", expected "windows/*"'),
      expect.stringContaining('its version is not known, expected "*"'),
    ]);
    const fitting = await run("kinds/demanded", { artifact: { facts: { platform: "linux/*" } } });
    expect(fitting).toMatchObject({ outcome: "failed", reason: { code: "NO_SIGNATURES" } });
  });

  test("takes what its media types promise for nothing", async () => {
    const config = { mediaType: IMAGE_CONFIG, content: new TextEncoder().encode("[]") };
    await push("kinds/broken", config, []);
    expect(await run("kinds/broken", {}, "image")).toMatchObject({
      outcome: "failed",
      reason: { code: "ARTIFACT_MISMATCH" },
    });
    expect(await run("kinds/absent", {}, "image")).toMatchObject({
      outcome: "failed",
      reason: { code: "IMAGE_NOT_FOUND" },
    });
  });
});
