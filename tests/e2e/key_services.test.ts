import { afterAll, afterEach, beforeAll, describe, expect } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startAzure } from "../support/azure_vault_server.ts";
import { expectCode, readVerdicts, writeManifest } from "../support/batch.ts";
import { type BinaryResult, buildBinary, runBinary } from "../support/binary.ts";
import { startEmbeddedRegistry } from "../support/embedded_registry.ts";
import { startGcp } from "../support/gcp_kms_server.ts";
import { startMoto } from "../support/moto.ts";
import type { TestRegistry } from "../support/registries.ts";
import { requires, type Tool } from "../support/requires.ts";
import { pushImages } from "../support/uploads.ts";
import { startVault } from "../support/vault_server.ts";

/** Images in one run: each needs a signature, all need one public key. */
const IMAGES = 500;
const LIMIT_MS = 240_000;

/** A service that keeps keys, and what it was asked for since it was asked last. */
interface KeyService {
  readonly uri: string;
  readonly env: Readonly<Record<string, string>>;
  takeCounts(): { readonly publicKey: number; readonly sign: number; readonly others: number };
  [Symbol.asyncDispose](): Promise<void>;
}

const SERVICES: readonly {
  readonly name: string;
  readonly tools: readonly Tool[];
  readonly start: () => Promise<KeyService>;
}[] = [
  { name: "AWS KMS", tools: ["moto"], start: startAws },
  { name: "Vault", tools: [], start: startTransit },
  { name: "Google Cloud KMS", tools: [], start: startGoogle },
  { name: "Azure Key Vault", tools: [], start: startKeyVault },
];

let registry: TestRegistry;
let folder: string;

beforeAll(async () => {
  await buildBinary();
  registry = await startEmbeddedRegistry();
  folder = mkdtempSync(join(tmpdir(), "key-services-"));
}, LIMIT_MS);
afterAll(async () => {
  await registry.close();
  rmSync(folder, { recursive: true, force: true });
});

for (const { name, tools, start } of SERVICES) {
  describe(name, () => {
    let service: KeyService | undefined;
    afterEach(async () => {
      await service?.[Symbol.asyncDispose]();
    });

    requires(...tools)(
      `batch sign asks for one public key and one signature an image, and never for one again`,
      async () => {
        service = await start();
        const { uri, env } = service;
        const run = (...argv: readonly string[]): Promise<BinaryResult> =>
          runBinary(argv, { cwd: folder, env, timeoutMs: LIMIT_MS });
        const repository = `services/${name.toLowerCase().replaceAll(" ", "-")}`;
        const images = await pushImages(registry.host, repository, IMAGES);
        expectCode(
          await run("generate-key-pair", "--kms", uri, "--output-key-prefix", "cosign"),
          0,
        );
        service.takeCounts();

        const manifest = writeManifest(folder, "m.json", { key: uri, policy: "release" }, images);
        expectCode(await run("batch", "sign", "--report", "signed.jsonl", manifest), 0);
        expect(service.takeCounts()).toEqual({ publicKey: 1, sign: IMAGES, others: 0 });
        expect(passed("signed.jsonl")).toBe(IMAGES);

        expectCode(await run("batch", "sign", "--skip-signed", manifest), 0);
        expect(service.takeCounts()).toEqual({ publicKey: 1, sign: 0, others: 0 });

        // By the public key in the file, and by the service's: one question for all images.
        const verify = ["batch", "verify", "--insecure-ignore-tlog", "--report", "verified.jsonl"];
        expectCode(await run(...verify, manifest), 0);
        expect(passed("verified.jsonl")).toBe(IMAGES);
        expect(service.takeCounts()).toEqual({ publicKey: 0, sign: 0, others: 0 });
        expectCode(await run(...verify, "--key", uri, manifest), 0);
        expect(passed("verified.jsonl")).toBe(IMAGES);
        expect(service.takeCounts()).toEqual({ publicKey: 1, sign: 0, others: 0 });
      },
      LIMIT_MS,
    );
  });
}

