import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HttpClient, httpClient } from "../../../engine/io/http.ts";
import { readHostedPublicKey } from "../../../engine/keys/hosted.ts";
import type { PluginContext } from "../../../engine/plugin_host/contract.ts";
import { findAccess } from "../../../plugins/kubernetes/kubeconfig.ts";
import { builtinKey } from "../../support/builtin_key.ts";
import { storedPair } from "../../support/key_pairs.ts";
import { type KubernetesServer, startKubernetes } from "../../support/kubernetes_server.ts";
import { requires } from "../../support/requires.ts";
import { makeCertificates } from "../../support/tls_front.ts";

setDefaultTimeout(60_000); // programs start slowly on a busy machine

const TOKEN = "token-of-jane";
let cluster: KubernetesServer;
let dir: string;
let publicPem: string;

beforeEach(async () => {
  cluster = startKubernetes();
  cluster.tokens.set(TOKEN, { name: "jane" });
  dir = mkdtempSync(join(tmpdir(), "kubernetes-access-"));
  ({ publicPem } = await storedPair("ecdsa-p256", "x"));
  cluster.put("team/release", { "cosign.pub": publicPem });
});
afterEach(async () => {
  await cluster[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

const at = (name: string): string => join(dir, name);
const write = (name: string, content: object | string): string => {
  const text = typeof content === "string" ? content : JSON.stringify(content);
  writeFileSync(at(name), text);
  return at(name);
};
const config = (user: object, more: object = {}) => ({
  "current-context": "test",
  clusters: [{ name: "test", cluster: { server: cluster.url, ...more } }],
  contexts: [{ name: "test", context: { cluster: "test", user: "jane" } }],
  users: [{ name: "jane", user }],
});
const read = async (env: Readonly<Record<string, string>>) =>
  await readHostedPublicKey(await builtinKey("k8s://team/release", { env }));
const header = (name: string): string | null | undefined =>
  cluster.requests.at(-1)?.headers.get(name);

describe("the kubeconfig", () => {
  test("is ~/.kube/config when KUBECONFIG names none", async () => {
    mkdirSync(at(".kube"));
    write(".kube/config", config({ token: TOKEN }));
    expect((await read({ HOME: dir })).type).toBe("ecdsa-p256");
  });

  test("may be several: the first that says something stands, missing ones are passed over", async () => {
    const first = write("first", {
      clusters: [{ name: "test", cluster: { server: cluster.url } }],
      users: [{ name: "jane", user: { token: TOKEN } }],
    });
    const second = write("second", {
      ...config({ token: "another" }),
      clusters: [{ name: "test", cluster: { server: "http://127.0.0.1:1" } }],
    });
    await read({ KUBECONFIG: `${first}:${at("none")}:${second}` });
    expect(header("authorization")).toBe(`Bearer ${TOKEN}`);
  });

  test("names tokens, files of tokens, passwords, and whom we act for", async () => {
    write("token", `${TOKEN}\n`);
    for (const [user, authorization] of [
      [{ token: TOKEN }, `Bearer ${TOKEN}`],
      [{ tokenFile: "token", token: "old" }, `Bearer ${TOKEN}`],
      [{ "auth-provider": { name: "oidc", config: { "id-token": TOKEN } } }, `Bearer ${TOKEN}`],
      [{ username: "jane", password: "hunter2" }, "Basic amFuZTpodW50ZXIy"],
    ] as const) {
      const KUBECONFIG = write("config", config({ ...user, as: "release" }));
      await read({ KUBECONFIG }).catch(() => {}); // our server knows tokens only
      expect(header("authorization")).toBe(authorization);
      expect(header("impersonate-user")).toBe("release");
    }
  });

  test("says what is wrong with it, without a token", async () => {
    const broken = [
      ["users: [{name: x, user: {token: hunter2", "it is no YAML"],
      [{ ...config({}), clusters: [{ name: "test", cluster: {} }] }, "clusters.0.cluster.server"],
      [{ ...config({}), "current-context": "" }, "no current context"],
      [{ ...config({}), "current-context": "other" }, 'no context "other"'],
      [{ ...config({}), clusters: [] }, 'no cluster "test"'],
      [{ ...config({}), users: [] }, 'no user "jane"'],
      [config({ token: TOKEN }, { server: "unix:///x" }), "no plain http or https URL"],
      [config({ token: TOKEN }, { "proxy-url": "socks5://p" }), "proxy-url"],
      [config({ "client-key-data": "%" }), "no base64"],
      [config({ token: TOKEN }, { server: "http://cluster.example" }), "plain http"],
      [config({ tokenFile: "x" }, { server: "http://127.0.0.1.example" }), "plain http"],
    ] as const;
    for (const [content, says] of broken) {
      const KUBECONFIG = write("config", content);
      const error = await read({ KUBECONFIG }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "USAGE", message: expect.stringContaining(says) });
      expect(String(error)).not.toContain("hunter2");
    }
    expect(cluster.requests).toEqual([]);
  });
});

test("in a pod of the cluster, its service account is used", async () => {
  const env = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };
  const context = {
    env,
    readFile: (path: string) => Promise.reject(new Error(`nobody reads ${path} yet`)),
  };
  expect(await findAccess(context as unknown as PluginContext)).toEqual({
    cluster: {
      server: "https://[fd00::1]:443",
      "certificate-authority": "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
    },
    user: { tokenFile: "/var/run/secrets/kubernetes.io/serviceaccount/token" },
  });
});

describe("a credential plugin", () => {
  const exec = (more: object = {}) => ({
    exec: {
      apiVersion: "client.authentication.k8s.io/v1",
      command: "./login",
      args: ["get-token"],
      env: [{ name: "WHO", value: "jane" }],
      interactiveMode: "IfAvailable",
      installHint: "Get it from the vendor",
      ...more,
    },
  });
  const login = (answer: object | string): void => {
    const text = typeof answer === "string" ? answer : JSON.stringify(answer);
    write(
      "login",
      `#!/bin/sh\nprintf '%s %s %s' "$1" "$WHO" "$KUBERNETES_EXEC_INFO" >"${at("asked")}"\ncat <<'END'\n${text}\nEND\n`,
    );
    chmodSync(at("login"), 0o755);
  };
  const credential = (status: object, version = "v1") => ({
    apiVersion: `client.authentication.k8s.io/${version}`,
    kind: "ExecCredential",
    status,
  });

  test("beside the kubeconfig is asked as kubectl asks, and its token is shown", async () => {
    login(credential({ token: TOKEN }));
    const KUBECONFIG = write("config", config(exec({ provideClusterInfo: true })));
    await read({ KUBECONFIG, PATH: process.env["PATH"] ?? "" });
    expect(header("authorization")).toBe(`Bearer ${TOKEN}`);
    const [, args, info = ""] =
      /^(get-token jane) (.*)$/.exec(readFileSync(at("asked"), "utf8")) ?? [];
    expect(args).toBe("get-token jane");
    expect(JSON.parse(info)).toEqual({
      kind: "ExecCredential",
      apiVersion: "client.authentication.k8s.io/v1",
      spec: { interactive: false, cluster: { server: cluster.url } },
    });
  });

  test("may answer a certificate and its key, which go before those of the kubeconfig", async () => {
    const [certificate, key] = ["CERTIFICATE of the plugin", "KEY of the plugin"];
    login(credential({ clientCertificateData: certificate, clientKeyData: key }));
    const base64 = (text: string) => new TextEncoder().encode(text).toBase64();
    const own = { "client-certificate-data": base64("own"), "client-key": write("key", "own key") };
    const shown: unknown[] = [];
    const http: HttpClient = (request) => {
      shown.push(request.tls);
      return httpClient({ env: {} })(request);
    };
    for (const user of [{ ...exec(), ...own }, own]) {
      const KUBECONFIG = write("config", config(user));
      const env = { KUBECONFIG, PATH: process.env["PATH"] ?? "" };
      // Our server knows tokens only: what counts is what was shown to it.
      await expect(
        builtinKey("k8s://team/release", { env, http }).then(readHostedPublicKey),
      ).rejects.toMatchObject({ code: "KEY_SERVICE_AUTH" });
    }
    expect(shown).toEqual([
      { certificatePem: certificate, keyPem: key },
      { certificatePem: "own", keyPem: "own key" },
    ]);
  });

  test("that fails, is not there, or answers something else is told of", async () => {
    const cases = [
      ["nonsense", {}, "no ExecCredential"],
      [credential({ token: TOKEN }, "v1beta1"), {}, "another version"],
      [credential({ clientKeyData: "x" }), {}, "neither a token nor a certificate"],
      [credential({ token: TOKEN }), { command: "./nowhere" }, "there is no such program"],
      [
        credential({ token: TOKEN }),
        { command: "/bin/sh", args: ["-c", "echo no session >&2; exit 1"] },
        "no session",
      ],
      [credential({ token: TOKEN }), { interactiveMode: "Always" }, "wants a terminal"],
    ] as const;
    for (const [answer, more, says] of cases) {
      login(answer);
      const KUBECONFIG = write("config", config(exec(more)));
      await expect(read({ KUBECONFIG, PATH: process.env["PATH"] ?? "" })).rejects.toMatchObject({
        code: "KEY_SERVICE_AUTH",
        message: expect.stringContaining(says),
      });
    }
    const KUBECONFIG = write("config", config(exec({ apiVersion: "v1alpha1" })));
    await expect(read({ KUBECONFIG })).rejects.toMatchObject({ code: "USAGE" });
    expect(cluster.requests).toEqual([]);
  });
});

requires("openssl")(
  "certificates of the cluster are checked by what the kubeconfig says",
  async () => {
    const { ca, certificate, key } = makeCertificates(dir);
    await using secure = startKubernetes({
      tls: { cert: await readFile(certificate, "utf8"), key: await readFile(key, "utf8") },
    });
    secure.tokens.set(TOKEN, { name: "jane" });
    secure.put("team/release", { "cosign.pub": publicPem });
    const server = secure.url;
    const data = (await readFile(ca)).toString("base64");
    for (const more of [
      { "certificate-authority": "ca.pem" },
      { "certificate-authority-data": data },
      { "certificate-authority-data": data, "tls-server-name": "localhost" },
      { "insecure-skip-tls-verify": true },
    ]) {
      const KUBECONFIG = write("config", config({ token: TOKEN }, { server, ...more }));
      expect((await read({ KUBECONFIG })).type).toBe("ecdsa-p256");
    }
    for (const more of [{}, { "certificate-authority-data": data, "tls-server-name": "other" }]) {
      const KUBECONFIG = write("config", config({ token: TOKEN }, { server, ...more }));
      await expect(read({ KUBECONFIG })).rejects.toMatchObject({ code: "KEY_SERVICE_UNAVAILABLE" });
    }
  },
);
