import { describe, expect, test } from "bun:test";
import {
  countTargets,
  jobKey,
  needsOfManifest,
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
    rootDigest: (name) => `digest of root ${name}`,
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

  test("lets logs vouch for signatures by default, and as target, flag and defaults say", async () => {
    const vouched = async (
      target: Readonly<Record<string, unknown>>,
      defaults: Readonly<Record<string, unknown>>,
      flags: Partial<BatchFlags> = {},
    ) => {
      const value = {
        defaults: { key: "k", ...defaults },
        targets: [{ reference: "a/b", ...target }],
      };
      const { log: _none, ...unsaid } = FLAGS;
      const context = { ...contextOf(), flags: { ...unsaid, op: "sign" as const, ...flags } };
      const items = await Array.fromAsync(planManifest(manifestOf(value), "dir", context));
      const job = onlyJob(items);
      return job.op === "sign" ? job.transparency : "not signed";
    };
    const none = { transparency: "none" };
    const own = { transparency: { rekor: "http://r", timestamp: "http://t" } };
    const urls = { rekorUrl: "http://r", timestampUrl: "http://t" };
    expect(await vouched({}, {})).toEqual({ upload: true });
    expect(await vouched({}, {}, { generation: 1 })).toBeUndefined();
    expect(await vouched({}, {}, { generation: 1, experimental: true })).toEqual({ upload: true });
    expect(await vouched({}, none)).toBeUndefined();
    expect(await vouched({}, none, { log: true })).toEqual({ upload: true });
    expect(await vouched({}, {}, { log: false })).toBeUndefined();
    expect(await vouched({}, own)).toEqual({ upload: true, ...urls });
    expect(await vouched({}, own, { log: false })).toEqual({ upload: false, ...urls });
    expect(await vouched(none, own)).toBeUndefined();
    expect(await vouched(own, none, { log: false })).toEqual({ upload: true, ...urls });
    const keyless = { key: "keyless" };
    expect(await vouched(keyless, {})).toEqual({ upload: true });
    expect(await vouched(keyless, {}, { log: false })).toEqual({ upload: false });
    await expect(vouched(keyless, none)).rejects.toThrow('contradicts the key "keyless"');
  });

  test("takes keyless for no file", async () => {
    const value = { defaults: { key: "keyless" }, targets: ["a/b"] };
    expect(onlyJob(await plan(value, { op: "sign" }))).toMatchObject({ key: "keyless" });
    const file = { defaults: { key: "./keyless" }, targets: ["a/b"] };
    expect(onlyJob(await plan(file, { op: "sign" }))).toMatchObject({ key: "dir/keyless" });
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
  const digest = { keyDigest: (uri: string) => uri, rootDigest: (name?: string) => name ?? "own" };
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
    const another = { ...digest, keyDigest: (uri: string) => `another ${uri}` };
    expect(jobKey(job, another)).not.toBe(jobKey(job, digest));
  });

  test("changes with whose certificates count, and with whom they are held against, but not with the hour", async () => {
    const policies = { p: { identities: [{ issuer: "i", subject: "s" }], trustedRoot: "r.json" } };
    const job = onlyJob(await plan({ policies, defaults: { policy: "p" }, targets: ["a/b:1"] }));
    if (job.op !== "verify" || job.demands === undefined) throw new Error("no demands");
    const { demands } = job;
    const others = [
      { ...demands, identities: [{ issuer: { exact: "i" }, subject: { exact: "t" } }] },
      { ...demands, logThreshold: 2 },
      { ...demands, sct: false },
      { ...demands, root: "other.json" },
      { ...demands, now: "2026-01-01T00:00:00Z" },
    ];
    for (const one of others) {
      expect(jobKey({ ...job, demands: one }, digest)).not.toBe(jobKey(job, digest));
    }
    const rotated = { ...digest, rootDigest: () => "another" };
    expect(jobKey(job, rotated)).not.toBe(jobKey(job, digest));
    const at = (now: string) => jobKey({ ...job, demands: { ...demands, now } }, digest);
    expect(at("2026-01-01T00:00:00Z")).toBe(at("2026-01-02T00:00:00Z"));
  });

  test("does not depend on the order of annotations and keys", async () => {
    const job = onlyJob(await plan({ ...value, targets: ["a/b:1"] }));
    if (job.op !== "verify") throw new Error("wrong operation");
    const one = { ...job, keys: ["a", "b"], annotations: { x: "1", y: "2" } };
    const other = { ...job, keys: ["b", "a"], annotations: { y: "2", x: "1" } };
    expect(jobKey(one, digest)).toBe(jobKey(other, digest));
  });
});

