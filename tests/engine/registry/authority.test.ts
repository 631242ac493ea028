import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOf } from "../../../engine/crypto/hash.ts";
import { LocalShared } from "../../../engine/io/shared.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import { grantedScope } from "../../../engine/registry/authority.ts";
import type { RegistryOptions } from "../../../engine/registry/session.ts";
import type { Store } from "../../../engine/registry/store.ts";
import { startDockerRegistry } from "../../support/docker_registry.ts";
import { startEmbeddedRegistry } from "../../support/embedded_registry.ts";
import type { TestRegistry } from "../../support/registries.ts";
import { requires } from "../../support/requires.ts";
import { makeCertificates } from "../../support/tls_front.ts";
import { openForTest } from "./_open.ts";
import { type SeenRequest, withServer } from "./_server.ts";
import { startTokenServer, type TokenServer } from "./_token_server.ts";

setDefaultTimeout(60_000); // registries start slowly on a busy machine

const INDEX = "application/vnd.oci.image.index.v1+json";
const CONTENT = utf8(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [] }));
const DIGEST = digestOf(CONTENT);
const USER = { username: "me", password: "s:ecret" };

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "authority-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A file as docker keeps credentials in. */
function credentialFile(name: string, auths: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify({ auths }));
  return path;
}

const auth = (pair: string) => ({ auth: Buffer.from(pair).toString("base64") });

describe.each([
  ["docker-registry", () => startDockerRegistry({ users: { me: "s:ecret" } })],
  ["the embedded registry", () => startEmbeddedRegistry(USER)],
] as const)("Basic authentication on %s", (name, start) => {
  const testHere = name === "docker-registry" ? requires("docker-registry") : test;
  let server: TestRegistry;
  beforeAll(async () => {
    if (name !== "docker-registry" || Bun.which("docker-registry") !== null) server = await start();
  });
  afterAll(() => server?.close());

  testHere("user name and password of the options are used, once asked for", async () => {
    const meter = { requests: 0 };
    const store = openForTest(USER).repository({ registry: server.host, repository: "a/b" }, meter);
    await store.pushManifest(CONTENT, INDEX, "v1");
    expect(meter.requests).toBe(3); // https, http without credentials, http with them
    expect((await store.manifest("v1"))?.bytes).toEqual(CONTENT);
    expect(meter.requests).toBe(4);
    // docker-registry's catalog lists what has blobs.
    await store.pushBlob(CONTENT, DIGEST);
  });

  testHere("credentials of a file are used", async () => {
    const path = credentialFile("basic.json", { [server.host]: auth("me:s:ecret") });
    const registry = openForTest({}, { REGISTRY_AUTH_FILE: path });
    const store = registry.repository({ registry: server.host, repository: "a/b" });
    expect((await store.head("v1"))?.digest).toBe(DIGEST);
    const tags = registry.tags({ registry: server.host, repository: "a/b" });
    expect(await Array.fromAsync(tags)).toEqual(["v1"]);
    expect(await Array.fromAsync(registry.catalog(server.host))).toEqual(["a/b"]);
  });

  testHere("without credentials, or with wrong ones, it is REGISTRY_AUTH with a hint", async () => {
    const wrong = { username: "me", password: "wrong" };
    for (const options of [{}, wrong, { token: "a-token" }]) {
      const store = openForTest(options).repository({ registry: server.host, repository: "a/b" });
      await expect(store.manifest("v1")).rejects.toMatchObject({
        code: "REGISTRY_AUTH",
        hint: expect.stringContaining("docker login"),
      });
      await expect(store.pushBlob(CONTENT, DIGEST)).rejects.toMatchObject({
        code: "REGISTRY_AUTH",
      });
    }
  });
});

