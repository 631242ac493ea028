import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { storedPair } from "../support/key_pairs.ts";
import { type KubernetesUser, startKubernetes } from "../support/kubernetes_server.ts";
import { makeCertificates } from "../support/tls_front.ts";
import type { Counts, FixtureKey, RunningBackend, Trouble } from "./fixture.ts";
import { testKeyBackend } from "./keys.ts";

const TOKEN = "eyJhbGciOiJSUzI1NiJ9.token-of-the-contract";
const PASSWORD = "password-of-the-contract";
const TYPES = ["ecdsa-p256", "ed25519", "rsa-2048"] as const;
const uriOf = (name: string): string => `k8s://team/${name}`;

testKeyBackend({ name: "Kubernetes", scheme: "k8s", isHosted: false, start: startBackend });

async function startBackend(): Promise<RunningBackend> {
  const dir = mkdtempSync(join(tmpdir(), "contract-kubernetes-"));
  const { ca, certificate, key } = makeCertificates(dir);
  const cluster = startKubernetes({
    tls: { cert: readFileSync(certificate, "utf8"), key: readFileSync(key, "utf8") },
  });
  cluster.tokens.set(TOKEN, { name: "jane" });
  for (const type of TYPES) {
    const { privatePem, publicPem, password } = await storedPair(type, PASSWORD);
    const fields = {
      "cosign.key": privatePem,
      "cosign.pub": publicPem,
      "cosign.password": password,
    };
    cluster.put(`team/${type}`, fields, true);
  }
  cluster.put("team/other", { username: "jane" });
  const config = (name: string, server: string, token = TOKEN): string => {
    const path = join(dir, name);
    const cluster = { server, "certificate-authority": ca };
    const context = { cluster: "test", user: "jane" };
    const file = {
      apiVersion: "v1",
      kind: "Config",
      "current-context": "test",
      clusters: [{ name: "test", cluster }],
      contexts: [{ name: "test", context }],
      users: [{ name: "jane", user: { token } }],
    };
    writeFileSync(path, JSON.stringify(file));
    return path;
  };
  const uri = uriOf(TYPES[0]);
  const as = (user: KubernetesUser) => () => {
    cluster.tokens.set(TOKEN, user);
    return () => void cluster.tokens.set(TOKEN, { name: "jane" });
  };
  let seen = 0;
  return {
    env: { KUBECONFIG: config("config", cluster.url), COSIGN_PASSWORD: PASSWORD },
    keys: TYPES.map(
      (type): FixtureKey => ({
        uri: uriOf(type),
        type,
        ...(type === "ed25519" ? {} : { digest: "sha256" }),
      }),
    ),
    newKey: { uri: uriOf("new"), type: "ecdsa-p256", digest: "sha256" },
    unreachable: { uri, env: { KUBECONFIG: config("nobody", "https://127.0.0.1:1") } },
    secrets: [TOKEN, PASSWORD],
    faults: [
      {
        name: "there is no kubeconfig",
        uri,
        env: { KUBECONFIG: "/nowhere/config" },
        code: "USAGE",
        says: /Set KUBECONFIG \(looked for: \/nowhere\/config\)/,
      },
      {
        name: "the token has expired",
        uri,
        env: { KUBECONFIG: config("expired", cluster.url, "token-of-yesterday") },
        code: "KEY_SERVICE_AUTH",
        says: /may have expired/,
      },
      {
        name: "the user may not read the secret",
        uri,
        arrange: as({ name: "jane", allows: () => false }),
        code: "KEY_DENIED",
        says: /User "jane" cannot get resource "secrets"[\s\S]*must allow the verb get on the resource secrets/,
      },
      {
        name: "the user may make no secrets",
        uri: uriOf("another"),
        command: "generate-key-pair",
        arrange: as({ name: "jane", allows: (verb) => verb === "get" }),
        code: "KEY_DENIED",
        says: /namespace "team" must allow the verb create on the resource secrets/,
      },
      {
        name: "the user may change no secrets",
        uri: uriOf("other"),
        command: "generate-key-pair",
        arrange: as({ name: "jane", allows: (verb) => verb === "get" }),
        code: "KEY_DENIED",
        says: /must allow the verb update on the resource secrets/,
      },
      {
        name: "there is no such secret",
        uri: uriOf("none"),
        code: "KEY_NOT_FOUND",
        says: /secrets "none" not found/,
      },
      {
        name: "there is no such namespace",
        uri: "k8s://nowhere/new",
        command: "generate-key-pair",
        code: "KEY_NOT_FOUND",
        says: /namespaces "nowhere" not found[\s\S]*kubectl create namespace nowhere/,
      },
      {
        name: "the secret is immutable",
        uri,
        command: "generate-key-pair",
        code: "KEY_EXISTS",
        says: /it exists already, and is immutable/,
      },
      {
        name: "the secret has other fields",
        uri: uriOf("other"),
        command: "sign-blob",
        code: "KEY_NOT_FOUND",
        says: /no field "cosign\.password"[\s\S]*Its fields are: username/,
      },
      {
        name: "the URI is none",
        uri: "k8s://team/a/b",
        code: "USAGE",
        says: /should be in the format k8s:\/\/<namespace>\/<secret>/,
      },
    ],
    takeCounts: (): Counts => {
      const fresh = cluster.requests.slice(seen);
      seen = cluster.requests.length;
      const read = fresh.filter(({ method, status }) => method === "GET" && status === 200);
      return { publicKey: read.length, sign: 0, attempts: fresh.length };
    },
    trouble: (what) => {
      cluster.fault = faultOf(what, () => {
        cluster.fault = undefined;
      });
    },
    close: async () => {
      await cluster[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true });
    },
  };
}

/** As priority and fairness of the API server turns requests away. */
function faultOf(what: Trouble | undefined, end: () => void) {
  const busy = (): Response =>
    Response.json(
      {
        kind: "Status",
        status: "Failure",
        message: "too many requests, please try again later",
        reason: "TooManyRequests",
        code: 429,
      },
      { status: 429, headers: { "retry-after": "1" } },
    );
  const once = (): Response => {
    end();
    return busy();
  };
  const silence = (): Promise<Response> => new Promise(() => {});
  return what === undefined
    ? undefined
    : { "throttle-once": once, throttle: busy, silence, lie: undefined }[what];
}