/** What jobs need that need nothing. */
const NOTHING = {
  keys: [],
  roots: [],
  logs: false,
  formats: [],
  isVouched: false,
  upload: false,
};

test("needsOfManifest() names each key and each trusted root once", () => {
  const value = { policies: POLICIES, defaults: { policy: "leaf" }, targets: ["a/b", "a/c"] };
  expect(needsOfManifest(manifestOf(value), FLAGS, "dir")).toEqual({
    ...NOTHING,
    keys: ["dir/c.pub"],
  });
  const sign = { defaults: { key: "k" }, targets: ["a/b", { reference: "a/c", key: "/l" }] };
  expect(needsOfManifest(manifestOf(sign), { ...FLAGS, op: "sign" }, "")).toEqual({
    ...NOTHING,
    keys: ["k", "/l"],
    formats: ["bundle"],
  });
  const identities = [{ issuer: "i", subject: "s" }];
  const keyless = {
    policies: {
      own: { identities },
      file: { identities, trustedRoot: "root.json", keys: ["k.pub"] },
      url: { identities, trustedRoot: "https://example.com/root.json" },
    },
    targets: ["own", "file", "url", "file"].map((policy) => ({ reference: "a/b", policy })),
  };
  expect(needsOfManifest(manifestOf(keyless), { ...FLAGS, log: true }, "dir")).toEqual({
    ...NOTHING,
    keys: ["dir/k.pub"],
    roots: [undefined, "dir/root.json", "https://example.com/root.json"],
    logs: true,
  });
});

test("needsOfManifest() says whether anybody vouches for what is signed, and the run's own logs", () => {
  const { log: _none, ...unsaid } = FLAGS;
  const needsWith = (transparency: unknown, targets: readonly unknown[] = ["a/b"]) =>
    needsOfManifest(
      manifestOf({ defaults: { key: "k", transparency }, targets }),
      { ...unsaid, op: "sign" },
      "",
    );
  expect(needsWith("none")).toMatchObject({ isVouched: false, upload: false });
  expect(needsWith({ upload: true })).toMatchObject({ isVouched: true, upload: true });
  expect(needsWith({ upload: false })).toMatchObject({ isVouched: true, upload: false });
  expect(needsWith({ rekor: "http://r" })).toMatchObject({ isVouched: true, upload: false });
  const one = [{ reference: "a/c", transparency: { upload: true }, format: "both" }];
  expect(needsWith("none", ["a/b", ...one])).toEqual({
    ...NOTHING,
    keys: ["k"],
    formats: ["bundle", "legacy"],
    isVouched: true,
    upload: true,
  });
});

