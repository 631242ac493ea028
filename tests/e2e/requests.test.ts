import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { DEFAULT_MAX_ATTACHMENT_BYTES } from "../../engine/artifacts/conventions.ts";
import { PROTOCOL } from "../../engine/batch/run_setup.ts";
import { openThread, type RunOne } from "../../engine/batch/thread.ts";
import { createBudgetMemory } from "../../engine/io/budget.ts";
import { LocalShared } from "../../engine/io/shared.ts";
import type { RunKey } from "../../engine/keys/key_ring.ts";
import type { Job, SignJob, VerifyJob } from "../../engine/model/job.ts";
import type { Verdict } from "../../engine/model/verdict.ts";
import { keyHost } from "../support/key_host.ts";
import { onBothRegistries, type TestRegistry } from "../support/registries.ts";
import type { Place } from "../support/signatures.ts";
import { startTap, type Tap } from "../support/tap.ts";
import { digestOf, pushImage, putManifest } from "../support/uploads.ts";

const IMAGE = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";
const KEY = "cosign.key";
/** The most requests of a `verify` by digest, not recursive, once format and registry are known. */
const AT_MOST: Readonly<Record<Place, number>> = { legacy: 2, bundle: 3 };
/** The most on top of that when neither is known yet. */
const COLD_AT_MOST = 2;
/** What a `sign` sends beside reading the manifest that it shares with others, once all is known. */
const WRITES: Readonly<Record<TestRegistry["name"], Readonly<Record<Place, readonly string[]>>>> = {
  "embedded registry": {
    legacy: ["POST blobs", "POST blobs", "PUT manifests"],
    // The subject's size and type stand in the bundle's manifest; the empty config is there already.
    bundle: ["HEAD manifests", "POST blobs", "PUT manifests"],
  },
  // It takes no blob with its first request, and lists no referrers.
  "docker-registry": {
    legacy: ["POST blobs", "PUT blobs", "POST blobs", "PUT blobs", "PUT manifests"],
    bundle: ["HEAD manifests", "POST blobs", "PUT blobs", "PUT manifests", "PUT manifests"],
  },
};

const keys: readonly RunKey[] = [makeKey()];
let jobs = 0;

function makeKey(): RunKey {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    uri: KEY,
    type: "ecdsa-p256",
    spki: new Uint8Array(publicKey.export({ type: "spki", format: "der" })),
    privateKey,
    hosted: false,
    digest: "sha256",
  };
}

/** A run that knows nothing yet. */
function openRun(): RunOne {
  return openThread(
    {
      protocol: PROTOCOL,
      registry: { allowHttp: true, allowInsecure: false, userAgent: "requests" },
      conventions: {
        tagPrefix: "",
        dockerMediaTypes: false,
        maxAttachmentBytes: DEFAULT_MAX_ATTACHMENT_BYTES,
      },
      keys,
      jobsPerThread: 8,
      threads: 1,
      budgets: createBudgetMemory(),
    },
    {
      shared: new LocalShared(),
      keyHost: keyHost(),
      signal: new AbortController().signal,
      env: {},
      artifactHandlers: async () => [],
    },
  );
}

function jobBase(reference: string) {
  jobs += 1;
  return {
    id: `job-${jobs}`,
    target: { type: "reference", reference },
    recursive: false,
    skipUnknownPlatform: false,
    annotations: {},
    timeoutMs: 30_000,
  } as const;
}

function signJob(reference: string, place: Place, more: Partial<SignJob> = {}): SignJob {
  const base = { ...jobBase(reference), key: KEY, formats: [place], skipSigned: false };
  return { ...base, op: "sign", ...more };
}

function verifyJob(reference: string, more: Partial<VerifyJob> = {}): VerifyJob {
  const base = { ...jobBase(reference), keys: [KEY], checkClaims: true } as const;
  return { ...base, op: "verify", recursivePolicy: "all", ...more };
}

async function pushIndex(
  host: string,
  repository: string,
  children: readonly string[],
): Promise<string> {
  const manifests = await Promise.all(
    children.map(async (digest) => {
      const url = `http://${host}/v2/${repository}/manifests/${digest}`;
      const answer = await fetch(url, { headers: { accept: IMAGE } });
      return { mediaType: IMAGE, digest, size: (await answer.bytes()).length };
    }),
  );
  const index = new TextEncoder().encode(
    JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests }),
  );
  await putManifest(`http://${host}/v2/${repository}`, "index", INDEX, index);
  return digestOf(index);
}

/** Runs one job and answers its verdict and what went through the tap for it. */
async function count(
  tap: Tap,
  run: RunOne,
  job: Job,
): Promise<{ verdict: Verdict; requests: readonly string[] }> {
  const requests: string[] = [];
  tap.onRequest((request) => {
    requests.push(`${request.method} ${request.path}`);
    return request.forward();
  });
  const verdict = await run(job);
  if (verdict.outcome !== "passed") throw new Error(JSON.stringify(verdict));
  return { verdict, requests };
}

