import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type RegistryServer,
  type RegistryServerOptions,
  serveRegistry,
} from "../../../../engine/registry/server/serve.ts";
import { ask, beginUpload, codeOf, digestOf, follow } from "./_client.ts";

let dir: string;
let servers: RegistryServer[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "registry-serve-"));
  servers = [];
});
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
  rmSync(dir, { recursive: true, force: true });
});

async function start(options: Partial<RegistryServerOptions> = {}) {
  const server = await serveRegistry({ dir, hostname: "127.0.0.1", port: 0, ...options });
  servers.push(server);
  return { ...server, host: server.url.slice("http://".length) };
}

describe("serveRegistry()", () => {
  test("serveRegistry() takes a free port for 0 and says which", async () => {
    const server = await start();
    expect(server.port).toBeGreaterThan(0);
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
  });

  test("serveRegistry() listens on IPv6, in brackets", async () => {
    const server = await start({ hostname: "::1" });
    expect(server.url).toBe(`http://[::1]:${server.port}`);
    expect((await fetch(`${server.url}/v2/`)).status).toBe(200);
  });

  test("serveRegistry() says USAGE when the port is taken", async () => {
    const { port } = await start();
    await expect(start({ port })).rejects.toMatchObject({ code: "USAGE" });
  });

  test("serveRegistry() answers /v2/ and /v2 with 200", async () => {
    const server = await start();
    for (const path of ["/v2/", "/v2"]) {
      const response = await fetch(`${server.url}${path}`);
      expect([response.status, await response.json()]).toEqual([200, {}]);
    }
  });

  test.each([
    ["POST", ""],
    ["PUT", "_catalog"],
    ["DELETE", "a/tags/list"],
    ["POST", "a/manifests/v1"],
    ["PUT", `a/blobs/${digestOf("x")}`],
    ["GET", "a/blobs/uploads/"],
    ["DELETE", `a/referrers/${digestOf("x")}`],
  ])(
    "serveRegistry() answers %s of /v2/%s with 405 UNSUPPORTED and what is allowed",
    async (method, path) => {
      const response = await ask(await start(), method, path);
      expect([response.status, await codeOf(response)]).toEqual([405, "UNSUPPORTED"]);
      expect(response.headers.get("allow")).not.toBe(null);
    },
  );

  test("a refusal is JSON as the specification has it", async () => {
    const response = await ask(await start(), "GET", "a/manifests/v1");
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toEqual({
      errors: [
        {
          code: "NAME_UNKNOWN",
          message: "repository name not known to registry",
          detail: { name: "a" },
        },
      ],
    });
  });

  test("serveRegistry() answers what it refuses without reading a large body to its end", async () => {
    const server = await start();
    const head = "PUT /v2/a/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n";
    const socket = connect(server.port, "127.0.0.1");
    const answered = new Promise<string>((resolve) =>
      socket.once("data", (data) => resolve(data.toString())),
    );
    socket.write(head);
    socket.write("x".repeat(1000));
    expect(await answered).toStartWith("HTTP/1.1 413");
    socket.destroy();
  });

  test("a connection is used again, also after a refusal that read no body", async () => {
    const server = await start();
    const socket = connect(server.port, "127.0.0.1");
    const answers: string[] = [];
    const three = new Promise<void>((resolve) =>
      socket.on("data", (data) => {
        answers.push(...data.toString().split(/^(?=HTTP\/1\.1 )/m));
        if (answers.length === 3) resolve();
        else socket.write("GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n");
      }),
    );
    socket.write("DELETE /v2/a/manifests/v1 HTTP/1.1\r\nHost: x\r\n\r\n");
    await three;
    expect(answers.map((answer) => answer.slice(9, 12))).toEqual(["404", "200", "200"]);
    socket.destroy();
  });

  test("log gets a line about each request", async () => {
    const lines: string[] = [];
    const server = await start({ log: (line) => lines.push(line) });
    await ask(server, "GET", "a/tags/list?n=1");
    expect(lines).toEqual([expect.stringMatching(/^GET \/v2\/a\/tags\/list\?n=1 404 \d+ms$/)]);
  });

  test("close() breaks off what is under way and returns when the directory is left alone", async () => {
    const server = await start();
    const location = await beginUpload(server, "a");
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => controller.enqueue(new Uint8Array(10)),
    });
    const upload = follow(server, "PATCH", location, { body }).then(
      () => "answered",
      () => "broken off",
    );
    while ((await follow(server, "GET", location)).headers.get("range") !== "0-9") {}
    await server.close();
    expect(await upload).toBe("broken off");
    rmSync(dir, { recursive: true });
  });
});

describe("authentication", () => {
  const basic = (text: string) => ({
    Authorization: `Basic ${Buffer.from(text).toString("base64")}`,
  });

  test("checkCredentials() challenges whoever does not say the password", async () => {
    const server = await start({ username: "user", password: "pässword:1" });
    for (const headers of [
      {},
      basic("user:wrong"),
      basic("user:"),
      basic(":"),
      { Authorization: "Bearer x" },
    ] as Record<string, string>[]) {
      const response = await ask(server, "GET", "", { headers });
      expect([response.status, await codeOf(response)]).toEqual([401, "UNAUTHORIZED"]);
      expect(response.headers.get("www-authenticate")).toStartWith("Basic realm=");
    }
  });

  test("checkCredentials() lets in who says it, on every endpoint", async () => {
    const server = await start({ username: "user", password: "pässword:1" });
    const headers = basic("user:pässword:1");
    expect((await ask(server, "GET", "", { headers })).status).toBe(200);
    expect((await ask(server, "POST", "a/blobs/uploads/", { headers })).status).toBe(202);
    expect((await ask(server, "POST", "a/blobs/uploads/")).status).toBe(401);
  });

  test("serveRegistry() refuses a username without a password", async () => {
    const options = { dir, hostname: "127.0.0.1", port: 0, username: "user" };
    await expect(serveRegistry(options)).rejects.toThrow(TypeError);
  });
});