describe("demands of policies", () => {
  const identities = [{ issuer: "https://i", subjectRegExp: "^a@b$", workflow: { ref: "main" } }];
  const demanded = {
    identities: [
      { issuer: { exact: "https://i" }, subject: { regExp: "^a@b$" }, workflow: { ref: "main" } },
    ],
    logThreshold: 1,
    timestampThreshold: 0,
    sct: true,
  };
  const unsaid = { ...FLAGS, log: undefined };
  const demandsOf = async (
    policy: Readonly<Record<string, unknown>>,
    flags: Partial<BatchFlags> = {},
    more: Readonly<Record<string, unknown>> = {},
  ) => {
    const { log: _, ...rest } = { ...unsaid, ...flags };
    const value = {
      policies: { p: policy },
      defaults: { policy: "p", ...more },
      targets: ["a/b:1"],
    };
    const context = {
      ...contextOf(),
      flags: { ...rest, ...(flags.log === undefined ? {} : { log: flags.log }) },
    };
    const items = await Array.fromAsync(planManifest(manifestOf(value), "dir", context));
    const job = onlyJob(items);
    return job.op === "verify" ? { keys: job.keys, demands: job.demands } : undefined;
  };

  test("identities demand a log where nothing else is said, and the log of certificates", async () => {
    expect(await demandsOf({ identities })).toEqual({ keys: [], demands: demanded });
    expect(await demandsOf({ identities, keys: ["k.pub"] })).toEqual({
      keys: ["dir/k.pub"],
      demands: demanded,
    });
    expect(await demandsOf({ identities, sct: false })).toMatchObject({ demands: { sct: false } });
    expect(await demandsOf({ identities, trustedRoot: "r.json" })).toMatchObject({
      demands: { root: "dir/r.json" },
    });
  });

  test("keys alone demand what a single verify does", async () => {
    expect(await demandsOf({ keys: ["k"] })).toMatchObject({
      demands: { logThreshold: 1, timestampThreshold: 0, sct: false },
    });
    expect(await demandsOf({ keys: ["k"] }, { log: false })).toEqual({
      keys: ["dir/k"],
      demands: undefined,
    });
    expect(await demandsOf({ keys: ["k"] }, { generation: 1 })).toMatchObject({
      demands: undefined,
    });
  });

  test.each<[unknown, number, number]>([
    ["none", 0, 0],
    [{ require: "none" }, 0, 0],
    [{ require: "log" }, 1, 0],
    [{ require: "timestamp" }, 0, 1],
    [{ require: "both" }, 1, 1],
    [{ require: "both", logs: 2, timestamps: 3 }, 2, 3],
    [{ logs: 2 }, 2, 0],
    [{ timestamps: 2 }, 0, 2],
    [{}, 1, 0],
  ])(
    "transparency: %j demands %d logs and %d timestamps",
    async (transparency, logThreshold, timestampThreshold) => {
      const thresholds = { logThreshold, timestampThreshold };
      expect(await demandsOf({ identities, transparency })).toMatchObject({ demands: thresholds });
      expect(await demandsOf({ identities }, {}, { transparency })).toMatchObject({
        demands: thresholds,
      });
    },
  );

  test("of the log the target speaks before the flags, these before the policy, it before the defaults", async () => {
    const both = { identities, transparency: { require: "both" } };
    const none = { transparency: "none" };
    expect(await demandsOf(both, {}, none)).toMatchObject({ demands: { logThreshold: 1 } });
    expect(await demandsOf(both, { log: false })).toMatchObject({
      demands: { logThreshold: 0, timestampThreshold: 0 },
    });
    const trust = { hasRoot: false, timestamps: true };
    expect(await demandsOf(both, { log: false, trust })).toMatchObject({
      demands: { logThreshold: 0, timestampThreshold: 1 },
    });
    const value = {
      policies: { p: both },
      targets: [{ reference: "a/b", policy: "p", transparency: { require: "timestamp" } }],
    };
    expect(onlyJob(await plan(value))).toMatchObject({
      demands: { logThreshold: 0, timestampThreshold: 1 },
    });
  });

  test("flags stand in the place of the default policy, and their root in that of any policy", async () => {
    const trust = {
      identities: [{ issuer: { exact: "x" }, subject: { exact: "y" } }],
      now: "2026-01-01T00:00:00Z",
      sct: false,
      hasRoot: true,
    };
    const policies = { p: { identities, trustedRoot: "r.json" } };
    const targets = ["a/b:1", { reference: "a/b:2", policy: "p" }];
    const [one, two] = await plan({ policies, defaults: { policy: "p" }, targets }, { trust });
    expect(one).toMatchObject({ job: { keys: [], demands: { identities: trust.identities } } });
    expect(two).toMatchObject({
      job: { demands: { identities: demanded.identities, sct: false, now: trust.now } },
    });
    for (const item of [one, two]) {
      if (item?.kind !== "job" || item.job.op !== "verify") throw new Error("no job");
      expect(item.job.demands?.root).toBeUndefined();
    }
  });
});

test("countTargets() does not know the number of listings", () => {
  expect(countTargets(manifestOf({ targets: ["a/b", { layout: "x" }] }))).toBe(2);
  expect(countTargets(manifestOf({ targets: ["a/b", { repository: "a/c" }] }))).toBeUndefined();
});
