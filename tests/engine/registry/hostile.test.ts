import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOf } from "../../../engine/crypto/hash.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import type { Registry } from "../../../engine/registry/session.ts";
import type { Store } from "../../../engine/registry/store.ts";
import { requires } from "../../support/requires.ts";
import { makeCertificates } from "../../support/tls_front.ts";
import { idle, openForTest } from "./_open.ts";
import { type SeenRequest, startServer, type TestServer } from "./_server.ts";

const INDEX = "application/vnd.oci.image.index.v1+json";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const CONTENT = utf8(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [] }));
const DIGEST = digestOf(CONTENT);
const BLOB = utf8("blob");
const BLOB_DESCRIPTOR = { mediaType: "x/y", digest: digestOf(BLOB), sizeBytes: 4 };
const SECRET = { username: "me", password: "secret" };
const MANIFEST_PATH = "/v2/a/b/manifests/v1";

type Answer = (request: SeenRequest, number: number) => Response | Promise<Response>;

/** The registry under test and the attacker's host. */
let registry: TestServer;
let attacker: TestServer;
let answerOfRegistry: Answer;
let answerOfAttacker: Answer;

beforeEach(() => {
  answerOfRegistry = () => new Response(null, { status: 404 });
  answerOfAttacker = () => new Response(CONTENT, { headers: { "content-type": INDEX } });
  registry = startServer((request, number) => answerOfRegistry(request, number));
  attacker = startServer((request, number) => answerOfAttacker(request, number));
});

afterEach(async () => {
  await registry.close();
  await attacker.close();
});

const open = (options = {}): Registry => openForTest({ ...SECRET, ...options });
const storeAt = (of: Registry = open(), meter = { requests: 0 }): Store =>
  of.repository({ registry: registry.host, repository: "a/b" }, meter);

/** Demands Basic credentials before it does what `answer` says. */
function behindPassword(answer: Answer): Answer {
  return (request, number) =>
    request.headers.has("authorization")
      ? answer(request, number)
      : new Response(null, { status: 401, headers: { "www-authenticate": 'Basic realm="r"' } });
}

/** That the attacker got nothing that is ours: no credentials, no header of the registry's protocol. */
function expectNothingLeaked(): void {
  for (const { headers } of attacker.seen) {
    expect(headers.get("authorization")).toBeNull();
    expect(headers.get("cookie")).toBeNull();
    expect(headers.get("if-match")).toBeNull();
    expect(headers.get("if-none-match")).toBeNull();
  }
}