onBothRegistries((name, start) => {
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

  /** Pushes images, signs them in a run of its own, and answers their references by digest. */
  async function signImages(
    repository: string,
    place: Place,
    images: number,
    more: Partial<SignJob> = {},
  ): Promise<readonly string[]> {
    const run = openRun();
    const texts = Array.from({ length: images }, (_, n) => `${repository} ${n}`);
    return await Promise.all(
      texts.map(async (text, n) => {
        const digest = await pushImage(tap.host, repository, `v${n}`, text);
        const reference = `${tap.host}/${repository}@${digest}`;
        await count(tap, run, signJob(reference, place, more));
        return reference;
      }),
    );
  }

  for (const place of ["legacy", "bundle"] as const) {
    describe(`verify of a ${place} signature`, () => {
      const repository = `requests/${place}`;
      let first: string;
      let second: string;
      let warm: RunOne;

      beforeAll(async () => {
        [first = "", second = ""] = await signImages(repository, place, 2);
        warm = openRun();
        await warm(verifyJob(first));
      });

      test("by digest, of a known repository", async () => {
        const { requests, verdict } = await count(tap, warm, verifyJob(second));
        // A payload without annotations follows from reference and digest: it is not fetched.
        expect(requests).toHaveLength(place === "legacy" ? 1 : AT_MOST.bundle);
        expect(verdict.requests).toBe(requests.length);
      });

      test("by digest, when nothing is known yet", async () => {
        const { requests } = await count(tap, openRun(), verifyJob(second));
        expect(requests.length).toBeLessThanOrEqual(AT_MOST[place] + COLD_AT_MOST);
      });

      test("by digest, when only the format is told beforehand", async () => {
        const told = verifyJob(second, { expectFormat: place });
        const { requests } = await count(tap, openRun(), told);
        // Whether there is a referrers API is still to be found out.
        const probe = place === "bundle" && !registry.hasReferrersApi ? 1 : 0;
        expect(requests).toHaveLength((place === "legacy" ? 1 : AT_MOST.bundle) + probe);
      });

      test("by tag, one request more", async () => {
        const byDigest = await count(tap, warm, verifyJob(second));
        const byTag = await count(tap, warm, verifyJob(`${tap.host}/${repository}:v1`));
        expect(byTag.requests).toHaveLength(byDigest.requests.length + 1);
        expect(byTag.requests[0]).toBe(`HEAD /v2/${repository}/manifests/v1`);
      });

      test("by a further tag of the same digest, one request in all", async () => {
        const run = openRun();
        await run(verifyJob(`${tap.host}/${repository}:v1`));
        const again = await count(tap, run, verifyJob(`${tap.host}/${repository}:v1`));
        expect(again.requests).toEqual([`HEAD /v2/${repository}/manifests/v1`]);
      });

      test("recursive, of an image that has no children, one request more", async () => {
        const plain = await count(tap, warm, verifyJob(second));
        const recursive = await count(tap, warm, verifyJob(second, { recursive: true }));
        expect(recursive.requests).toHaveLength(plain.requests.length + 1);
      });

      test("of a signature with annotations", async () => {
        const annotations = { env: "prod" };
        const annotated = `requests/annotated-${place}`;
        const [one = "", two = ""] = await signImages(annotated, place, 2, { annotations });
        const run = openRun();
        await run(verifyJob(one, { annotations }));
        const { requests } = await count(tap, run, verifyJob(two, { annotations }));
        expect(requests).toHaveLength(AT_MOST[place]);
      });
    });

    test(`verify -r of an index with ${place} signatures: one request beside those of its parts`, async () => {
      const repository = `requests/index-${place}`;
      const children = await Promise.all(
        ["amd64", "arm64"].map((text) => pushImage(tap.host, repository, text, text)),
      );
      const digest = await pushIndex(tap.host, repository, children);
      const reference = `${tap.host}/${repository}@${digest}`;
      await count(tap, openRun(), signJob(reference, place, { recursive: true }));

      const run = openRun();
      await run(verifyJob(reference));
      const part = await count(tap, run, verifyJob(reference));
      const parts = [digest, ...children].length * part.requests.length;
      const byDigest = await count(tap, run, verifyJob(reference, { recursive: true }));
      expect(byDigest.requests).toHaveLength(parts + 1);
      const tag = `${tap.host}/${repository}:index`;
      const byTag = await count(tap, openRun(), verifyJob(tag, { recursive: true }));
      expect(byTag.requests.length).toBeLessThanOrEqual(parts + 1 + 1 + 3 * COLD_AT_MOST);
    });
  }

  for (const place of ["legacy", "bundle"] as const) {
    test(`sign (${place}) writes each part once, and asks only for what it must know`, async () => {
      const repository = `requests/sign-${place}`;
      const run = openRun();
      const [first, second] = await Promise.all(
        ["one", "two"].map(async (text) => {
          const digest = await pushImage(tap.host, repository, text, text);
          return `${tap.host}/${repository}@${digest}`;
        }),
      );
      await run(signJob(first ?? "", place));
      const { requests, verdict } = await count(tap, run, signJob(second ?? "", place));
      expect(verdict.requests).toBe(requests.length);
      const shapes = requests.map((line) => line.replace(/ \S*\/(blobs|manifests)\/.*/, " $1"));
      expect(shapes.filter((shape) => shape !== "GET manifests")).toEqual([...WRITES[name][place]]);
      // A referrer that the registry lists by itself is neither looked for nor read back.
      const reads = shapes.length - WRITES[name][place].length;
      if (place === "bundle" && registry.hasReferrersApi) expect(reads).toBe(0);
      else expect(reads).toBeGreaterThan(0);
    });
  }
});
