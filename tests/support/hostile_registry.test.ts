import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { connect } from "node:net";
import { startEmbeddedRegistry } from "./embedded_registry.ts";
import {
  type Fault,
  type FaultyProxy,
  isUnlucky,
  type SeenRequest,
  startFaultyProxy,
  startWitness,
} from "./hostile_registry.ts";
import type { TestRegistry } from "./registries.ts";

const CONTENT = "a blob that is twenty bytes and more";
const DIGEST = digestOf(CONTENT);
const BLOB = `/v2/a/blobs/${DIGEST}`;

let registry: TestRegistry;
let upstream: string;
let proxy: FaultyProxy | undefined;
beforeAll(async () => {
  registry = await startEmbeddedRegistry();
  upstream = `http://${registry.host}`;
  const url = `${upstream}/v2/a/blobs/uploads/?digest=${DIGEST}`;
  await fetch(url, { method: "POST", body: CONTENT });
});
afterEach(async () => {
  await proxy?.close();
  proxy = undefined;
});
afterAll(() => registry.close());

function digestOf(content: string): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

async function startWith(fault: Fault | undefined): Promise<string> {
  proxy = await startFaultyProxy({ upstream, fault: () => fault });
  return proxy.url;
}

const manual = { redirect: "manual" } as const;