describe("redirects", () => {
  test("a redirect of a manifest to another host carries no credentials there (GHSA-vh4v-2xq2-g5cg, sigstore-js 1718)", async () => {
    answerOfRegistry = behindPassword(
      () => new Response(null, { status: 307, headers: { location: `${attacker.url}/x` } }),
    );
    expect((await storeAt().manifest("v1"))?.descriptor.digest).toBe(DIGEST);
    expect(attacker.seen).toHaveLength(1);
    expectNothingLeaked();
  });

  test("a redirect of a blob to another host carries none either, and the blob is checked (CVE-2026-49349, GHSA-qvqc-4c52-x6qp)", async () => {
    answerOfRegistry = behindPassword(() => Response.redirect(`${attacker.url}/x`, 302));
    answerOfAttacker = () => new Response("evil");
    await expect(storeAt().blob(BLOB_DESCRIPTOR, 100)).rejects.toMatchObject({
      code: "DIGEST_MISMATCH",
    });
    expect(attacker.seen).toHaveLength(1);
    expectNothingLeaked();
  });

  test("credentials do not come back when a redirect leads home again", async () => {
    let homecoming: string | null | undefined;
    answerOfRegistry = behindPassword(() => Response.redirect(`${attacker.url}/x`, 302));
    const first = answerOfRegistry;
    answerOfRegistry = (request, number) => {
      if (request.path !== "/home") return first(request, number);
      homecoming = request.headers.get("authorization");
      return new Response(CONTENT, { headers: { "content-type": INDEX } });
    };
    answerOfAttacker = () => Response.redirect(`${registry.url}/home`, 302);
    await storeAt().manifest("v1");
    expect(homecoming).toBeNull();
  });

  test("a 401 of another host is not answered with our credentials", async () => {
    answerOfRegistry = () => Response.redirect(`${attacker.url}/x`, 302);
    answerOfAttacker = () =>
      new Response(null, { status: 401, headers: { "www-authenticate": 'Basic realm="r"' } });
    await expect(storeAt().manifest("v1")).rejects.toMatchObject({ code: "REGISTRY_AUTH" });
    expect(attacker.seen.length).toBeGreaterThan(0);
    expectNothingLeaked();
  });

  test.each(["/v2/again", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd"])(
    "a redirect to %s is REGISTRY_REDIRECT",
    async (location) => {
      answerOfRegistry = () => new Response(null, { status: 302, headers: { location } });
      await expect(storeAt().manifest("v1")).rejects.toMatchObject({ code: "REGISTRY_REDIRECT" });
      expect(registry.seen.length).toBeLessThanOrEqual(6);
    },
  );

  test("what is written is not redirected to another host (CVE-2026-50151, GHSA-jxpm-75mh-9fp7)", async () => {
    answerOfRegistry = behindPassword(
      () => new Response(null, { status: 307, headers: { location: `${attacker.url}/x` } }),
    );
    const writing = storeAt().pushManifest(CONTENT, INDEX, "v1", { ifMatch: '"x"' });
    await expect(writing).rejects.toMatchObject({ code: "REGISTRY_REDIRECT" });
    expect(attacker.seen).toHaveLength(0);
  });

  test("what is written follows a redirect of the registry to itself", async () => {
    answerOfRegistry = behindPassword((request) =>
      request.path === "/moved"
        ? new Response(request.body, { status: 201 })
        : new Response(null, { status: 307, headers: { location: "/moved" } }),
    );
    await storeAt().pushManifest(CONTENT, INDEX, "v1");
    const last = registry.seen.at(-1);
    expect(last?.path).toBe("/moved");
    expect(last?.body).toEqual(CONTENT);
    expect(last?.headers.get("authorization")).not.toBeNull();
  });
});

describe("uploads", () => {
  test("an upload's location at another host gets the blob, and no credentials (CVE-2026-50151, GHSA-jxpm-75mh-9fp7)", async () => {
    answerOfRegistry = behindPassword(
      () => new Response(null, { status: 202, headers: { location: `${attacker.url}/upload` } }),
    );
    answerOfAttacker = () => new Response(null, { status: 201 });
    await storeAt().pushBlob(BLOB, BLOB_DESCRIPTOR.digest);
    expect(attacker.seen.map(({ method }) => method)).toEqual(["PUT"]);
    expectNothingLeaked();
  });

  test("an upload's location must be a URL", async () => {
    answerOfRegistry = () => new Response(null, { status: 202 });
    const writing = storeAt().pushBlob(BLOB, BLOB_DESCRIPTOR.digest);
    await expect(writing).rejects.toMatchObject({ code: "REGISTRY_REDIRECT" });
  });

  test("an upload that breaks off is begun anew", async () => {
    let broken = 0;
    answerOfRegistry = ({ method }) => {
      if (method === "POST") {
        return new Response(null, { status: 202, headers: { location: `/upload/${broken}` } });
      }
      return broken++ === 0
        ? new Response(null, { status: 500 })
        : new Response(null, { status: 201 });
    };
    await storeAt().pushBlob(BLOB, BLOB_DESCRIPTOR.digest);
    expect(registry.seen.map(({ method, path }) => `${method} ${path.split("?")[0]}`)).toEqual([
      "POST /v2/a/b/blobs/uploads/",
      "PUT /upload/0",
      "POST /v2/a/b/blobs/uploads/",
      "PUT /upload/1",
    ]);
  });

  test("a blob goes in chunks where the registry does not take it at once", async () => {
    const content = new Uint8Array(20_000_000).map((_, index) => index & 255);
    const received: Uint8Array[] = [];
    answerOfRegistry = ({ method, body, headers, path }) => {
      const location = "/upload/1?state=x";
      if (method === "HEAD") return new Response(null, { status: 404 });
      if (method === "POST") {
        return new Response(null, {
          status: 202,
          headers: { location, "oci-chunk-min-length": "9000000" },
        });
      }
      if (method === "PATCH") {
        const start = received.reduce((sum, { length }) => sum + length, 0);
        expect(headers.get("content-range")).toBe(`${start}-${start + body.length - 1}`);
        received.push(body);
        return new Response(null, { status: 202, headers: { location } });
      }
      if (body.length > 0) return new Response(null, { status: 413 });
      expect(path).toContain("digest=");
      return new Response(null, { status: 201 });
    };
    await storeAt().pushBlob(content, digestOf(content));
    expect(received.map(({ length }) => length)).toEqual([9_000_000, 9_000_000, 2_000_000]);
    expect(digestOf(new Uint8Array(Buffer.concat(received)))).toBe(digestOf(content));
  });
});

test("a registry's name in capitals is the same registry: it gets its credentials", async () => {
  answerOfRegistry = behindPassword(
    () => new Response(CONTENT, { headers: { "content-type": INDEX } }),
  );
  const name = registry.host.replace("127.0.0.1", "LOCALHOST");
  const store = open().repository({ registry: name, repository: "a/b" });
  expect((await store.manifest("v1"))?.descriptor.digest).toBe(DIGEST);
});

describe("tokens", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "hostile-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const challenge = (realm: string, scope = ""): Response =>
    new Response(null, {
      status: 401,
      headers: { "www-authenticate": `Bearer realm="${realm}"${scope}` },
    });

  test("a realm at another host gets the credentials of the registry, not its own (CVE-2026-33540, CVE-2026-48978, CVE-2026-24845, CVE-2021-41092)", async () => {
    const path = join(folder, "config.json");
    const auth = (pair: string) => ({ auth: Buffer.from(pair).toString("base64") });
    const auths = { [registry.host]: auth("registry:1"), [attacker.host]: auth("realm:2") };
    writeFileSync(path, JSON.stringify({ auths }));
    answerOfRegistry = ({ headers }) =>
      headers.has("authorization")
        ? new Response(CONTENT, { headers: { "content-type": INDEX } })
        : challenge(`${attacker.url}/token`);
    answerOfAttacker = () => Response.json({ token: "t" });
    const store = storeAt(openForTest({}, { REGISTRY_AUTH_FILE: path }));
    await store.manifest("v1");
    expect(attacker.seen[0]?.headers.get("authorization")).toBe(
      `Basic ${Buffer.from("registry:1").toString("base64")}`,
    );
  });

  test.each([
    "http://169.254.169.254/token",
    "ftp://127.0.0.1/",
    "http://u:p@127.0.0.1/",
    "/token",
  ])("the realm %s is REGISTRY_REDIRECT", async (realm) => {
    answerOfRegistry = () => challenge(realm);
    await expect(storeAt().manifest("v1")).rejects.toMatchObject({ code: "REGISTRY_REDIRECT" });
  });

  test("a token server that redirects is not followed (CVE-2026-48978, GHSA-xf85-363p-868w)", async () => {
    answerOfRegistry = ({ path }) =>
      path.startsWith("/token")
        ? Response.redirect(`${attacker.url}/token`, 307)
        : challenge(`${registry.url}/token`);
    await expect(storeAt().manifest("v1")).rejects.toMatchObject({ code: "REGISTRY_REDIRECT" });
    expect(attacker.seen).toHaveLength(0);
  });

  test("a registry cannot make us fetch a token for another repository", async () => {
    answerOfRegistry = ({ path, headers }) => {
      if (path.startsWith("/token")) return Response.json({ token: "t" });
      return headers.has("authorization")
        ? new Response(CONTENT, { headers: { "content-type": INDEX } })
        : challenge(`${registry.url}/token`, ',scope="repository:victim/private:pull"');
    };
    await storeAt().manifest("v1");
    const asked = registry.seen.find(({ path }) => path.startsWith("/token"))?.path ?? "";
    expect(new URL(asked, registry.url).searchParams.getAll("scope")).toEqual([
      "repository:a/b:pull",
    ]);
  });

  test("a token of a megabyte is LIMIT_EXCEEDED", async () => {
    answerOfRegistry = ({ path }) =>
      path.startsWith("/token")
        ? Response.json({ token: "t".repeat(1_000_000) })
        : challenge(`${registry.url}/token`);
    await expect(storeAt().manifest("v1")).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  });
});

