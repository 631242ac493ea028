import { describe, expect, test } from "bun:test";
import {
  countTargets,
  jobKey,
  keysOfManifest,
  type PlanContext,
  type PlanItem,
  planLines,
  planManifest,
} from "../../../engine/batch/plan.ts";
import type { BatchManifest } from "../../../engine/batch/schema.ts";
import { checkManifest } from "../../../engine/batch/schema.ts";
import type { BatchFlags } from "../../../engine/batch/settings.ts";
import { CosignError } from "../../../engine/model/errors.ts";
import type { Registry } from "../../../engine/registry/session.ts";
import { fakeRegistry } from "../../support/fake_registry.ts";

const FLAGS: BatchFlags = {
  op: "verify",
  generation: 3,
  keys: [],
  annotations: {},
  log: false,
  experimental: false,
  checkClaims: true,
};

function manifestOf(value: Readonly<Record<string, unknown>>): BatchManifest {
  const manifest = checkManifest({ version: 1, ...value });
  if (!("version" in manifest)) throw new Error(JSON.stringify(manifest));
  return manifest;
}

function contextOf(
  flags: Partial<BatchFlags> = {},
  registry: Registry = fakeRegistry({}),
): PlanContext {
  return {
    flags: { ...FLAGS, ...flags },
    keyDigest: (uri) => `digest of ${uri}`,
    registry,
    signal: new AbortController().signal,
  };
}

async function plan(
  value: Readonly<Record<string, unknown>>,
  flags: Partial<BatchFlags> = {},
  registry?: Registry,
): Promise<readonly PlanItem[]> {
  return await Array.fromAsync(planManifest(manifestOf(value), "dir", contextOf(flags, registry)));
}

function onlyJob(items: readonly PlanItem[]) {
  const [item] = items;
  if (item?.kind !== "job" || items.length !== 1) throw new Error("not one job");
  return item.job;
}

const POLICIES = {
  release: {
    keys: ["keys/a.pub", "awskms:///alias/x", "/abs/b.pub"],
    annotations: { env: "prod" },
  },
  leaf: { keys: ["c.pub"], recursivePolicy: "leaf" },
};

describe("planManifest()", () => {
  test("makes verify jobs by the policy, its paths relative to the manifest", async () => {
    const job = onlyJob(
      await plan({ policies: POLICIES, defaults: { policy: "release" }, targets: ["a/b:c"] }),
    );
    expect(job).toEqual({
      op: "verify",
      target: { type: "reference", reference: "a/b:c" },
      recursive: false,
      skipUnknownPlatform: false,
      timeoutMs: 180_000,
      annotations: { env: "prod" },
      keys: ["dir/keys/a.pub", "awskms:///alias/x", "/abs/b.pub"],
      recursivePolicy: "all",
      checkClaims: true,
    });
  });

  test("makes sign jobs by the key, in the format of the generation", async () => {
    const value = { defaults: { key: "cosign.key", timeout: "90s" }, targets: ["a/b:c"] };
    expect(onlyJob(await plan(value, { op: "sign" }))).toMatchObject({
      op: "sign",
      key: "dir/cosign.key",
      formats: ["bundle"],
      skipSigned: false,
      timeoutMs: 90_000,
    });
    expect(onlyJob(await plan(value, { op: "sign", generation: 2 }))).toMatchObject({
      formats: ["legacy"],
    });
    expect(onlyJob(await plan(value, { op: "sign", format: "both" }))).toMatchObject({
      formats: ["legacy", "bundle"],
    });
  });

  test("lets flags override the defaults, and not what a target says itself", async () => {
    const value = {
      policies: POLICIES,
      defaults: { policy: "release", recursive: true, timeout: "1m", recursivePolicy: "index" },
      targets: ["a/b:1", { reference: "a/b:2", policy: "leaf", recursive: true, timeout: "2m" }],
    };
    const flags = {
      keys: ["mine.pub"],
      recursive: false,
      timeoutMs: 5000,
      annotations: { x: "y" },
    };
    const [first, second] = await plan(value, flags);
    expect(first?.kind === "job" && first.job).toMatchObject({
      keys: ["mine.pub"],
      recursive: false,
      timeoutMs: 5000,
      annotations: { x: "y" },
      recursivePolicy: "index",
    });
    expect(second?.kind === "job" && second.job).toMatchObject({
      keys: ["dir/c.pub"],
      recursive: true,
      timeoutMs: 120_000,
      recursivePolicy: "leaf",
    });
  });

  test("writes annotations of the target over those of the defaults", async () => {
    const value = {
      defaults: { key: "k", annotations: { env: "dev", team: "x" } },
      targets: [{ reference: "a/b:1", annotations: { env: "prod" } }],
    };
    expect(onlyJob(await plan(value, { op: "sign" })).annotations).toEqual({
      env: "prod",
      team: "x",
    });
  });

  test("plans layouts and kinds", async () => {
    const [item] = await plan(
      { targets: [{ layout: "./out/image", kind: "image" }] },
      { keys: ["k"] },
    );
    expect(item).toMatchObject({
      target: "dir/out/image",
      job: { target: { type: "layout", path: "dir/out/image", kind: "image" } },
    });
  });

  test("plans the tags of repositories and registries, and faults as answers", async () => {
    const registry = fakeRegistry({
      "team/api": ["v1", "v2"],
      "team/web": new CosignError("REGISTRY_DENIED", "no"),
    });
    const value = {
      targets: [
        { registry: "registry.example", repositories: { include: ["team/*"] } },
        { repository: "registry.example/gone" },
      ],
    };
    const items = await plan(value, { keys: ["k"] }, registry);
    expect(items.map((item) => [item.kind, item.target])).toEqual([
      ["job", "registry.example/team/api:v1"],
      ["job", "registry.example/team/api:v2"],
      ["answer", "registry.example/team/web"],
      ["answer", "registry.example/gone"],
    ]);
    expect(items[2]).toMatchObject({ outcome: "error", reason: { code: "REGISTRY_DENIED" } });
    expect(items[3]).toMatchObject({ outcome: "error", reason: { code: "IMAGE_NOT_FOUND" } });
  });

  test("says so when a listing has nothing that is selected", async () => {
    const registry = fakeRegistry({ "team/api": ["latest"] });
    const value = {
      targets: [{ repository: "registry.example/team/api", tags: { include: ["v*"] } }],
    };
    expect(await plan(value, { keys: ["k"] }, registry)).toEqual([
      expect.objectContaining({
        kind: "answer",
        outcome: "skipped",
        target: "registry.example/team/api",
        reason: expect.objectContaining({ code: "NOTHING_TO_DO" }),
      }),
    ]);
  });

  test("pulls listings only as far as it is pulled itself", async () => {
    const registry = fakeRegistry(
      Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`r${i}`, ["a"]])),
    );
    const manifest = manifestOf({ targets: [{ registry: "registry.example" }] });
    for await (const item of planManifest(manifest, "", contextOf({ keys: ["k"] }, registry))) {
      expect(item.kind).toBe("job");
      break;
    }
    expect(registry.asked()).toBeLessThan(20);
  });
});

