import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Broker } from "../../../engine/batch/broker.ts";
import { listRegistry } from "../../../engine/batch/discovery.ts";
import type { JobContext } from "../../../engine/batch/job_context.ts";
import { planLines, planManifest } from "../../../engine/batch/plan.ts";
import { Pool } from "../../../engine/batch/pool.ts";
import { REASON_CODES } from "../../../engine/batch/report/schema.ts";
import { runJob } from "../../../engine/batch/run_job.ts";
import { digestOf } from "../../../engine/crypto/hash.ts";
import { encodeSimpleSigning } from "../../../engine/formats/simple_signing.ts";
import { parseTrustedRoot } from "../../../engine/formats/trusted_root_json.ts";
import { Budgets, createBudgetMemory } from "../../../engine/io/budget.ts";
import { httpClient } from "../../../engine/io/http.ts";
import { LocalShared } from "../../../engine/io/shared.ts";
import { openHostedSigner } from "../../../engine/keys/hosted.ts";
import { makeKeyRing, type RunKey } from "../../../engine/keys/key_ring.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import { digestHex } from "../../../engine/model/digest.ts";
import { CosignError, type ErrorCode } from "../../../engine/model/errors.ts";
import type { SignJob, Target, VerifyJob } from "../../../engine/model/job.ts";
import type { Verdict } from "../../../engine/model/verdict.ts";
import type { KeyProvider, PluginContext } from "../../../engine/plugin_host/contract.ts";
import { pluginCaller } from "../../../engine/plugin_host/plugin_call.ts";
import { openRegistry } from "../../../engine/registry/client.ts";
import { readLayoutRoot } from "../../../engine/registry/layout.ts";
import { verifyJob } from "../../support/batch_verdict.ts";
import { startEmbeddedRegistry } from "../../support/embedded_registry.ts";
import { type Fault, startFaultyProxy } from "../../support/hostile_registry.ts";
import { keyHost } from "../../support/key_host.ts";
import { pluginWorld } from "../../support/plugin_world.ts";
import type { TestRegistry } from "../../support/registries.ts";
import { type Sigstore, startSigstore } from "../../support/sigstore_server.ts";
import { makeCertificates } from "../../support/tls_front.ts";
import { pushImage } from "../../support/uploads.ts";
import { unpackVectors } from "../../support/vectors.ts";
import { SIGNING_REFUSALS, withRefusal } from "./_signing_reasons.ts";

let registry: TestRegistry;
let digest: string;
const folder = mkdtempSync(join(tmpdir(), "reason-codes-"));

beforeAll(async () => {
  registry = await startEmbeddedRegistry();
  digest = await pushImage(registry.host, "team/app", "v1", "one");
});
afterAll(async () => {
  await registry.close();
  rmSync(folder, { recursive: true });
});

const pair = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const KEY = keyOf("our.key", pair.privateKey);

function keyOf(uri: string, privateKey: KeyObject | undefined): RunKey {
  const publicKey = privateKey === undefined ? pair.publicKey : createPublicKey(privateKey);
  const spki = new Uint8Array(publicKey.export({ type: "spki", format: "der" }));
  const known = { uri, type: "ecdsa-p256", spki, hosted: false, digest: "sha256" } as const;
  return privateKey === undefined ? known : { ...known, privateKey };
}

function contextOf(env: Readonly<Record<string, string>> = {}, signal?: AbortSignal): JobContext {
  const shared = new LocalShared();
  const keys = [KEY, keyOf("public.key", undefined)];
  return {
    registry: openRegistry(
      {
        allowHttp: false,
        allowInsecure: false,
        userAgent: "tests",
        attempts: 1,
        requestTimeoutMs: 700,
      },
      { shared, budgets: new Budgets(createBudgetMemory(), 1), env: { HOME: folder, ...env } },
    ),
    keys: makeKeyRing(keys, keyHost()),
    conventions: { tagPrefix: "", dockerMediaTypes: false, maxAttachmentBytes: 1_000_000 },
    artifactHandlers: async () => [],
    shared,
    signal: signal ?? new AbortController().signal,
    now: () => new Date(),
    idle: () => Promise.resolve(),
    found: new Map(),
  };
}

function verifyOf(target: Target, more: Partial<VerifyJob> = {}): VerifyJob {
  return { ...verifyJob("1"), target, keys: [KEY.uri], timeoutMs: 20_000, ...more };
}