describe("https", () => {
  const testTls = requires("openssl");
  let folder = "";
  let caPem = "";
  let secure: TestServer;
  let answer: Answer;
  beforeAll(() => {
    if (Bun.which("openssl") === null) return;
    folder = mkdtempSync(join(tmpdir(), "hostile-tls-"));
    const { ca, certificate, key } = makeCertificates(folder);
    caPem = readFileSync(ca, "utf8");
    const tls = { cert: readFileSync(certificate, "utf8"), key: readFileSync(key, "utf8") };
    secure = startServer((request, number) => answer(request, number), tls);
  });
  afterAll(async () => {
    await secure?.close();
    if (folder !== "") rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    answer = () => new Response(CONTENT, { headers: { "content-type": INDEX } });
    secure?.seen.splice(0);
  });
  const secureStore = (options = {}, meter = { requests: 0 }): Store =>
    open(options).repository({ registry: secure.host, repository: "a/b" }, meter);

  testTls("an untrusted certificate is REGISTRY_TLS, and http is not tried after it", async () => {
    const meter = { requests: 0 };
    await expect(secureStore({}, meter).manifest("v1")).rejects.toMatchObject({
      code: "REGISTRY_TLS",
    });
    expect(meter.requests).toBe(1);
    expect(secure.seen).toHaveLength(0);
  });

  testTls("--registry-cacert and --allow-insecure-registry make it good", async () => {
    expect((await secureStore({ caPem }).manifest("v1"))?.descriptor.digest).toBe(DIGEST);
    const insecure = secureStore({ allowInsecure: true });
    expect((await insecure.manifest("v1"))?.descriptor.digest).toBe(DIGEST);
  });

  testTls("an https registry sends nobody to http: realm, redirect, upload", async () => {
    const refused = { code: "REGISTRY_REDIRECT" };
    const realm = `Bearer realm="${attacker.url}/token"`;
    answer = () => new Response(null, { status: 401, headers: { "www-authenticate": realm } });
    await expect(secureStore({ caPem }).manifest("v1")).rejects.toMatchObject(refused);
    answer = () => Response.redirect(`${attacker.url}/x`, 307);
    await expect(secureStore({ caPem }).manifest("v1")).rejects.toMatchObject(refused);
    answer = () =>
      new Response(null, { status: 202, headers: { location: `${attacker.url}/upload` } });
    const writing = secureStore({ caPem }).pushBlob(BLOB, BLOB_DESCRIPTOR.digest);
    await expect(writing).rejects.toMatchObject(refused);
    expect(attacker.seen).toHaveLength(0);
  });

  testTls("a registry that was https once is not spoken to by http later", async () => {
    const meter = { requests: 0 };
    const store = secureStore({ caPem, attempts: 1 }, meter);
    await store.manifest("v1");
    answer = () => new Response(null, { status: 500 });
    await expect(store.manifest("v1")).rejects.toMatchObject({ code: "REGISTRY_UNAVAILABLE" });
    expect(meter.requests).toBe(2);
  });

  test("credentials are not sent before the scheme is settled (CVE-2019-10214)", async () => {
    answerOfRegistry = () => new Response(CONTENT, { headers: { "content-type": INDEX } });
    await storeAt().manifest("v1");
    expect(registry.seen[0]?.headers.get("authorization")).toBeNull();
  });

  test("http is tried where it is allowed only", async () => {
    const meter = { requests: 0 };
    const outside = { registry: "registry.invalid", repository: "a/b" };
    const failing = open({ attempts: 1 }).repository(outside, meter).manifest("v1");
    await expect(failing).rejects.toMatchObject({ code: "REGISTRY_NETWORK" });
    expect(meter.requests).toBe(1);
  });
});