describe("Bearer tokens on docker-registry", () => {
  const testHere = requires("docker-registry", "openssl");
  let server: TestRegistry;
  let tokens: TokenServer;

  beforeAll(async () => {
    if (Bun.which("docker-registry") === null || Bun.which("openssl") === null) return;
    const { ca, certificate, key } = makeCertificates(folder);
    tokens = startTokenServer({
      certificate,
      key,
      issuer: "tests",
      users: { me: "secret" },
      identityTokens: ["refresh"],
    });
    const realm = `${tokens.url}/token`;
    server = await startDockerRegistry({
      token: { realm, service: "registry", issuer: "tests", certificates: ca },
    });
    const store = openForTest({ username: "me", password: "secret" }).repository({
      registry: server.host,
      repository: "a/b",
    });
    await store.pushBlob(CONTENT, DIGEST); // the catalog lists what has blobs
    await store.pushManifest(CONTENT, INDEX, "v1");
  });
  afterAll(async () => {
    await server?.close();
    await tokens?.close();
  });
  beforeEach(() => {
    tokens?.seen.splice(0);
    tokens?.scopes.splice(0);
  });

  const storeWith = (
    options: Partial<RegistryOptions>,
    env: Record<string, string> = {},
    meter = { requests: 0 },
  ): Store =>
    openForTest(options, env).repository({ registry: server.host, repository: "a/b" }, meter);

  testHere("without credentials an anonymous token is asked for, for pulling only", async () => {
    expect((await storeWith({}).manifest("v1"))?.bytes).toEqual(CONTENT);
    expect(tokens.scopes).toEqual(["repository:a/b:pull"]);
    expect(tokens.seen[0]?.headers.get("authorization")).toBeNull();
    expect(tokens.seen[0]?.path).toContain("service=registry");
  });

  testHere("one token serves all that is asked of a repository", async () => {
    const meter = { requests: 0 };
    const store = storeWith({}, {}, meter);
    await Promise.all(Array.from({ length: 20 }, () => store.manifest("v1")));
    await store.head("v1");
    expect(tokens.scopes).toEqual(["repository:a/b:pull"]);
  });

  testHere("pushing asks for pull,push, deleting for delete as well", async () => {
    const store = storeWith({ username: "me", password: "secret" });
    await store.pushManifest(CONTENT, INDEX, "v2");
    await store.manifest("v2");
    await store.remove(DIGEST);
    expect(tokens.scopes).toHaveLength(3);
    expect(tokens.scopes[0]?.split(":")[2]?.split(",").sort()).toEqual(["pull", "push"]);
    expect(tokens.scopes[1]).toBe("repository:a/b:pull");
    expect(tokens.scopes[2]).toContain("delete");
    await store.pushManifest(CONTENT, INDEX, "v1");
  });

  testHere("an identity token is exchanged by POST and never sent to the registry", async () => {
    const path = credentialFile("identity.json", {
      [server.host]: { identitytoken: "refresh" },
    });
    await storeWith({}, { REGISTRY_AUTH_FILE: path }).pushManifest(CONTENT, INDEX, "v1");
    expect(tokens.seen.map(({ method }) => method)).toEqual(["POST"]);
  });

  testHere("a catalog asks for the catalog's scope", async () => {
    const registry = openForTest({ username: "me", password: "secret" });
    expect(await Array.fromAsync(registry.catalog(server.host))).toEqual(["a/b"]);
    expect(tokens.scopes).toEqual(["registry:catalog:*"]);
  });

  testHere("a mount asks for a token that reads the other repository too", async () => {
    const blob = utf8("mounted");
    const digest = digestOf(blob);
    await storeWith({ username: "me", password: "secret" }).pushBlob(blob, digest);
    tokens.scopes.splice(0);
    const store = openForTest({ username: "me", password: "secret" }).repository({
      registry: server.host,
      repository: "c/d",
    });
    const source = {
      repository: { registry: server.host, repository: "a/b" },
      read: () => {
        throw new Error("Nobody reads what is mounted");
      },
    };
    const descriptor = { mediaType: INDEX, digest, sizeBytes: blob.length };
    expect(await store.pushBlobFrom(descriptor, source)).toBe("mounted");
    expect(tokens.scopes).toHaveLength(1);
    expect(tokens.scopes[0]?.split(" ").sort()).toEqual([
      "repository:a/b:pull",
      "repository:c/d:pull,push",
    ]);
  });

  testHere("wrong credentials are REGISTRY_AUTH, missing rights as well", async () => {
    const wrong = storeWith({ username: "me", password: "wrong" });
    await expect(wrong.manifest("v1")).rejects.toMatchObject({ code: "REGISTRY_AUTH" });
    const anonymous = storeWith({});
    const writing = anonymous.pushManifest(CONTENT, INDEX, "v1");
    await expect(writing).rejects.toMatchObject({ code: "REGISTRY_AUTH" });
  });

  testHere("threads share tokens, and each other's knowledge of the challenge", async () => {
    const shared = new LocalShared();
    const meter = { requests: 0 };
    for (let thread = 0; thread < 3; thread++) {
      const registry = openForTest({}, {}, shared);
      const store = registry.repository({ registry: server.host, repository: "a/b" }, meter);
      await store.manifest("v1");
    }
    expect(tokens.scopes).toHaveLength(1);
    expect(meter.requests).toBe(2 + 1 + 1 + 2); // https and http, the token, again with it; then one each
  });

  testHere("a token that is about to expire is not used any more", async () => {
    tokens.lifeSeconds = 1;
    try {
      const store = storeWith({});
      await store.manifest("v1");
      await Bun.sleep(950);
      await store.manifest("v1");
      expect(tokens.scopes).toHaveLength(2);
    } finally {
      tokens.lifeSeconds = 300;
    }
  });
});