describe("startFaultyProxy()", () => {
  test("startFaultyProxy() hands on what it is not told to spoil, and writes it down", async () => {
    const url = await startWith(undefined);
    const digest = digestOf("pushed through");
    const pushed = await fetch(`${url}/v2/a/blobs/uploads/?digest=${digest}`, {
      method: "POST",
      body: "pushed through",
      headers: { Authorization: "Basic eDp5" },
    });
    expect(pushed.status).toBe(201);
    const response = await fetch(`${url}${BLOB}`);
    expect(response.headers.get("docker-content-digest")).toBe(DIGEST);
    expect(await response.text()).toBe(CONTENT);
    expect((await fetch(`${url}${BLOB}`, { method: "HEAD" })).headers.get("content-length")).toBe(
      String(CONTENT.length),
    );
    expect(
      proxy?.requests.map(({ method, url: path, repeats }) => [method, path, repeats]),
    ).toEqual([
      ["POST", `/v2/a/blobs/uploads/?digest=${digest}`, 0],
      ["GET", BLOB, 0],
      ["HEAD", BLOB, 0],
    ]);
    expect(proxy?.requests[0]?.headers.authorization).toBe("Basic eDp5");
  });

  test("fault is asked about each request, with its number", async () => {
    proxy = await startFaultyProxy({
      upstream,
      fault: (_, n) => (n < 2 ? { kind: "status", status: 503 } : undefined),
    });
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await fetch(`${proxy.url}${BLOB}`)).status);
    expect(statuses).toEqual([503, 503, 200]);
    expect(proxy.requests.map(({ repeats }) => repeats)).toEqual([0, 1, 2]);
  });

  test("status and challenge stand in for the registry's answer", async () => {
    const date = new Date(Date.UTC(2030, 0, 1));
    for (const [retryAfter, header] of [
      [undefined, null],
      [7, "7"],
      [date, "Tue, 01 Jan 2030 00:00:00 GMT"],
    ] as const) {
      const fault: Fault = { kind: "status", status: 429, ...(retryAfter && { retryAfter }) };
      const response = await fetch(`${await startWith(fault)}${BLOB}`);
      expect([response.status, response.headers.get("retry-after")]).toEqual([429, header]);
      await proxy?.close();
    }
    const wwwAuthenticate = 'Bearer realm="https://evil.example/token"';
    const url = await startWith({ kind: "challenge", wwwAuthenticate });
    const response = await fetch(`${url}${BLOB}`);
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toBe(wwwAuthenticate);
  });

  test("drop breaks the connection, before or after the registry did what was asked", async () => {
    for (const [applied, status] of [
      [false, 404],
      [true, 200],
    ] as const) {
      const url = await startWith({ kind: "drop", applied });
      const content = `dropped ${applied}`;
      const query = `digest=${digestOf(content)}`;
      const pushed = fetch(`${url}/v2/a/blobs/uploads/?${query}`, {
        method: "POST",
        body: content,
      });
      await expect(pushed).rejects.toThrow();
      const there = await fetch(`${upstream}/v2/a/blobs/${digestOf(content)}`);
      expect(there.status).toBe(status);
      await proxy?.close();
    }
  });

  test("stall gives no answer, until the client has enough", async () => {
    const url = await startWith({ kind: "stall" });
    const asked = fetch(`${url}${BLOB}`, { signal: AbortSignal.timeout(50) });
    await expect(asked).rejects.toMatchObject({ name: "TimeoutError" });
  });

  test("truncate breaks the body off behind the bytes that it is given", async () => {
    await startWith({ kind: "truncate", afterBytes: 7 });
    const answer = await readRaw(`GET ${BLOB} HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(answer.toLowerCase()).toContain(`content-length: ${CONTENT.length}\r\n`);
    expect(answer.slice(answer.indexOf("\r\n\r\n") + 4)).toBe(CONTENT.slice(0, 7));
    const asked = fetch(`${proxy?.url}${BLOB}`).then((response) => response.text());
    await expect(asked).rejects.toThrow();
  });

  test("endless does not end", async () => {
    const response = await fetch(`${await startWith({ kind: "endless" })}${BLOB}`);
    expect(response.headers.get("content-length")).toBeNull();
    const reader = response.body?.getReader();
    let sizeBytes = 0;
    while (sizeBytes < 4_000_000) sizeBytes += (await reader?.read())?.value?.length ?? 0;
    await reader?.cancel();
  });

  test("slow sends the whole body, piece by piece", async () => {
    const url = await startWith({ kind: "slow", everyMs: 50, chunkBytes: 10 });
    const response = await fetch(`${url}${BLOB}`);
    let pieces = 0;
    let text = "";
    for await (const chunk of response.body ?? []) {
      text += new TextDecoder().decode(chunk);
      pieces += 1;
    }
    expect(text).toBe(CONTENT);
    expect(pieces).toBeGreaterThan(1);
  });

  test("body sends other bytes of the right length, or any", async () => {
    const changed = await fetch(`${await startWith({ kind: "body" })}${BLOB}`);
    const text = await changed.text();
    expect(text).toHaveLength(CONTENT.length);
    expect(text.slice(0, -1)).toBe(CONTENT.slice(0, -1));
    expect(text).not.toBe(CONTENT);
    expect(changed.headers.get("docker-content-digest")).toBe(DIGEST);
    await proxy?.close();
    const other = await fetch(`${await startWith({ kind: "body", content: "other" })}${BLOB}`);
    expect([other.status, await other.text()]).toEqual([200, "other"]);
  });

  test("digest and headers lie about an honest body", async () => {
    const lied = await fetch(`${await startWith({ kind: "digest" })}${BLOB}`);
    expect(lied.headers.get("docker-content-digest")).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(lied.headers.get("docker-content-digest")).not.toBe(DIGEST);
    expect(await lied.text()).toBe(CONTENT);
    await proxy?.close();
    const headers = { "Content-Type": "text/html", "Docker-Content-Digest": null };
    const other = await fetch(`${await startWith({ kind: "headers", headers })}${BLOB}`);
    expect(other.headers.get("content-type")).toBe("text/html");
    expect(other.headers.get("docker-content-digest")).toBeNull();
  });

  test("redirect and loop send the client away", async () => {
    const away = { kind: "redirect", location: "http://169.254.169.254/", status: 302 } as const;
    const response = await fetch(`${await startWith(away)}${BLOB}`, manual);
    expect([response.status, response.headers.get("location")]).toEqual([302, away.location]);
    await proxy?.close();
    const loop = await fetch(`${await startWith({ kind: "loop" })}${BLOB}`, manual);
    expect([loop.status, loop.headers.get("location")]).toEqual([307, BLOB]);
  });

  test("location and link point to another host", async () => {
    const witness = await startWitness();
    try {
      const url = await startWith({ kind: "location", origin: witness.url });
      const begun = await fetch(`${url}/v2/a/blobs/uploads/`, { method: "POST" });
      expect(begun.status).toBe(202);
      const location = begun.headers.get("location") ?? "";
      expect(location).toStartWith(`${witness.url}/v2/a/blobs/uploads/`);
      expect((await fetch(location, { method: "PUT", body: "secret" })).status).toBe(404);
      expect(witness.requests.map(({ method }) => method)).toEqual(["PUT"]);
      await proxy?.close();
      const paged = await startWith({ kind: "link", origin: witness.url });
      const list = await fetch(`${paged}/v2/a/tags/list`);
      expect(list.headers.get("link")).toBe(`<${witness.url}/v2/a/tags/list?last=x>; rel="next"`);
    } finally {
      await witness.close();
    }
  });

  async function readRaw(text: string): Promise<string> {
    const socket = connect(proxy?.port ?? 0, "127.0.0.1");
    socket.write(text);
    let answer = "";
    for await (const chunk of socket) answer += chunk;
    return answer;
  }
});

describe("isUnlucky()", () => {
  const requests = Array.from(
    { length: 2000 },
    (_, i): SeenRequest => ({
      method: "GET",
      url: `/v2/r${i % 500}/manifests/v1`,
      headers: {},
      atMs: i,
      repeats: Math.floor(i / 500),
    }),
  );

  test("isUnlucky() hits its share of all requests", () => {
    const hits = requests.filter((request) => isUnlucky(1, 0.3, request)).length;
    expect(hits).toBeGreaterThan(500);
    expect(hits).toBeLessThan(700);
    expect(requests.some((request) => isUnlucky(1, 0, request))).toBe(false);
    expect(requests.every((request) => isUnlucky(1, 1, request))).toBe(true);
  });

  test("isUnlucky() depends on the seed and on nothing that changes from run to run", () => {
    const pick = (seed: number) => requests.map((request) => isUnlucky(seed, 0.3, request));
    const later = requests.map((request) => isUnlucky(1, 0.3, { ...request, atMs: 0 }));
    expect(pick(1)).toEqual(later);
    expect(pick(1)).not.toEqual(pick(2));
  });

  test("isUnlucky() gives a repeated request another chance", () => {
    const [first] = requests;
    if (first === undefined) throw new TypeError("no requests");
    const chances = Array.from({ length: 50 }, (_, repeats) =>
      isUnlucky(1, 0.5, { ...first, repeats }),
    );
    expect(new Set(chances).size).toBe(2);
  });
});