describe("answers", () => {
  const headers = { "content-type": INDEX };

  test.each([
    [400, "REGISTRY_PROTOCOL"],
    [401, "REGISTRY_AUTH"],
    [403, "REGISTRY_DENIED"],
    [418, "REGISTRY_PROTOCOL"],
    [429, "REGISTRY_RATE_LIMITED"],
    [500, "REGISTRY_UNAVAILABLE"],
    [501, "REGISTRY_UNAVAILABLE"],
    [503, "REGISTRY_UNAVAILABLE"],
    [204, "REGISTRY_PROTOCOL"],
  ] as const)("status %d of a manifest is %s, and never absence", async (status, code) => {
    answerOfRegistry = ({ path }) =>
      // The question that settles the scheme must not be refused as no HTTP.
      path.endsWith("/first")
        ? new Response(null, { status: 404 })
        : new Response(null, { status });
    const store = storeAt(open({ attempts: 1 }));
    await store.manifest("first");
    await expect(store.manifest("v1")).rejects.toMatchObject({ code });
    await expect(store.referrers(DIGEST)).rejects.toMatchObject({ code: expect.any(String) });
  });

  test("an error tells what the registry says, without control characters and not at length", async () => {
    const message = `no\u001b[31m way\u0000\n${"x".repeat(1000)}`;
    answerOfRegistry = () =>
      Response.json({ errors: [{ code: "DENIED", message }] }, { status: 403 });
    const error = await storeAt()
      .manifest("v1")
      .catch((caught: unknown) => caught);
    if (!(error instanceof Error)) throw new Error("It did not fail");
    expect(error.message).toContain(`read manifest "${registry.host}/a/b:v1"`);
    expect(error.message).toContain("DENIED: no [31m way");
    expect(error.message).not.toMatch(/\p{Cc}/u);
    expect(error.message.length).toBeLessThan(600);
  });

  test("an error body without end is cut, and the status counts (GHSA-f36w-mj3v-6jqv)", async () => {
    answerOfRegistry = () =>
      new Response(
        new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) }),
        { status: 403 },
      );
    await expect(storeAt().manifest("v1")).rejects.toMatchObject({ code: "REGISTRY_DENIED" });
  });

  test("a manifest that is too long is LIMIT_EXCEEDED, announced or not (CVE-2023-25656, GHSA-f36w-mj3v-6jqv)", async () => {
    answerOfRegistry = () => new Response(new Uint8Array(5_000_000), { headers });
    await expect(storeAt().manifest("v1")).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    answerOfRegistry = () =>
      new Response(
        new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) }),
        { headers },
      );
    await expect(storeAt().manifest("v1")).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  });

  test("a blob that is longer than its descriptor says is DIGEST_MISMATCH", async () => {
    answerOfRegistry = () =>
      new Response(
        new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) }),
      );
    await expect(storeAt().blob(BLOB_DESCRIPTOR, 100)).rejects.toMatchObject({
      code: "DIGEST_MISMATCH",
    });
  });

  test("a compressed answer is REGISTRY_PROTOCOL", async () => {
    answerOfRegistry = () =>
      new Response(Bun.gzipSync(new Uint8Array(CONTENT)), {
        headers: { ...headers, "content-encoding": "gzip" },
      });
    await expect(storeAt().manifest("v1")).rejects.toMatchObject({ code: "REGISTRY_PROTOCOL" });
  });

  test("a body that stops coming is REGISTRY_TIMEOUT", async () => {
    answerOfRegistry = () =>
      new Response(new ReadableStream({ pull: () => idle(60_000) }), { headers });
    const store = storeAt(open({ requestTimeoutMs: 100, attempts: 1 }));
    await expect(store.manifest("v1")).rejects.toMatchObject({ code: "REGISTRY_TIMEOUT" });
  });

  test("a manifest that does not hash to what was asked for is DIGEST_MISMATCH (CVE-2023-33959, GHSA-qv35-3gw6-8q4j)", async () => {
    answerOfRegistry = () => new Response("{}", { headers });
    await expect(storeAt().manifest(DIGEST)).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
  });

  test("a Docker-Content-Digest that lies is DIGEST_MISMATCH, by tag and by digest", async () => {
    const lie = digestOf(utf8("other"));
    answerOfRegistry = ({ method }) =>
      new Response(method === "HEAD" ? null : CONTENT, {
        headers: {
          ...headers,
          "docker-content-digest": lie,
          "content-length": `${CONTENT.length}`,
        },
      });
    const mismatch = { code: "DIGEST_MISMATCH" };
    await expect(storeAt().manifest("v1")).rejects.toMatchObject(mismatch);
    await expect(storeAt().manifest(DIGEST)).rejects.toMatchObject(mismatch);
    await expect(storeAt().head(DIGEST)).rejects.toMatchObject(mismatch);
    answerOfRegistry = () =>
      new Response(null, { status: 201, headers: { "docker-content-digest": lie } });
    await expect(storeAt().pushManifest(CONTENT, INDEX, "v1")).rejects.toMatchObject(mismatch);
  });

  test("a Docker-Content-Digest of SHA-512 is checked as that", async () => {
    const digest = digestOf(CONTENT, "sha512");
    answerOfRegistry = () =>
      new Response(CONTENT, { headers: { ...headers, "docker-content-digest": digest } });
    expect((await storeAt().manifest("v1"))?.descriptor.digest).toBe(digest);
  });

  /** GHSA-qq97-vm5h-rrhg: what is an index for one is an image for another. */
  test("a manifest that contradicts its Content-Type is REGISTRY_PROTOCOL", async () => {
    answerOfRegistry = () => new Response(CONTENT, { headers: { "content-type": MANIFEST } });
    await expect(storeAt().manifest("v1")).rejects.toMatchObject({ code: "REGISTRY_PROTOCOL" });
  });

  test("a Content-Type that says nothing leaves it to the manifest", async () => {
    answerOfRegistry = () =>
      new Response(CONTENT, { headers: { "content-type": "application/json; charset=utf-8" } });
    expect((await storeAt().manifest("v1"))?.descriptor.mediaType).toBe(INDEX);
  });

  test("a manifest of schema 1 is SCHEMA1_UNSUPPORTED", async () => {
    const schema1 = { "content-type": "application/vnd.docker.distribution.manifest.v1+prettyjws" };
    answerOfRegistry = () => new Response("{}", { headers: schema1 });
    await expect(storeAt().manifest("v1")).rejects.toMatchObject({ code: "SCHEMA1_UNSUPPORTED" });
  });

  test.each(["without a digest", "refused"])("head() asks by GET when HEAD is %s", async (how) => {
    answerOfRegistry = ({ method }) => {
      if (method === "GET") return new Response(CONTENT, { headers });
      return new Response(null, { status: how === "refused" ? 405 : 200, headers });
    };
    expect(await storeAt().head("v1")).toEqual({
      mediaType: INDEX,
      digest: DIGEST,
      sizeBytes: CONTENT.length,
    });
  });

  test.each([400, 405])(
    "deletion that is refused by %d is REGISTRY_UNSUPPORTED",
    async (status) => {
      answerOfRegistry = ({ method }) =>
        method === "DELETE"
          ? Response.json({ errors: [{ code: "UNSUPPORTED" }] }, { status })
          : new Response(null, { status: 404 });
      const store = storeAt();
      await store.manifest("first");
      await expect(store.remove(DIGEST)).rejects.toMatchObject({ code: "REGISTRY_UNSUPPORTED" });
    },
  );
});

