import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readVerdicts } from "../../support/batch.ts";
import { buildBinary, runBinary } from "../../support/binary.ts";
import { cloudRegistry, DIGEST } from "../../support/cloud_registry.ts";
import { type GcpServer, startGcp } from "../../support/gcp_kms_server.ts";

setDefaultTimeout(400_000); // the binary may have to be built, on a busy machine

const REGISTRY = "europe-docker.pkg.dev";
const IMAGES = 40;
let gcp: GcpServer;
let folder: string;

beforeAll(async () => {
  await buildBinary();
  gcp = await startGcp([REGISTRY]);
  folder = mkdtempSync(join(tmpdir(), "registries-batch-"));
});
afterAll(async () => {
  await gcp[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

test("a batch of the binary logs in once a registry, for all its threads", async () => {
  const { host } = cloudRegistry(REGISTRY, "bearer", {
    pair: (pair) => /^oauth2accesstoken:ya29\./.test(pair),
  });
  gcp.others.set(REGISTRY, host);
  const account = join(folder, "account.json");
  writeFileSync(account, JSON.stringify(gcp.serviceAccount));
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = join(folder, "key.pub");
  writeFileSync(key, publicKey.export({ format: "pem", type: "spki" }));
  const targets = Array.from({ length: IMAGES }, (_, at) => `${REGISTRY}/p/r/${at}@${DIGEST}`);
  const manifest = join(folder, "batch.json");
  const policies = { release: { keys: [key] } };
  const defaults = { transparency: "none", policy: "release" };
  writeFileSync(manifest, JSON.stringify({ version: 1, defaults, policies, targets }));
  const report = join(folder, "report.jsonl");
  const argv = ["batch", "verify", "--k8s-keychain", "--workers", "2", "--report", report];
  const env = { ...gcp.env, GOOGLE_APPLICATION_CREDENTIALS: account };
  const { stderr } = await runBinary([...argv, manifest], { env, timeoutMs: 300_000 });
  expect([gcp.count("token"), stderr]).toEqual([1, stderr]);
  // Every image was read, and none has a signature.
  const verdicts = readVerdicts(report);
  expect(verdicts.map(({ outcome, reason }) => [outcome, reason?.code])).toEqual(
    verdicts.map(() => ["failed", "NO_SIGNATURES"]),
  );
  expect(verdicts).toHaveLength(IMAGES);
});
