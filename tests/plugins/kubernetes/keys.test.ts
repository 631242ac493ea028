import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CoreV1Api, KubeConfig } from "@kubernetes/client-node";
import { readHostedPublicKey, readStoredPair, storeKeyPair } from "../../../engine/keys/hosted.ts";
import { builtinKey } from "../../support/builtin_key.ts";
import { storedPair } from "../../support/key_pairs.ts";
import { type KubernetesServer, startKubernetes } from "../../support/kubernetes_server.ts";

setDefaultTimeout(60_000); // the vendor's SDK is large

const TOKEN = "token-of-jane";
const URI = "k8s://team/release";
let cluster: KubernetesServer;
let dir: string;
let told: string[];

beforeEach(() => {
  cluster = startKubernetes();
  cluster.tokens.set(TOKEN, { name: "jane" });
  dir = mkdtempSync(join(tmpdir(), "kubernetes-"));
  writeFileSync(join(dir, "config"), JSON.stringify(config({ token: TOKEN })));
  told = [];
});
afterEach(async () => {
  await cluster[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

const config = (user: object) => ({
  "current-context": "test",
  clusters: [{ name: "test", cluster: { server: cluster.url, "insecure-skip-tls-verify": true } }],
  contexts: [{ name: "test", context: { cluster: "test", user: "jane" } }],
  users: [{ name: "jane", user }],
});
const keyAt = (uri = URI) =>
  builtinKey(uri, {
    env: { KUBECONFIG: join(dir, "config") },
    tell: (line) => told.push(line),
    warn: (line) => told.push(`warning: ${line}`),
  });
const sdk = (): CoreV1Api => {
  const vendor = new KubeConfig();
  vendor.loadFromString(JSON.stringify(config({ token: TOKEN })));
  return vendor.makeApiClient(CoreV1Api);
};

describe("key pairs in secrets of Kubernetes", () => {
  test("are secrets as cosign writes them: the vendor's own SDK reads them", async () => {
    const pair = await storedPair("ecdsa-p256", "hunter2");
    await storeKeyPair(await keyAt(), pair);
    const { data, immutable, type, metadata } = await sdk().readNamespacedSecret({
      namespace: "team",
      name: "release",
    });
    const base64 = (text: string) => new TextEncoder().encode(text).toBase64();
    expect({ data, immutable, type, name: metadata?.name }).toEqual({
      data: {
        "cosign.key": base64(pair.privatePem),
        "cosign.pub": base64(pair.publicPem),
        "cosign.password": base64("hunter2"),
      },
      immutable: true,
      type: "Opaque",
      name: "release",
    });
    expect(told).toEqual(["Successfully created secret release in namespace team"]);
  });

  test("are read where the vendor's own SDK wrote them", async () => {
    const { privatePem, publicPem, password } = await storedPair("ecdsa-p256", "hunter2");
    await sdk().createNamespacedSecret({
      namespace: "team",
      body: {
        metadata: { name: "release" },
        stringData: {},
        data: Object.fromEntries(
          Object.entries({
            "cosign.key": privatePem,
            "cosign.pub": publicPem,
            "cosign.password": password,
          }).map(([field, text]) => [field, new TextEncoder().encode(text).toBase64()]),
        ),
      },
    });
    expect(await readStoredPair(await keyAt())).toEqual({ privatePem, password });
    expect((await readHostedPublicKey(await keyAt())).type).toBe("ecdsa-p256");
  });

  test("are refused by the server as the vendor's own SDK understands it", async () => {
    await sdk().createNamespacedSecret({
      namespace: "team",
      body: { metadata: { name: "frozen" }, data: { a: "YQ==" }, immutable: true },
    });
    const change = { metadata: { name: "frozen" }, data: { a: "Yg==" }, immutable: true };
    const where = { namespace: "team", name: "frozen" };
    const codeOf = (call: Promise<unknown>) =>
      call.then(
        () => 200,
        (error: unknown) => Reflect.get(Object(error), "code"),
      );
    expect(await codeOf(sdk().replaceNamespacedSecret({ ...where, body: change }))).toBe(422);
    expect(await codeOf(sdk().createNamespacedSecret({ namespace: "team", body: change }))).toBe(
      409,
    );
    expect(await codeOf(sdk().readNamespacedSecret({ namespace: "team", name: "none" }))).toBe(404);
    cluster.tokens.set(TOKEN, { name: "jane", allows: () => false });
    expect(await codeOf(sdk().readNamespacedSecret(where))).toBe(403);
    cluster.tokens.clear();
    expect(await codeOf(sdk().readNamespacedSecret(where))).toBe(401);
  });

  test("go into a secret that is there, beside what else is in it", async () => {
    cluster.put("team/release", { username: "jane" });
    await storeKeyPair(await keyAt(), await storedPair("ecdsa-p256", "hunter2"));
    const secret = cluster.secrets.get("team/release");
    expect(Object.keys(secret?.data ?? {})).toEqual([
      "username",
      "cosign.key",
      "cosign.pub",
      "cosign.password",
    ]);
    expect(secret?.immutable).toBe(true);
    expect(told).toEqual(["Successfully created secret release in namespace team"]);
  });

  test("are replaced with a warning, never where they are immutable", async () => {
    cluster.put("team/release", { "cosign.key": "old" });
    await storeKeyPair(await keyAt(), await storedPair("ecdsa-p256", "hunter2"));
    expect(told[0]).toBe(`warning: Secret "${URI}" held a key pair already: it is replaced`);
    const before = cluster.secrets.get("team/release");
    const again = await storedPair("ecdsa-p256", "hunter2");
    await expect(keyAt().then((key) => storeKeyPair(key, again))).rejects.toMatchObject({
      code: "KEY_EXISTS",
    });
    expect(cluster.secrets.get("team/release")).toEqual(before);
  });

  test("do not overwrite what somebody else writes at the same time", async () => {
    cluster.put("team/release", { username: "jane" });
    cluster.fault = (request) => {
      if (request.method === "PUT") cluster.put("team/release", { username: "joe" });
      return undefined;
    };
    const pair = await storedPair("ecdsa-p256", "hunter2");
    await expect(keyAt().then((key) => storeKeyPair(key, pair))).rejects.toMatchObject({
      code: "KEY_EXISTS",
      message: expect.stringContaining("the object has been modified"),
    });
    expect(Object.keys(cluster.secrets.get("team/release")?.data ?? {})).toEqual(["username"]);
  });

  test("have names that cannot lead elsewhere", async () => {
    for (const uri of [
      "k8s://a",
      "k8s://a/b/c",
      "k8s:///b",
      "k8s://a/..",
      "k8s://A/b",
      "k8s://a/b?c",
    ]) {
      await expect(keyAt(uri).then(readHostedPublicKey)).rejects.toMatchObject({
        code: "USAGE",
        message: expect.stringContaining(
          "kubernetes specification should be in the format k8s://<namespace>/<secret>",
        ),
      });
    }
    expect(cluster.requests).toEqual([]);
  });

  test("are no answer of something else", async () => {
    for (const answer of ["<html>", '{"kind":"SecretList"}']) {
      cluster.fault = () => new Response(answer);
      await expect(keyAt().then(readHostedPublicKey)).rejects.toMatchObject({
        code: "KEY_SERVICE_PROTOCOL",
      });
    }
  });
});
