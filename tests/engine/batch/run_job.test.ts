import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import type { JobContext } from "../../../engine/batch/job_context.ts";
import { runJob } from "../../../engine/batch/run_job.ts";
import { Budgets, createBudgetMemory } from "../../../engine/io/budget.ts";
import { LocalShared } from "../../../engine/io/shared.ts";
import { makeKeyRing, type RunKey } from "../../../engine/keys/key_ring.ts";
import type { SignJob, VerifyJob } from "../../../engine/model/job.ts";
import { openRegistry } from "../../../engine/registry/client.ts";
import { verifyJob } from "../../support/batch_verdict.ts";
import { startEmbeddedRegistry } from "../../support/embedded_registry.ts";
import { keyHost } from "../../support/key_host.ts";
import type { TestRegistry } from "../../support/registries.ts";
import { pushImage } from "../../support/uploads.ts";

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startEmbeddedRegistry();
});
afterAll(() => registry.close());

function newKey(uri: string): RunKey {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const spki = new Uint8Array(publicKey.export({ type: "spki", format: "der" }));
  return { uri, type: "ecdsa-p256", spki, privateKey, hosted: false, digest: "sha256" };
}

const KEYS = [newKey("a.key"), newKey("b.key")];

function context(): JobContext {
  const shared = new LocalShared();
  const budgets = new Budgets(createBudgetMemory(), 1);
  const options = { allowHttp: false, allowInsecure: false, userAgent: "tests" };
  return {
    registry: openRegistry(options, { shared, budgets, env: {} }),
    keys: makeKeyRing(KEYS, keyHost()),
    conventions: { tagPrefix: "", dockerMediaTypes: false, maxAttachmentBytes: 1_000_000 },
    artifactHandlers: async () => [],
    shared,
    signal: new AbortController().signal,
    now: () => new Date(),
    idle: () => Promise.resolve(),
    found: new Map(),
  };
}

function sign(reference: string, more: Partial<SignJob> = {}): SignJob {
  const { recursive, skipUnknownPlatform, annotations, timeoutMs } = verifyJob("1", reference);
  return {
    id: "1",
    op: "sign",
    target: { type: "reference", reference },
    key: "a.key",
    formats: ["bundle"],
    skipSigned: false,
    recursive,
    skipUnknownPlatform,
    annotations,
    timeoutMs: timeoutMs * 20,
    ...more,
  };
}

function verify(reference: string, more: Partial<VerifyJob> = {}): VerifyJob {
  return { ...verifyJob("1", reference), keys: ["a.key"], timeoutMs: 20_000, ...more };
}

describe("runJob()", () => {
  test("finds all bundles by the key, however many there are", async () => {
    const reference = `${registry.host}/team/many:v1`;
    await pushImage(registry.host, "team/many", "v1", "many");
    for (let n = 0; n < 11; n++) {
      const signed = await runJob(sign(reference, { annotations: { n: `${n}` } }), context());
      expect(signed.outcome).toBe("passed");
    }
    await runJob(sign(reference, { key: "b.key" }), context());
    const { outcome, subjects } = await runJob(verify(reference), context());
    expect(outcome).toBe("passed");
    const found = subjects[0]?.signatures.map(({ annotations }) => Number(annotations["n"]));
    expect(found?.sort((x, y) => x - y)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  for (const format of ["legacy", "bundle"] as const) {
    test(`with skipSigned makes no second ${format} signature over the same payload, by the same key only`, async () => {
      const repository = `team/skip-${format}`;
      const reference = `${registry.host}/${repository}:v1`;
      await pushImage(registry.host, repository, "v1", format);
      const job = sign(reference, { formats: [format], skipSigned: true });
      const stateOf = async (more: Partial<SignJob> = {}) => {
        const { subjects } = await runJob({ ...job, ...more }, context());
        return subjects[0]?.signatures[0]?.state;
      };
      expect(await stateOf()).toBe("written");
      expect(await stateOf()).toBe("present");
      expect(await stateOf({ annotations: { env: "prod" } })).toBe("written");
      expect(await stateOf({ annotations: { env: "prod" } })).toBe("present");
      expect(await stateOf({ key: "b.key" })).toBe("written");
      expect(await stateOf()).toBe("present");
    });
  }

  test("judges an annotation that one of several signatures has by that one", async () => {
    const reference = `${registry.host}/team/annotated:v1`;
    await pushImage(registry.host, "team/annotated", "v1", "annotated");
    await runJob(sign(reference), context());
    await runJob(sign(reference, { annotations: { env: "prod" } }), context());
    const wanted = { annotations: { env: "prod" } };
    expect((await runJob(verify(reference, wanted), context())).outcome).toBe("passed");
    const other = await runJob(verify(reference, { annotations: { env: "dev" } }), context());
    expect(other).toMatchObject({ outcome: "failed", reason: { code: "NO_MATCHING_SIGNATURES" } });
  });
});