function passed(report: string): number {
  const text = join(folder, report);
  expect(readFileSync(text, "utf8")).not.toBe("");
  return readVerdicts(text).filter(({ outcome }) => outcome === "passed").length;
}

async function startAws(): Promise<KeyService> {
  const moto = await startMoto();
  let seen = 0;
  return {
    uri: "awskms:///alias/release",
    env: {
      AWS_ENDPOINT_URL: moto.url,
      AWS_REGION: "us-east-1",
      AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
      AWS_SECRET_ACCESS_KEY: "secret",
      AWS_EC2_METADATA_DISABLED: "true",
    },
    takeCounts: () => {
      const fresh = moto.requests.slice(seen).map(({ operation }) => operation);
      seen = moto.requests.length;
      const count = (name: string): number => fresh.filter((each) => each === name).length;
      const [publicKey, sign] = [count("GetPublicKey"), count("Sign")];
      return { publicKey, sign, others: fresh.length - publicKey - sign };
    },
    [Symbol.asyncDispose]: () => moto[Symbol.asyncDispose](),
  };
}

async function startGoogle(): Promise<KeyService> {
  const gcp = await startGcp();
  const credentials = join(folder, "account.json");
  writeFileSync(credentials, JSON.stringify(gcp.serviceAccount));
  let seen = 0;
  return {
    uri: "gcpkms://projects/p/locations/global/keyRings/r/cryptoKeys/release",
    env: { ...gcp.env, GOOGLE_APPLICATION_CREDENTIALS: credentials },
    takeCounts: () => {
      const fresh = gcp.requests.slice(seen).map(({ method }) => method);
      seen = gcp.requests.length;
      const count = (name: string): number => fresh.filter((each) => each === name).length;
      const [publicKey, sign] = [count("getPublicKey"), count("asymmetricSign")];
      // One token and one list of versions for a run.
      const others = fresh.length - publicKey - sign - 2;
      return { publicKey, sign, others: fresh.length === 0 ? 0 : others };
    },
    [Symbol.asyncDispose]: () => gcp[Symbol.asyncDispose](),
  };
}

async function startKeyVault(): Promise<KeyService> {
  const azure = await startAzure();
  azure.applications.set("application", "secret");
  let seen = 0;
  return {
    uri: `azurekms://${azure.vaultHost}/release`,
    env: {
      ...azure.env,
      AZURE_TENANT_ID: azure.tenant,
      AZURE_CLIENT_ID: "application",
      AZURE_CLIENT_SECRET: "secret",
    },
    takeCounts: () => {
      const fresh = azure.requests.slice(seen);
      seen = azure.requests.length;
      const count = (name: string): number =>
        fresh.filter(({ method, status }) => method === name && status === 200).length;
      const [publicKey, sign] = [count("getKey"), count("sign")];
      // One token for a run, and a challenge for each of the SDK's two clients.
      const challenges = fresh.filter(({ status }) => status === 401).length;
      const others = fresh.length - publicKey - sign - count("token") - challenges;
      return { publicKey, sign, others: challenges > 2 || count("token") > 1 ? -1 : others };
    },
    [Symbol.asyncDispose]: () => azure[Symbol.asyncDispose](),
  };
}

async function startTransit(): Promise<KeyService> {
  const vault = startVault();
  let seen = 0;
  return {
    uri: "hashivault://release",
    env: { VAULT_ADDR: vault.url, VAULT_TOKEN: "root" },
    takeCounts: () => {
      const fresh = vault.requests.slice(seen).map(({ method, path }) => `${method} ${path}`);
      seen = vault.requests.length;
      const count = (start: string): number =>
        fresh.filter((each) => each.startsWith(start)).length;
      const [publicKey, sign] = [count("GET transit/keys/"), count("POST transit/sign/")];
      return { publicKey, sign, others: fresh.length - publicKey - sign };
    },
    [Symbol.asyncDispose]: () => vault[Symbol.asyncDispose](),
  };
}
