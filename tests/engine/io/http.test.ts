import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import {
  type Exchange,
  type HttpRequest,
  httpClient,
  networkFault,
  readBody,
  redactUrl,
} from "../../../engine/io/http.ts";
import { CosignError, type ErrorCode } from "../../../engine/model/errors.ts";

const client = httpClient({ env: {} });
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

async function get(url: string, options: Partial<HttpRequest> = {}, limitBytes = 1000) {
  return text(await readBody(await client({ method: "GET", url, ...options }), limitBytes));
}

async function codeOf(promise: Promise<unknown>): Promise<ErrorCode> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof CosignError) return error.code;
    throw error;
  }
  throw new Error("It did not fail");
}

/** A server that says bytes, not HTTP. */
async function rawServer(onConnection: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    onConnection(socket);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/`,
    tlsUrl: `https://127.0.0.1:${port}/`,
    sockets,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe("httpClient()", () => {
  let server: ReturnType<typeof Bun.serve>;
  let base = "";
  beforeAll(() => {
    server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      idleTimeout: 0,
      fetch: async (request) => {
        const { pathname } = new URL(request.url);
        if (pathname === "/headers") return Response.json(Object.fromEntries(request.headers));
        if (pathname === "/redirect")
          return new Response(null, { status: 302, headers: { location: "/text" } });
        if (pathname === "/gzip") {
          return new Response(gzipSync("a".repeat(100)), {
            headers: { "content-encoding": "gzip" },
          });
        }
        if (pathname === "/echo") return new Response(await request.arrayBuffer());
        if (pathname === "/endless") {
          return new Response(
            new ReadableStream({
              pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024)),
            }),
          );
        }
        return new Response("text");
      },
    });
    base = `http://127.0.0.1:${server.port}`;
  });
  afterAll(() => server.stop(true));

  test("httpClient() asks for the body as it is and sends the headers it is given", async () => {
    const headers = JSON.parse(await get(`${base}/headers`, { headers: { "x-test": "1" } }));
    expect(headers["accept-encoding"]).toBe("identity");
    expect(headers["x-test"]).toBe("1");
  });

  test("httpClient() answers a redirect instead of following it", async () => {
    const response = await client({ method: "GET", url: `${base}/redirect` });
    expect(response.status).toBe(302);
    expect(response.headers.get("location")).toBe("/text");
    await readBody(response, 100);
  });

  test("httpClient() sends bytes, and a stream that is made anew", async () => {
    const body = new TextEncoder().encode("payload");
    expect(await get(`${base}/echo`, { method: "POST", body })).toBe("payload");
    const stream = () => new Blob([body]).stream();
    for (let i = 0; i < 2; i++) {
      const options = { method: "POST", body: stream, headers: { "content-length": "7" } };
      expect(await get(`${base}/echo`, options)).toBe("payload");
    }
  });

  test("readBody() refuses more than its limit, announced or not", async () => {
    expect(await get(`${base}/text`, {}, 4)).toBe("text");
    expect(await codeOf(get(`${base}/text`, {}, 3))).toBe("LIMIT_EXCEEDED");
    expect(await codeOf(get(`${base}/endless`, {}, 1_000_000))).toBe("LIMIT_EXCEEDED");
  });

  test("readBody() refuses a compressed body, so that no bomb goes off", async () => {
    expect(await codeOf(get(`${base}/gzip`, {}, 1_000_000))).toBe("REGISTRY_PROTOCOL");
  });

  test("httpClient() says REGISTRY_NETWORK of a refused connection and an unknown host", async () => {
    const closed = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    const { port } = closed;
    await closed.stop(true);
    const refused = await get(`http://127.0.0.1:${port}/`).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "REGISTRY_NETWORK" });
    expect(networkFault(refused)).toBe("refused");
    const unknown = await get("http://unknown.invalid/").catch((error: unknown) => error);
    expect(unknown).toMatchObject({ code: "REGISTRY_NETWORK" });
    expect(networkFault(unknown)).toBe("unresolved");
  });

  test("httpClient() says REGISTRY_NETWORK when the connection breaks, before and in the body", async () => {
    await using silent = await rawServer(
      (socket) => void socket.on("data", () => socket.destroy()),
    );
    expect(await codeOf(get(silent.url))).toBe("REGISTRY_NETWORK");
    await using truncating = await rawServer((socket) => {
      socket.on("data", () => {
        socket.end("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this");
      });
    });
    expect(await codeOf(get(truncating.url))).toBe("REGISTRY_NETWORK");
  });

  test("httpClient() says REGISTRY_TLS of a server that does not speak it", async () => {
    await using plain = await rawServer((socket) => {
      socket.on("data", () => socket.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"));
    });
    const error = await get(plain.tlsUrl).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "REGISTRY_TLS" });
    expect(networkFault(error)).toBe("no-tls");
  });

  test("httpClient() says REGISTRY_TIMEOUT when no header comes, and closes the connection", async () => {
    await using mute = await rawServer(() => {});
    expect(await codeOf(get(mute.url, { timeoutMs: 50 }))).toBe("REGISTRY_TIMEOUT");
  });

  test("readBody() says REGISTRY_TIMEOUT when a body stops, and not while it moves", async () => {
    await using stopping = await rawServer((socket) => {
      socket.once("data", () =>
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nonly this"),
      );
    });
    expect(await codeOf(get(stopping.url, { timeoutMs: 100 }))).toBe("REGISTRY_TIMEOUT");
    await using slow = await rawServer((socket) => {
      socket.once("data", () => {
        socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        let chunks = 0;
        const timer = setInterval(() => {
          socket.write("1\r\nx\r\n");
          if (++chunks < 10) return;
          clearInterval(timer);
          socket.end("0\r\n\r\n");
        }, 40);
      });
    });
    expect(await get(slow.url, { timeoutMs: 250 })).toBe("xxxxxxxxxx");
  });

  test("httpClient() ends when its signal fires, with the reason of the signal", async () => {
    await using mute = await rawServer(() => {});
    const controller = new AbortController();
    const waiting = codeOf(get(mute.url, { signal: controller.signal }));
    controller.abort(new CosignError("DEADLINE_EXCEEDED", "Cannot go on: out of time"));
    expect(await waiting).toBe("DEADLINE_EXCEEDED");
    expect(await codeOf(get(mute.url, { signal: AbortSignal.abort() }))).toBe("CANCELLED");
  });

  test("httpClient() tells its observer of each exchange, without secrets", async () => {
    const exchanges: Exchange[] = [];
    const observed = httpClient({
      env: {},
      onExchange: (exchange) => void exchanges.push(exchange),
    });
    await readBody(await observed({ method: "GET", url: `${base}/text?token=secret&n=5` }), 100);
    expect(exchanges).toHaveLength(1);
    expect(exchanges[0]).toMatchObject({ method: "GET", status: 200 });
    expect(exchanges[0]?.url).toBe(`${base}/text?token=REDACTED&n=5`);
  });

  test("httpClient() keeps connections alive", async () => {
    let connections = 0;
    await using counting = await rawServer((socket) => {
      connections++;
      socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
    });
    for (let i = 0; i < 10; i++) expect(await get(counting.url)).toBe("ok");
    expect(connections).toBe(1);
  });
});