describe("retries", () => {
  const good = (): Response => new Response(CONTENT, { headers: { "content-type": INDEX } });

  test.each([429, 500, 502, 503, 504])("status %d passes", async (status) => {
    answerOfRegistry = (_request, number) =>
      number === 1 ? new Response(null, { status }) : good();
    const meter = { requests: 0 };
    await storeAt(open(), meter).manifest("v1");
    expect(registry.seen).toHaveLength(2);
  });

  test("Retry-After is waited for, by all requests to the registry", async () => {
    answerOfRegistry = (_request, number) =>
      number === 2 ? new Response(null, { status: 429, headers: { "retry-after": "1" } }) : good();
    const store = storeAt();
    await store.manifest("v1");
    const startedMs = performance.now();
    await store.manifest("v1");
    expect(performance.now() - startedMs).toBeGreaterThan(990);
  });

  test("a connection that breaks in the body passes", async () => {
    let broken = true;
    const server = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        data: (socket, data) => {
          if (data[0] === 0x16) return void socket.end(); // a TLS handshake
          const length = `content-length: ${CONTENT.length}\r\ncontent-type: ${INDEX}\r\n\r\n`;
          socket.write(`HTTP/1.1 200 OK\r\n${length}`);
          socket.write(broken ? CONTENT.subarray(0, 10) : CONTENT);
          if (broken) socket.end();
          broken = false;
        },
      },
    });
    try {
      const host = `127.0.0.1:${server.port}`;
      const store = open().repository({ registry: host, repository: "a/b" });
      expect((await store.manifest("v1"))?.bytes).toEqual(CONTENT);
    } finally {
      server.stop(true);
    }
  });

  test("a registry that is not there is REGISTRY_NETWORK at once", async () => {
    await registry.close();
    const meter = { requests: 0 };
    const startedMs = performance.now();
    await expect(storeAt(open({ attempts: 6 }), meter).manifest("v1")).rejects.toMatchObject({
      code: "REGISTRY_NETWORK",
    });
    expect(meter.requests).toBe(2);
    expect(performance.now() - startedMs).toBeLessThan(1000);
  });

  test("a registry that goes away in the middle is waited for", async () => {
    answerOfRegistry = good;
    const meter = { requests: 0 };
    const store = storeAt(open({ attempts: 3 }), meter);
    await store.manifest("v1");
    await registry.close();
    meter.requests = 0;
    await expect(store.manifest("v1")).rejects.toMatchObject({ code: "REGISTRY_NETWORK" });
    expect(meter.requests).toBe(3);
  });

  test("what was refused is not asked again", async () => {
    answerOfRegistry = () => new Response(null, { status: 403 });
    await expect(storeAt().manifest("v1")).rejects.toMatchObject({ code: "REGISTRY_DENIED" });
    expect(registry.seen).toHaveLength(1);
  });
});