describe("planLines()", () => {
  async function* lines(...all: readonly string[]) {
    yield* all;
  }

  test("takes one reference a line and passes over blanks and comments", async () => {
    const items = await Array.fromAsync(
      planLines(lines("a/b:1", "", "  # a comment", " a/b:2\r"), contextOf({ keys: ["k"] })),
    );
    expect(items.map(({ target }) => target)).toEqual(["a/b:1", "a/b:2"]);
  });

  test("answers a line that is no reference with an error", async () => {
    const items = await Array.fromAsync(planLines(lines("NO!"), contextOf({ keys: ["k"] })));
    expect(items).toEqual([
      expect.objectContaining({
        kind: "answer",
        target: "NO!",
        outcome: "error",
        reason: expect.objectContaining({ code: "REFERENCE_INVALID" }),
      }),
    ]);
  });
});

describe("jobKey()", () => {
  const digest = (uri: string) => uri;
  const value = { policies: POLICIES, defaults: { policy: "leaf" } };

  test("is the same when the same plan is made again, and for equal targets", async () => {
    const targets = ["a/b:1", "a/b:1", "a/b:2"];
    const first = await plan({ ...value, targets });
    const again = await plan({ ...value, targets });
    expect(first.map(({ key }) => key)).toEqual(again.map(({ key }) => key));
    expect(first[0]?.key).toBe(first[1]?.key ?? "");
    expect(first[0]?.key).not.toBe(first[2]?.key ?? "");
  });

  test("does not change with how the work is done, but with what is asked", async () => {
    const job = onlyJob(await plan({ ...value, targets: ["a/b:1"] }));
    const sign = onlyJob(
      await plan({ defaults: { key: "k" }, targets: ["a/b:1"] }, { op: "sign" }),
    );
    if (job.op !== "verify" || sign.op !== "sign") throw new Error("wrong operations");
    const same = [
      { ...job, timeoutMs: 1 },
      { ...job, expectFormat: "legacy" as const },
    ];
    for (const one of same) expect(jobKey(one, digest)).toBe(jobKey(job, digest));
    expect(jobKey({ ...sign, skipSigned: true }, digest)).toBe(jobKey(sign, digest));
    const others = [
      { ...job, keys: ["other.pub"] },
      { ...job, annotations: { a: "b" } },
      { ...job, recursive: true },
      { ...job, checkClaims: false },
      { ...job, target: { type: "layout", path: "a/b:1" } as const },
    ];
    for (const one of others) expect(jobKey(one, digest)).not.toBe(jobKey(job, digest));
    expect(jobKey({ ...sign, formats: ["legacy"] }, digest)).not.toBe(jobKey(sign, digest));
    expect(jobKey(job, (uri) => `another ${uri}`)).not.toBe(jobKey(job, digest));
  });

  test("does not depend on the order of annotations and keys", async () => {
    const job = onlyJob(await plan({ ...value, targets: ["a/b:1"] }));
    if (job.op !== "verify") throw new Error("wrong operation");
    const one = { ...job, keys: ["a", "b"], annotations: { x: "1", y: "2" } };
    const other = { ...job, keys: ["b", "a"], annotations: { y: "2", x: "1" } };
    expect(jobKey(one, digest)).toBe(jobKey(other, digest));
  });
});

test("keysOfManifest() names each key once", () => {
  const value = { policies: POLICIES, defaults: { policy: "leaf" }, targets: ["a/b", "a/c"] };
  expect(keysOfManifest(manifestOf(value), FLAGS, "dir")).toEqual(["dir/c.pub"]);
  const sign = { defaults: { key: "k" }, targets: ["a/b", { reference: "a/c", key: "/l" }] };
  expect(keysOfManifest(manifestOf(sign), { ...FLAGS, op: "sign" }, "")).toEqual(["k", "/l"]);
});

test("countTargets() does not know the number of listings", () => {
  expect(countTargets(manifestOf({ targets: ["a/b", { layout: "x" }] }))).toBe(2);
  expect(countTargets(manifestOf({ targets: ["a/b", { repository: "a/c" }] }))).toBeUndefined();
});