describe("httpClient() through a proxy", () => {
  test("httpClient() goes where HTTP_PROXY says, and past it where NO_PROXY says", async () => {
    const seen: string[] = [];
    await using proxy = await rawServer((socket) => {
      socket.on("data", (data) => {
        seen.push(String(data));
        socket.end("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nproxy");
      });
    });
    const { host } = new URL(proxy.url);
    const proxied = httpClient({ env: { HTTP_PROXY: `http://me:p%40ss@${host}` } });
    const response = await proxied({ method: "GET", url: "http://registry.invalid/v2/" });
    expect(text(await readBody(response, 100))).toBe("proxy");
    expect(seen[0]).toStartWith("GET http://registry.invalid/v2/ HTTP/1.1");
    const credentials = Buffer.from("me:p@ss").toString("base64");
    expect(seen[0]?.toLowerCase()).toContain(
      `proxy-authorization: basic ${credentials.toLowerCase()}`,
    );
    const excepted = httpClient({
      env: { HTTP_PROXY: `http://${host}`, NO_PROXY: "registry.invalid" },
    });
    const direct = excepted({ method: "GET", url: "http://registry.invalid/v2/" });
    expect(await codeOf(direct)).toBe("REGISTRY_NETWORK");
    expect(seen).toHaveLength(1);
  });

  test("httpClient() tunnels https, and a proxy that refuses is a broken connection", async () => {
    const seen: string[] = [];
    await using proxy = await rawServer((socket) => {
      socket.on("data", (data) => {
        seen.push(String(data).split("\r\n", 1)[0] ?? "");
        socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
      });
    });
    const proxied = httpClient({ env: { HTTPS_PROXY: proxy.url } });
    const tunnel = proxied({ method: "GET", url: "https://registry.invalid/v2/" });
    expect(await codeOf(tunnel)).toBe("REGISTRY_NETWORK");
    expect(seen).toEqual(["CONNECT registry.invalid:443 HTTP/1.1"]);
  });
});

describe("redactUrl()", () => {
  test("redactUrl() hides credentials and values of queries, but for listings and digests", () => {
    expect(redactUrl("https://user:pass@a.example/x?sig=abc&n=10&digest=sha256:ab")).toBe(
      "https://a.example/x?sig=REDACTED&n=10&digest=sha256%3Aab",
    );
    expect(redactUrl("https://a.example/v2/a/b")).toBe("https://a.example/v2/a/b");
    expect(redactUrl("no url")).toBe('"no url"');
  });
});