describe("listings", () => {
  const listTags = (): Promise<string[]> =>
    Array.fromAsync(open().tags({ registry: registry.host, repository: "a/b" }));

  test("tags() follows relative links, with and without quotes", async () => {
    answerOfRegistry = ({ path }) => {
      const page = Number(new URL(path, registry.url).searchParams.get("page") ?? 0);
      const rel = page % 2 === 0 ? "next" : '"next"';
      const link = page < 3 ? { link: `</v2/a/b/tags/list?page=${page + 1}>; rel=${rel}` } : {};
      return Response.json({ name: "a/b", tags: [`v${page}`] }, { headers: link });
    };
    expect(await listTags()).toEqual(["v0", "v1", "v2", "v3"]);
  });

  test("a page at another host is REGISTRY_REDIRECT, and nothing is asked there (go-containerregistry 2349)", async () => {
    const link = { link: `<${attacker.url}/v2/a/b/tags/list>; rel="next"` };
    answerOfRegistry = () => Response.json({ tags: ["v1"] }, { headers: link });
    await expect(listTags()).rejects.toMatchObject({ code: "REGISTRY_REDIRECT" });
    answerOfRegistry = () => Response.json({ repositories: ["a/b"] }, { headers: link });
    await expect(Array.fromAsync(open().catalog(registry.host))).rejects.toMatchObject({
      code: "REGISTRY_REDIRECT",
    });
    answerOfRegistry = () => new Response(CONTENT, { headers: { "content-type": INDEX, ...link } });
    await expect(storeAt().referrers(DIGEST)).rejects.toMatchObject({ code: "REGISTRY_REDIRECT" });
    expect(attacker.seen).toHaveLength(0);
  });

  test("a page whose path looks like another host is asked of the registry", async () => {
    const link = { link: `<${registry.url}//${attacker.host}/page>; rel="next"` };
    answerOfRegistry = ({ path }) =>
      path.endsWith("/page")
        ? Response.json({ tags: ["v2"] })
        : Response.json({ tags: ["v1"] }, { headers: link });
    expect(await listTags()).toEqual(["v1", "v2"]);
    expect(attacker.seen).toHaveLength(0);
  });

  test("pages that go in a circle are REGISTRY_PROTOCOL (CVE-2023-46737, CVE-2023-33958)", async () => {
    const link = { link: '</v2/a/b/tags/list?page=1>; rel="next"' };
    answerOfRegistry = () => Response.json({ tags: ["v1"] }, { headers: link });
    await expect(listTags()).rejects.toMatchObject({ code: "REGISTRY_PROTOCOL" });
  });

  test.each([
    ["a tag that is none", { tags: ["../../x"] }],
    ["tags that are no texts", { tags: [5] }],
    ["no list", { tags: "v1" }],
    ["no tags", {}],
  ])("%s is REGISTRY_PROTOCOL", async (_name, body) => {
    answerOfRegistry = () => Response.json(body);
    await expect(listTags()).rejects.toMatchObject({ code: "REGISTRY_PROTOCOL" });
  });

  test("a list that Go wrote as null is empty", async () => {
    answerOfRegistry = () => Response.json({ name: "a/b", tags: null });
    expect(await listTags()).toEqual([]);
  });

  test("a catalog with what is no repository is REGISTRY_PROTOCOL", async () => {
    answerOfRegistry = () => Response.json({ repositories: ["a/../../b"] });
    await expect(Array.fromAsync(open().catalog(registry.host))).rejects.toMatchObject({
      code: "REGISTRY_PROTOCOL",
    });
  });

  test("a registry without a catalog is REGISTRY_UNSUPPORTED", async () => {
    await expect(Array.fromAsync(open().catalog(registry.host))).rejects.toMatchObject({
      code: "REGISTRY_UNSUPPORTED",
    });
  });
});