function signOf(target: Target, more: Partial<SignJob> = {}): SignJob {
  const { recursive, skipUnknownPlatform, annotations } = verifyJob("1");
  const shared = { recursive, skipUnknownPlatform, annotations, timeoutMs: 20_000 };
  return {
    id: "1",
    op: "sign",
    target,
    key: KEY.uri,
    formats: ["bundle"],
    skipSigned: false,
    ...shared,
    ...more,
  };
}

function image(host: string = registry.host, name = "team/app:v1"): Target {
  return { type: "reference", reference: `${host}/${name}` };
}

function reasonOf(verdict: Verdict): string {
  return verdict.outcome === "passed" ? "passed" : verdict.reason.code;
}

/** The reason that a job has when the registry behind a proxy misbehaves. */
async function withFault(
  fault: (method: string, url: string) => Fault | undefined,
  job: (host: string) => VerifyJob | SignJob = (host) => verifyOf(image(host)),
): Promise<string> {
  const proxy = await startFaultyProxy({
    upstream: `http://${registry.host}`,
    fault: ({ method, url }) => fault(method, url),
  });
  try {
    return reasonOf(await runJob(job(proxy.host), contextOf()));
  } finally {
    await proxy.close();
  }
}

/** The reason that a signature has whose entry must be looked up in a log that misbehaves. */
async function withLog(misbehave: (log: Sigstore) => void): Promise<string> {
  const log = await startSigstore();
  const services = {
    http: httpClient({ env: {} }),
    budgets: new Budgets(createBudgetMemory(), 1),
    retry: { attempts: 1 },
  };
  const context = {
    ...contextOf(),
    trustedRoot: parseTrustedRoot(utf8(log.trustedRootJson)),
    search: { url: log.rekorUrl, services },
  };
  try {
    await pushImage(registry.host, "team/unlogged", "v1", "three");
    const target = image(registry.host, "team/unlogged:v1");
    await runJob(signOf(target, { formats: ["legacy"] }), context);
    misbehave(log);
    const demands = { logThreshold: 1, timestampThreshold: 0, sct: false };
    return reasonOf(await runJob(verifyOf(target, { demands }), context));
  } finally {
    await log.close();
  }
}

const refuse = (code: ErrorCode) => Promise.reject(new CosignError(code, "no"));

/** The reason that a job has when the place where its key lies does not sign. */
async function withBackend(sign: (context: PluginContext) => Promise<unknown>): Promise<string> {
  const { spki } = KEY;
  const uri = "acme://key";
  const provider: KeyProvider = {
    open: (_, context) =>
      Promise.resolve({
        publicKey: spki,
        signMessage: async () => {
          await sign(context);
          return new Uint8Array();
        },
      }),
  };
  const backend = { plugin: "acme", provider, env: [] };
  const { signal } = new AbortController();
  const caller = pluginCaller(backend, pluginWorld());
  await using signer = await openHostedSigner({ uri, backend, caller, signal });
  const key: RunKey = { uri, type: "ecdsa-p256", spki, hosted: true, digest: "sha256" };
  const keys = makeKeyRing(
    [key],
    keyHost({ sign: (_, message, ends) => signer.sign(message, ends) }),
  );
  return reasonOf(await runJob(signOf(image(), { key: uri }), { ...contextOf(), keys }));
}

function layout(name: string): string {
  const path = join(folder, name);
  unpackVectors("saved/save-legacy-v3-tags/", path);
  return path;
}

const byDigest = (host: string) => verifyOf(image(host, `team/app@${digest}`), { recursive: true });

