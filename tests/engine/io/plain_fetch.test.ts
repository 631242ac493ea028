import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type PlainRequest, plainFetch } from "../../../engine/io/plain_fetch.ts";
import { CosignError } from "../../../engine/model/errors.ts";

interface Seen {
  readonly url: string;
  readonly authorization: string | undefined;
}

const seen: Seen[] = [];
const servers: Server[] = [];
let first = "";
let second = "";
let failures = 0;

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer((request, response) => {
    seen.push({ url: request.url ?? "", authorization: request.headers.authorization });
    answer(request, response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port");
  return `http://127.0.0.1:${address.port}`;
}

beforeAll(async () => {
  second = await serve((_, response) => response.end("from elsewhere"));
  first = await serve((request, response) => {
    const to = (location: string) => response.writeHead(302, { location }).end();
    switch (request.url) {
      case "/key":
        return response.end("the key");
      case "/away":
        return to(`${second}/key`);
      case "/loop":
        return to("/loop");
      case "/metadata":
        return to("http://169.254.169.254/latest/meta-data");
      case "/file":
        return to("file:///etc/passwd");
      case "/missing":
        return response.writeHead(404).end("no such key");
      case "/never":
        return;
      case "/flaky":
        failures += 1;
        return failures < 3
          ? response.writeHead(503, { "retry-after": "0" }).end()
          : response.end("at last");
      default:
        return response.writeHead(500).end();
    }
  });
});

afterAll(() => {
  for (const server of servers) server.close().closeAllConnections();
});

const get = (path: string, init?: PlainRequest) => plainFetch({})(`${first}${path}`, init);

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof CosignError ? error.code : "none";
}

describe("plainFetch()", () => {
  test("answers as fetch does, whatever the status", async () => {
    expect(await (await get("/key")).text()).toBe("the key");
    const missing = await get("/missing");
    expect([missing.status, missing.ok, await missing.text()]).toEqual([404, false, "no such key"]);
  });

  test("follows a redirect, and keeps headers at the origin they were meant for", async () => {
    seen.length = 0;
    const response = await get("/away", { headers: { authorization: "Bearer secret" } });
    expect(await response.text()).toBe("from elsewhere");
    expect(seen).toEqual([
      { url: "/away", authorization: "Bearer secret" },
      { url: "/key", authorization: undefined },
    ]);
  });

  test("does not follow for ever, to credentials of a cloud, or out of http", async () => {
    expect(await codeOf(get("/loop"))).toBe("REGISTRY_REDIRECT");
    expect(await codeOf(get("/metadata"))).toBe("REGISTRY_REDIRECT");
    expect(await codeOf(get("/file"))).toBe("REGISTRY_REDIRECT");
  });

  test("tries again what may pass, but no request that writes", async () => {
    failures = 0;
    expect(await (await get("/flaky")).text()).toBe("at last");
    failures = 0;
    expect((await get("/flaky", { method: "POST", body: "x" })).status).toBe(503);
    expect(failures).toBe(1);
  });

  test("reads no more, tries no more often and waits no longer than it is told", async () => {
    expect(await codeOf(get("/key", { limitBytes: 3 }))).toBe("LIMIT_EXCEEDED");
    failures = 0;
    expect((await get("/flaky", { attempts: 1 })).status).toBe(503);
    expect(failures).toBe(1);
    expect(await codeOf(get("/never", { timeoutMs: 50, attempts: 1 }))).toBe("REGISTRY_TIMEOUT");
  });

  test("gives up when its signal fires", async () => {
    const signal = AbortSignal.abort();
    expect(await codeOf(get("/key", { signal }))).not.toBe("none");
  });
});