describe("referrers", () => {
  const fallback = `/v2/a/b/manifests/sha256-${DIGEST.slice(7)}`;
  const entry = (name: string, more = {}) => ({
    mediaType: MANIFEST,
    digest: digestOf(utf8(name)),
    size: 10,
    ...more,
  });
  const index = (manifests: readonly unknown[], headers = {}): Response =>
    new Response(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests }), {
      headers: { "content-type": INDEX, ...headers },
    });
  const missing = (): Response => new Response("404 page not found", { status: 404 });

  test("referrers() reads all pages and drops no artifact type", async () => {
    answerOfRegistry = ({ path }) =>
      path.endsWith("page=2")
        ? index([entry("two", { artifactType: "application/vnd.oci.empty.v1+json" })])
        : index([entry("one")], { link: `</v2/a/b/referrers/${DIGEST}?page=2>; rel="next"` });
    const listed = await storeAt().referrers(DIGEST);
    expect(listed.map(({ digest }) => digest)).toEqual([
      digestOf(utf8("one")),
      digestOf(utf8("two")),
    ]);
    expect(listed[1]?.artifactType).toBe("application/vnd.oci.empty.v1+json");
  });

  test.each([
    ["404", missing],
    ["405", () => new Response(null, { status: 405 })],
    [
      "a page for everything",
      () => new Response("<html>", { headers: { "content-type": "text/html" } }),
    ],
  ])("referrers() of a registry that answers %s reads the fallback tag", async (_name, answer) => {
    answerOfRegistry = ({ path }) => (path === fallback ? index([entry("one")]) : answer());
    const store = storeAt();
    expect(await store.referrers(DIGEST)).toHaveLength(1);
    registry.seen.splice(0);
    expect(await store.referrers(DIGEST)).toHaveLength(1);
    expect(registry.seen.map(({ path }) => path)).toEqual([fallback]); // the API is asked once
  });

  test("referrers() of many who ask first asks for the API once", async () => {
    answerOfRegistry = ({ path }) => (path === fallback ? index([entry("one")]) : missing());
    const store = storeAt();
    await Promise.all(Array.from({ length: 10 }, () => store.referrers(DIGEST)));
    const api = registry.seen.filter(({ path }) => path.includes("/referrers/"));
    expect(api).toHaveLength(1);
  });

  test("an unknown repository says nothing of the API", async () => {
    answerOfRegistry = ({ path }) => {
      if (path.startsWith("/v2/a/b/")) {
        return Response.json({ errors: [{ code: "NAME_UNKNOWN" }] }, { status: 404 });
      }
      return index([entry("one")]);
    };
    const registryOfOne = open();
    expect(await storeAt(registryOfOne).referrers(DIGEST)).toEqual([]);
    const other = registryOfOne.repository({ registry: registry.host, repository: "c/d" });
    expect(await other.referrers(DIGEST)).toHaveLength(1);
  });

  test.each([
    [403, "REGISTRY_DENIED"],
    [429, "REGISTRY_RATE_LIMITED"],
    [500, "REGISTRY_UNAVAILABLE"],
  ])("status %d is %s and never an empty list", async (status, code) => {
    answerOfRegistry = () => new Response(null, { status });
    const store = storeAt(open({ attempts: 1 }));
    await expect(store.referrers(DIGEST)).rejects.toMatchObject({ code });
    // Nor is anything learned of it.
    answerOfRegistry = () => index([entry("one")]);
    expect(await store.referrers(DIGEST)).toHaveLength(1);
  });

  test("a listing that is malformed is REGISTRY_PROTOCOL", async () => {
    for (const bad of [{ digest: "sha256:x" }, { size: -1 }, { mediaType: 5 }]) {
      answerOfRegistry = () => index([entry("one", bad)]);
      await expect(storeAt().referrers(DIGEST)).rejects.toMatchObject({
        code: "REGISTRY_PROTOCOL",
      });
    }
  });

  test("a fallback tag that is no index is REGISTRY_PROTOCOL", async () => {
    const manifest = JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST });
    answerOfRegistry = ({ path }) =>
      path === fallback
        ? new Response(manifest, { headers: { "content-type": MANIFEST } })
        : missing();
    await expect(storeAt().referrers(DIGEST)).rejects.toMatchObject({ code: "REGISTRY_PROTOCOL" });
  });

  test("more referrers than anybody has are LIMIT_EXCEEDED (CVE-2023-46737, GHSA-vfp6-jrw2-99g9)", async () => {
    const many = Array.from({ length: 6000 }, (_, number) => entry(`${number}`));
    answerOfRegistry = ({ path }) =>
      path.endsWith("page=2")
        ? index(many)
        : index(many, { link: `</v2/a/b/referrers/${DIGEST}?page=2>; rel="next"` });
    await expect(storeAt().referrers(DIGEST)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  });

  test("announceReferrer() writes nothing where the registry lists the manifest itself", async () => {
    answerOfRegistry = ({ method }) =>
      method === "PUT"
        ? new Response(null, { status: 201, headers: { "oci-subject": DIGEST } })
        : missing();
    const store = storeAt();
    await store.manifest("first");
    const digest = digestOf(CONTENT);
    await store.pushManifest(CONTENT, INDEX, digest);
    registry.seen.splice(0);
    const referrer = { mediaType: INDEX, digest, sizeBytes: CONTENT.length };
    await store.announceReferrer(DIGEST, referrer, { idle });
    expect(registry.seen).toHaveLength(0);
  });
});

test("the path of a manifest is what was asked for", async () => {
  await storeAt().manifest("v1");
  expect(registry.seen[0]?.path).toBe(MANIFEST_PATH);
});