/** A registry that takes the tokens it likes, and its token server, in one. */
function tokenRegistry(isGood: (authorization: string | null) => boolean) {
  let issued = 0;
  return (request: SeenRequest): Response => {
    if (request.path.startsWith("/token")) return Response.json({ token: `token-${++issued}` });
    if (isGood(request.headers.get("authorization"))) {
      return new Response(CONTENT, { headers: { "content-type": INDEX } });
    }
    const host = request.headers.get("host") ?? "";
    return new Response(null, {
      status: 401,
      headers: { "www-authenticate": `Bearer realm="http://${host}/token",service="s"` },
    });
  };
}

describe("tokens that are refused", () => {
  test("a 401 with a token forgets it and tries once more", async () => {
    const answer = tokenRegistry((authorization) => authorization === "Bearer token-2");
    await withServer(answer, async (server) => {
      const store = openForTest().repository({ registry: server.host, repository: "a/b" });
      expect((await store.manifest("v1"))?.descriptor.digest).toBe(DIGEST);
      expect(server.seen.map(({ headers }) => headers.get("authorization"))).toEqual([
        null,
        null,
        "Bearer token-1",
        null,
        "Bearer token-2",
      ]);
    });
  });

  test("a registry that refuses every token is not asked for ever", async () => {
    await withServer(
      tokenRegistry(() => false),
      async (server) => {
        const store = openForTest().repository({ registry: server.host, repository: "a/b" });
        await expect(store.manifest("v1")).rejects.toMatchObject({ code: "REGISTRY_AUTH" });
        expect(server.seen.length).toBeLessThanOrEqual(5);
      },
    );
  });

  test("--registry-token is sent as it is, once the registry asks for a token", async () => {
    const answer = tokenRegistry((authorization) => authorization === "Bearer mine");
    await withServer(answer, async (server) => {
      const registry = openForTest({ token: "mine" });
      const store = registry.repository({ registry: server.host, repository: "a/b" });
      expect((await store.manifest("v1"))?.descriptor.digest).toBe(DIGEST);
      expect(server.seen.map(({ path }) => path)).toEqual([
        "/v2/a/b/manifests/v1",
        "/v2/a/b/manifests/v1",
      ]);
    });
  });

  test.each([
    ["no token", {}],
    ["a token that breaks out of the header", { token: "a\r\nx-evil: 1" }],
    ["a token that is no text", { token: 5 }],
  ])("%s of a token server is REGISTRY_PROTOCOL", async (_name, body) => {
    const answer = (request: SeenRequest): Response => {
      if (request.path.startsWith("/token")) return Response.json(body);
      const host = request.headers.get("host") ?? "";
      const challenge = { "www-authenticate": `Bearer realm="http://${host}/token"` };
      return new Response(null, { status: 401, headers: challenge });
    };
    await withServer(answer, async (server) => {
      const store = openForTest().repository({ registry: server.host, repository: "a/b" });
      await expect(store.manifest("v1")).rejects.toMatchObject({ code: "REGISTRY_PROTOCOL" });
    });
  });

  test("a token server that is busy is asked again, and its errors keep their meaning", async () => {
    let busy = 1;
    const answer = (request: SeenRequest): Response => {
      if (request.path.startsWith("/token") && busy-- > 0)
        return new Response(null, { status: 429 });
      return tokenRegistry((authorization) => authorization !== null)(request);
    };
    await withServer(answer, async (server) => {
      const store = openForTest().repository({ registry: server.host, repository: "a/b" });
      expect((await store.manifest("v1"))?.descriptor.digest).toBe(DIGEST);
      busy = 100;
      const other = openForTest({ attempts: 2 }).repository({
        registry: server.host,
        repository: "a/b",
      });
      await expect(other.manifest("v1")).rejects.toMatchObject({ code: "REGISTRY_RATE_LIMITED" });
    });
  });
});

describe("grantedScope()", () => {
  test.each([
    [undefined, "repository:a/b:pull", "repository:a/b:pull"],
    ["", "repository:a/b:pull", "repository:a/b:pull"],
    ["repository:a/b:pull", "repository:a/b:pull,push", "repository:a/b:pull"],
    ["repository:a/b:push,pull", "repository:a/b:pull,push", "repository:a/b:push,pull"],
    // Only for what we are about to do, only in the repository that we speak of.
    ["repository:a/b:pull,push", "repository:a/b:pull", "repository:a/b:pull"],
    ["repository:victim/private:pull", "repository:a/b:pull", "repository:a/b:pull"],
    [
      "repository:a/b:pull repository:victim/private:pull",
      "repository:a/b:pull",
      "repository:a/b:pull",
    ],
    ["registry:catalog:*", "registry:catalog:*", "registry:catalog:*"],
    ["registry:catalog:*", "repository:a/b:pull", "repository:a/b:pull"],
  ])("grantedScope(%j, %j) is %j", (asked, needed, expected) => {
    expect(grantedScope(asked, needed)).toBe(expected);
  });
});
