import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { startEmbeddedRegistry } from "../../../support/embedded_registry.ts";
import type { TestRegistry } from "../../../support/registries.ts";
import { ask, codeOf, digestOf, pushBlob } from "./_client.ts";

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startEmbeddedRegistry();
});
afterAll(() => registry.close());

describe("GET /v2/<name>/blobs/<digest>", () => {
  test("getBlob() answers with the bytes, their digest and their length", async () => {
    const digest = await pushBlob(registry, "pull/blobs", "hello");
    const response = await ask(registry, "GET", `pull/blobs/blobs/${digest}`);
    expect(response.status).toBe(200);
    expect(response.headers.get("docker-content-digest")).toBe(digest);
    expect(response.headers.get("content-length")).toBe("5");
    expect(await response.text()).toBe("hello");
  });

  test("getBlob() answers HEAD with the same headers and no body", async () => {
    const digest = await pushBlob(registry, "pull/blobs", "hello");
    const response = await ask(registry, "HEAD", `pull/blobs/blobs/${digest}`);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-length")).toBe("5");
    expect(response.headers.get("docker-content-digest")).toBe(digest);
    expect(await response.text()).toBe("");
  });

  test("getBlob() has the blob of no bytes", async () => {
    const digest = await pushBlob(registry, "pull/blobs", "");
    const response = await ask(registry, "GET", `pull/blobs/blobs/${digest}`);
    expect([response.status, response.headers.get("content-length")]).toEqual([200, "0"]);
  });

  test.each([
    ["bytes=1-3", 206, "ell", "bytes 1-3/5"],
    ["bytes=3-", 206, "lo", "bytes 3-4/5"],
    ["bytes=-2", 206, "lo", "bytes 3-4/5"],
    ["bytes=0-1,3-4", 200, "hello", null],
  ])("getBlob() answers Range %p with %p", async (range, status, text, contentRange) => {
    const digest = await pushBlob(registry, "pull/blobs", "hello");
    const response = await ask(registry, "GET", `pull/blobs/blobs/${digest}`, {
      headers: { Range: range },
    });
    expect([response.status, await response.text()]).toEqual([status, text]);
    expect(response.headers.get("content-range")).toBe(contentRange);
  });

  test("getBlob() refuses a range behind the end with 416", async () => {
    const digest = await pushBlob(registry, "pull/blobs", "hello");
    const headers = { Range: "bytes=5-" };
    const response = await ask(registry, "GET", `pull/blobs/blobs/${digest}`, { headers });
    expect([response.status, response.headers.get("content-range")]).toEqual([416, "bytes */5"]);
  });

  test("getBlob() takes a range only of the entity that If-Range names", async () => {
    const digest = await pushBlob(registry, "pull/blobs", "hello");
    for (const [ifRange, status] of [
      [`"${digest}"`, 206],
      [`"${digestOf("other")}"`, 200],
    ] as const) {
      const headers = { Range: "bytes=1-3", "If-Range": ifRange };
      const response = await ask(registry, "GET", `pull/blobs/blobs/${digest}`, { headers });
      expect(response.status).toBe(status);
    }
  });

  test("getBlob() answers 304 to who has it", async () => {
    const digest = await pushBlob(registry, "pull/blobs", "hello");
    const headers = { "If-None-Match": `"${digest}"` };
    const response = await ask(registry, "GET", `pull/blobs/blobs/${digest}`, { headers });
    expect([response.status, await response.text()]).toEqual([304, ""]);
  });

  test("getBlob() streams what is large, whole and in part", async () => {
    const content = "0123456789abcdef".repeat(64 * 1024);
    const digest = await pushBlob(registry, "pull/large", content);
    const whole = await ask(registry, "GET", `pull/large/blobs/${digest}`);
    expect(digestOf(await whole.text())).toBe(digest);
    const headers = { Range: "bytes=700000-900000" };
    const part = await ask(registry, "GET", `pull/large/blobs/${digest}`, { headers });
    expect(part.status).toBe(206);
    expect(await part.text()).toBe(content.slice(700_000, 900_001));
  });

  test("getBlob() closes its file when the client goes away in the middle", async () => {
    const digest = await pushBlob(registry, "pull/large", "x".repeat(8 * 1024 * 1024));
    const openFiles = () => readdirSync("/dev/fd").length;
    const before = openFiles();
    for (let i = 0; i < 20; i++) {
      const stop = new AbortController();
      const response = await fetch(`http://${registry.host}/v2/pull/large/blobs/${digest}`, {
        signal: stop.signal,
      });
      await response.body?.getReader().read();
      stop.abort();
    }
    const deadline = Date.now() + 5000;
    while (openFiles() > before + 5 && Date.now() < deadline) await Bun.sleep(10);
    expect(openFiles()).toBeLessThanOrEqual(before + 5);
  });

  test("getBlob() answers 404 BLOB_UNKNOWN, in a repository that is not there NAME_UNKNOWN", async () => {
    await pushBlob(registry, "pull/blobs", "hello");
    const unknown = digestOf("unknown");
    const inside = await ask(registry, "GET", `pull/blobs/blobs/${unknown}`);
    expect([inside.status, await codeOf(inside)]).toEqual([404, "BLOB_UNKNOWN"]);
    const outside = await ask(registry, "GET", `pull/nothing/blobs/${unknown}`);
    expect([outside.status, await codeOf(outside)]).toEqual([404, "NAME_UNKNOWN"]);
  });

  test("getBlob() does not give a blob to a repository that nobody pushed it to", async () => {
    const digest = await pushBlob(registry, "private/one", "secret");
    await pushBlob(registry, "private/two", "other");
    expect((await ask(registry, "GET", `private/two/blobs/${digest}`)).status).toBe(404);
  });
});

describe("DELETE /v2/<name>/blobs/<digest>", () => {
  test("deleteBlob() answers 202, then 404, and the blob is gone", async () => {
    const digest = await pushBlob(registry, "delete/blobs", "short-lived");
    expect((await ask(registry, "DELETE", `delete/blobs/blobs/${digest}`)).status).toBe(202);
    const again = await ask(registry, "DELETE", `delete/blobs/blobs/${digest}`);
    expect([again.status, await codeOf(again)]).toEqual([404, "BLOB_UNKNOWN"]);
    expect((await ask(registry, "HEAD", `delete/blobs/blobs/${digest}`)).status).toBe(404);
  });

  test("deleteBlob() frees the bytes with the last repository that has them", async () => {
    const digest = await pushBlob(registry, "delete/one", "in two repositories");
    await pushBlob(registry, "delete/two", "in two repositories");
    const hex = digest.slice(7);
    const shared = join(registry.dir, "blobs", "sha256", hex.slice(0, 2), hex);
    await ask(registry, "DELETE", `delete/one/blobs/${digest}`);
    expect(existsSync(shared)).toBe(true);
    expect((await ask(registry, "GET", `delete/two/blobs/${digest}`)).status).toBe(200);
    await ask(registry, "DELETE", `delete/two/blobs/${digest}`);
    expect(existsSync(shared)).toBe(false);
  });
});