/** How each code comes about. */
const CASES: Readonly<Record<string, () => Promise<string>>> = {
  USAGE: async () =>
    reasonOf(
      await runJob(
        verifyOf(image("registry.example")),
        contextOf({ HTTPS_PROXY: "socks5://127.0.0.1:1" }),
      ),
    ),
  REFERENCE_INVALID: async () => {
    const lines = (async function* () {
      yield "No Reference";
    })();
    for await (const item of planLines(lines, planContext())) {
      return item.kind === "answer" ? item.reason.code : "a job";
    }
    return "nothing";
  },
  KEY_NOT_FOUND: async () =>
    reasonOf(await runJob(verifyOf(image(), { keys: ["nobody.pub"] }), contextOf())),
  KEY_UNSUPPORTED: async () =>
    reasonOf(await runJob(signOf(image(), { key: "public.key" }), contextOf())),
  KEY_SIGN_FAILED: async () => {
    const keys = makeKeyRing([{ ...KEY, privateKey: pair.publicKey }], keyHost());
    return reasonOf(await runJob(signOf(image()), { ...contextOf(), keys }));
  },
  KEY_DENIED: () => withBackend(() => refuse("KEY_DENIED")),
  KEY_DISABLED: () => withBackend(() => refuse("KEY_DISABLED")),
  KEY_SERVICE_AUTH: () => withBackend(() => refuse("KEY_SERVICE_AUTH")),
  KEY_SERVICE_PROTOCOL: () => withBackend(() => refuse("KEY_SERVICE_PROTOCOL")),
  KEY_SERVICE_RATE_LIMITED: () =>
    withBackend(async ({ fetch }) => {
      const server = Bun.serve({ port: 0, fetch: () => new Response("", { status: 429 }) });
      await fetch(`http://127.0.0.1:${server.port}/`).finally(() => server.stop(true));
    }),
  KEY_SERVICE_UNAVAILABLE: () => withBackend(async ({ fetch }) => fetch("http://127.0.0.1:1/")),
  PLUGIN_FAILED: () => withBackend(() => Promise.reject(new Error("a bug in a plugin"))),
  FILE_WRITE: async () => {
    const path = layout("unwritable");
    const root = await readLayoutRoot(path);
    const payload = digestOf(encodeSimpleSigning("", root.digest, {}));
    mkdirSync(join(path, "blobs", "sha256", digestHex(payload)));
    const job = signOf({ type: "layout", path }, { formats: ["legacy"] });
    return reasonOf(await runJob(job, contextOf()));
  },
  LAYOUT_INVALID: async () =>
    reasonOf(await runJob(verifyOf({ type: "layout", path: join(folder, "none") }), contextOf())),
  ARTIFACT_MISMATCH: async () => {
    const target = { ...image(), kind: "index" };
    return reasonOf(await runJob(verifyOf(target), contextOf()));
  },
  IMAGE_NOT_FOUND: async () =>
    reasonOf(await runJob(verifyOf(image(registry.host, "team/app:nope")), contextOf())),
  REGISTRY_AUTH: () => withFault(() => ({ kind: "challenge", wwwAuthenticate: 'Basic realm="r"' })),
  REGISTRY_DENIED: () => withFault(() => ({ kind: "status", status: 403 })),
  REGISTRY_RATE_LIMITED: () => withFault(() => ({ kind: "status", status: 429 })),
  REGISTRY_UNAVAILABLE: () => withFault(() => ({ kind: "status", status: 503 })),
  REGISTRY_NETWORK: () => withFault(() => ({ kind: "drop" })),
  REGISTRY_TIMEOUT: () => withFault(() => ({ kind: "stall" })),
  REGISTRY_PROTOCOL: () => withFault(() => ({ kind: "status", status: 418 })),
  REGISTRY_REDIRECT: () => withFault(() => ({ kind: "loop" })),
  REGISTRY_CONFLICT: () =>
    withFault(
      (method) => (method === "PUT" ? { kind: "status", status: 412 } : undefined),
      (host) => signOf(image(host)),
    ),
  REGISTRY_UNSUPPORTED: async () => {
    const proxy = await startFaultyProxy({
      upstream: `http://${registry.host}`,
      fault: ({ url }) => (url.includes("_catalog") ? { kind: "status", status: 404 } : undefined),
    });
    try {
      for await (const listed of listRegistry(contextOf().registry, proxy.host, {}, {})) {
        return listed.kind === "fault" ? listed.reason.code : listed.reference;
      }
      return "nothing";
    } finally {
      await proxy.close();
    }
  },
  REGISTRY_TLS: async () => {
    const { certificate, key } = makeCertificates(folder);
    const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    try {
      return reasonOf(await runJob(verifyOf(image(`127.0.0.1:${port}`)), contextOf()));
    } finally {
      server.close();
    }
  },
  LOG_REFUSED: () => withLog((log) => log.fail("rekor", { kind: "status", status: 400 })),
  SERVICE_UNAVAILABLE: () => withLog((log) => log.fail("rekor", { kind: "status", status: 503 })),
  SERVICE_PROTOCOL: () =>
    withLog((log) => log.fail("rekor", { kind: "redirect", location: log.fulcioUrl })),
  DIGEST_MISMATCH: () =>
    withFault((method) => (method === "GET" ? { kind: "body" } : undefined), byDigest),
  LIMIT_EXCEEDED: () =>
    withFault((method) => (method === "GET" ? { kind: "endless" } : undefined), byDigest),
  CREDENTIALS_INVALID: async () => {
    const locked = await startEmbeddedRegistry({ username: "u", password: "p" });
    writeFileSync(join(folder, "config.json"), '{"auths": [');
    try {
      return reasonOf(
        await runJob(verifyOf(image(locked.host)), contextOf({ DOCKER_CONFIG: folder })),
      );
    } finally {
      await locked.close();
    }
  },
  NO_SIGNATURES: async () => reasonOf(await runJob(verifyOf(image()), contextOf())),
  NO_MATCHING_SIGNATURES: async () => {
    await pushImage(registry.host, "team/app", "signed", "two");
    const target = image(registry.host, "team/app:signed");
    expect(reasonOf(await runJob(signOf(target), contextOf()))).toBe("passed");
    const demanded = verifyOf(target, { annotations: { nobody: "signed this" } });
    return reasonOf(await runJob(demanded, contextOf()));
  },
  SCHEMA1_UNSUPPORTED: () =>
    withFault((method) =>
      method === "HEAD"
        ? {
            kind: "headers",
            headers: {
              "content-type": "application/vnd.docker.distribution.manifest.v1+prettyjws",
            },
          }
        : undefined,
    ),
  DEADLINE_EXCEEDED: () =>
    withFault(
      () => ({ kind: "stall" }),
      (host) => verifyOf(image(host), { timeoutMs: 30 }),
    ),
  CANCELLED: async () => {
    const controller = new AbortController();
    controller.abort(new CosignError("CANCELLED", "stopped"));
    return reasonOf(await runJob(verifyOf(image()), contextOf({}, controller.signal)));
  },
  WORKER_LOST: async () => {
    const pool = new Pool({
      entry: new URL("../../support/fake_worker.ts", import.meta.url),
      threads: 1,
      setup: "",
      broker: new Broker(new LocalShared(), keyHost()),
    });
    try {
      return reasonOf(await pool.run(verifyJob("1", "die")));
    } finally {
      await pool.close();
    }
  },
  NOTHING_TO_DO: async () => {
    const target = { repository: `${registry.host}/team/app`, tags: { include: ["never-*"] } };
    const manifest = {
      version: 1,
      plugins: [],
      defaults: {},
      policies: {},
      targets: [target],
    } as const;
    for await (const item of planManifest(manifest, folder, planContext())) {
      return item.kind === "answer" ? item.reason.code : "a job";
    }
    return "nothing";
  },
  SIGNATURE_LOST: () =>
    withFault(
      (method, url) => {
        if (!url.endsWith(".sig")) return undefined;
        return { kind: "status", status: method === "PUT" ? 201 : 404 }; // taken, and never there
      },
      (host) => signOf(image(host), { formats: ["legacy"] }),
    ),
  ...Object.fromEntries(
    Object.entries(SIGNING_REFUSALS).map(([code, refusal]) => [
      code,
      () =>
        withRefusal(refusal, KEY, async (context, job) =>
          reasonOf(await runJob(signOf(image(), job), { ...contextOf(), ...context })),
        ),
    ]),
  ),
  INTERNAL: async () => {
    const broken = {
      ...contextOf().registry,
      repository: () => {
        throw new TypeError("a bug");
      },
    };
    return reasonOf(await runJob(verifyOf(image()), { ...contextOf(), registry: broken }));
  },
};

function planContext() {
  return {
    flags: {
      op: "verify",
      generation: 3,
      keys: [KEY.uri],
      annotations: {},
      log: false,
      experimental: false,
      checkClaims: true,
    } as const,
    keyDigest: (uri: string) => uri,
    rootDigest: (name?: string) => name ?? "",
    registry: contextOf().registry,
    signal: new AbortController().signal,
  };
}

describe("the reasons of verdicts", () => {
  test("REASON_CODES is the list of those that are met here", () => {
    expect(Object.keys(CASES).sort()).toEqual([...REASON_CODES].sort());
  });

  for (const [code, meet] of Object.entries(CASES)) {
    test(`${code} is met`, async () => {
      expect(await meet()).toBe(code);
    }, 30_000);
  }
});
