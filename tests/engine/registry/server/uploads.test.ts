import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { serveRegistry } from "../../../../engine/registry/server/serve.ts";
import { startEmbeddedRegistry } from "../../../support/embedded_registry.ts";
import type { TestRegistry } from "../../../support/registries.ts";
import { ask, beginUpload, codeOf, digestOf, follow, pushBlob, streamOf } from "./_client.ts";

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startEmbeddedRegistry();
});
afterAll(() => registry.close());

const UUID = /\/v2\/push\/a\/blobs\/uploads\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function patch(location: string | null, body: string, range?: string): Promise<Response> {
  const headers: Record<string, string> = { "Content-Type": "application/octet-stream" };
  if (range !== undefined) headers["Content-Range"] = range;
  return follow(registry, "PATCH", location, { body, headers });
}

function put(location: string | null, digest: string, body = ""): Promise<Response> {
  return follow(registry, "PUT", location, { query: `digest=${digest}`, body });
}

describe("pushing a blob monolithically", () => {
  test("postUpload() begins an upload: 202 and a location with a UUID", async () => {
    const response = await ask(registry, "POST", "push/a/blobs/uploads/");
    expect(response.status).toBe(202);
    expect(response.headers.get("location")).toMatch(UUID);
    expect(response.headers.get("range")).toBe("0-0");
  });

  test("putUpload() takes the bytes: 201 and the location of the blob", async () => {
    const digest = digestOf("post then put");
    const response = await put(await beginUpload(registry, "push/a"), digest, "post then put");
    expect(response.status).toBe(201);
    expect(response.headers.get("docker-content-digest")).toBe(digest);
    const blob = await follow(registry, "GET", response.headers.get("location"));
    expect(await blob.text()).toBe("post then put");
  });

  test("postUpload() takes a blob in one request", async () => {
    const digest = digestOf("single post");
    const response = await ask(registry, "POST", `push/a/blobs/uploads/?digest=${digest}`, {
      body: "single post",
    });
    expect(response.status).toBe(201);
    const blob = await follow(registry, "GET", response.headers.get("location"));
    expect(await blob.text()).toBe("single post");
  });

  test("putUpload() takes a digest of SHA-512, whether or not the POST announced it", async () => {
    const digest = digestOf("sha512", "sha512");
    for (const query of ["", "?digest-algorithm=sha512"]) {
      const begun = await ask(registry, "POST", `push/a/blobs/uploads/${query}`);
      const response = await put(begun.headers.get("location"), digest, "sha512");
      expect(response.status).toBe(201);
      expect((await ask(registry, "GET", `push/a/blobs/${digest}`)).status).toBe(200);
      await ask(registry, "DELETE", `push/a/blobs/${digest}`);
    }
  });

  test("putUpload() streams a body of unknown length", async () => {
    const chunks = Array.from({ length: 50 }, (_, i) => new TextEncoder().encode(`chunk ${i};`));
    const body = streamOf(chunks);
    const digest = digestOf(Buffer.concat(chunks));
    const location = await beginUpload(registry, "push/a");
    const response = await follow(registry, "PUT", location, { query: `digest=${digest}`, body });
    expect(response.status).toBe(201);
  });

  test("putUpload() refuses other bytes than the digest's, and the upload is gone", async () => {
    const location = await beginUpload(registry, "push/a");
    const wrong = digestOf("something else");
    const response = await put(location, wrong, "bytes");
    expect([response.status, await codeOf(response)]).toEqual([400, "DIGEST_INVALID"]);
    expect((await ask(registry, "HEAD", `push/a/blobs/${wrong}`)).status).toBe(404);
    expect((await ask(registry, "HEAD", `push/a/blobs/${digestOf("bytes")}`)).status).toBe(404);
    expect((await follow(registry, "GET", location)).status).toBe(404);
  });

  test("postUpload() refuses other bytes than the digest's, and keeps nothing of them", async () => {
    const before = readdirSync(join(registry.dir, "uploads")).length;
    const wrong = digestOf("something else");
    const response = await ask(registry, "POST", `push/a/blobs/uploads/?digest=${wrong}`, {
      body: "bytes",
    });
    expect([response.status, await codeOf(response)]).toEqual([400, "DIGEST_INVALID"]);
    expect(readdirSync(join(registry.dir, "uploads"))).toHaveLength(before);
  });

  test.each(["", "digest=sha256:xyz", "digest=md5:d41d8cd98f00b204e9800998ecf8427e"])(
    "putUpload() refuses ?%s with 400 DIGEST_INVALID, and the upload stays",
    async (query) => {
      const location = await beginUpload(registry, "push/a");
      const response = await follow(registry, "PUT", location, { query, body: "x" });
      expect([response.status, await codeOf(response)]).toEqual([400, "DIGEST_INVALID"]);
      expect((await follow(registry, "GET", location)).status).toBe(204);
    },
  );

  test("postUpload() refuses an algorithm that it does not have", async () => {
    const response = await ask(registry, "POST", "push/a/blobs/uploads/?digest-algorithm=md5");
    expect([response.status, await codeOf(response)]).toEqual([400, "DIGEST_INVALID"]);
  });

  test("putUpload() of one blob by 16 clients at once gives it to all of them", async () => {
    const content = "the same layer ".repeat(1000);
    const statuses = await Promise.all(
      Array.from({ length: 16 }, async (_, i) => {
        const location = await beginUpload(registry, `push/same${i % 4}`);
        return (await put(location, digestOf(content), content)).status;
      }),
    );
    expect(statuses).toEqual(statuses.map(() => 201));
    const blob = await ask(registry, "GET", `push/same3/blobs/${digestOf(content)}`);
    expect(await blob.text()).toBe(content);
  });
});

describe("pushing a blob in chunks", () => {
  test("patchUpload() answers 202 with the range that it has, putUpload() closes", async () => {
    const location = await beginUpload(registry, "push/a");
    const first = await patch(location, "01234", "0-4");
    expect([first.status, first.headers.get("range")]).toEqual([202, "0-4"]);
    const second = await patch(first.headers.get("location"), "56789", "5-9");
    expect([second.status, second.headers.get("range")]).toEqual([202, "0-9"]);
    const closed = await put(second.headers.get("location"), digestOf("0123456789"));
    expect(closed.status).toBe(201);
  });

  test("putUpload() takes the last chunk", async () => {
    const location = await beginUpload(registry, "push/a");
    await patch(location, "01234", "0-4");
    const closed = await follow(registry, "PUT", location, {
      query: `digest=${digestOf("01234567")}`,
      body: "567",
      headers: { "Content-Range": "5-7" },
    });
    expect(closed.status).toBe(201);
  });

  test.each(["9-13", "0-4", "4-8"])(
    "patchUpload() and putUpload() answer the chunk %p out of order with 416, and the upload stays",
    async (range) => {
      const location = await beginUpload(registry, "push/a");
      await patch(location, "01234", "0-4");
      const late = await patch(location, "xxxxx", range);
      expect([late.status, late.headers.get("range")]).toEqual([416, "0-4"]);
      const closing = await follow(registry, "PUT", location, {
        query: `digest=${digestOf("01234xxxxx")}`,
        body: "xxxxx",
        headers: { "Content-Range": range },
      });
      expect(closing.status).toBe(416);
      expect((await patch(location, "56789", "5-9")).status).toBe(202);
      expect((await put(location, digestOf("0123456789"))).status).toBe(201);
    },
  );

  test("patchUpload() refuses a Content-Range that is none, or not as long as the body", async () => {
    const location = await beginUpload(registry, "push/a");
    const none = await patch(location, "01234", "bytes 0-4/5");
    expect([none.status, await codeOf(none)]).toEqual([400, "BLOB_UPLOAD_INVALID"]);
    const short = await patch(location, "01234", "0-9");
    expect([short.status, await codeOf(short)]).toEqual([400, "SIZE_INVALID"]);
    expect((await follow(registry, "GET", location)).headers.get("range")).toBe("0-0");
  });

  test("patchUpload() without Content-Range appends what comes", async () => {
    const location = await beginUpload(registry, "push/a");
    await patch(location, "stre");
    await patch(location, "amed");
    expect((await put(location, digestOf("streamed"))).status).toBe(201);
  });

  test("getUpload() tells how far an upload has come: 204", async () => {
    const location = await beginUpload(registry, "push/a");
    await patch(location, "0123456789", "0-9");
    const response = await follow(registry, "GET", location);
    expect([response.status, response.headers.get("range")]).toEqual([204, "0-9"]);
    expect(response.headers.get("location")).toMatch(UUID);
  });

  test("patchUpload() keeps what arrived of a body that broke off, and goes on behind it", async () => {
    const location = await beginUpload(registry, "push/a");
    await sendHalf(location, "01234", 10);
    expect(await untilRange(location, "0-4")).toBe("0-4");
    expect((await patch(location, "56789", "5-9")).status).toBe(202);
    expect((await put(location, digestOf("0123456789"))).status).toBe(201);
  });

  test("patchUpload() refuses a second writer while the first is writing", async () => {
    const location = await beginUpload(registry, "push/a");
    const socket = await send(location, "01234", 10);
    expect(await untilRange(location, "0-4")).toBe("0-4");
    expect((await patch(location, "xxxxx", "5-9")).status).toBe(416);
    expect((await follow(registry, "DELETE", location)).status).toBe(400);
    const answered = new Promise<string>((resolve) =>
      socket.once("data", (data) => resolve(data.toString())),
    );
    socket.write("56789");
    expect(await answered).toStartWith("HTTP/1.1 202");
    socket.destroy();
    expect((await put(location, digestOf("0123456789"))).status).toBe(201);
  });

  test("an upload goes on after the registry was restarted, in the middle of a hash", async () => {
    const location = await beginUpload(registry, "push/a");
    await patch(location, "before ", "0-6");
    const options = { dir: registry.dir, hostname: "127.0.0.1", port: 0 };
    const restarted = await serveRegistry(options);
    try {
      const there = { host: `127.0.0.1:${restarted.port}` };
      const headers = { "Content-Range": "7-11" };
      const chunk = await follow(there, "PATCH", location, { body: "after", headers });
      expect(chunk.status).toBe(202);
      const query = `digest=${digestOf("before after")}`;
      expect((await follow(there, "PUT", location, { query })).status).toBe(201);
    } finally {
      await restarted.close();
    }
  });

  test("an upload that another process has gone on with is hashed as it is", async () => {
    const location = await beginUpload(registry, "push/a");
    await patch(location, "one ", "0-3");
    const other = await serveRegistry({ dir: registry.dir, hostname: "127.0.0.1", port: 0 });
    try {
      const there = { host: `127.0.0.1:${other.port}` };
      const headers = { "Content-Range": "4-7" };
      await follow(there, "PATCH", location, { body: "two ", headers });
    } finally {
      await other.close();
    }
    expect((await patch(location, "three", "8-12")).status).toBe(202);
    expect((await put(location, digestOf("one two three"))).status).toBe(201);
  });
});

describe("ending an upload", () => {
  test("deleteUpload() answers 204, and the upload is unknown from then on", async () => {
    const location = await beginUpload(registry, "push/a");
    await patch(location, "01234", "0-4");
    expect((await follow(registry, "DELETE", location)).status).toBe(204);
    for (const method of ["GET", "DELETE", "PATCH"]) {
      const response = await follow(registry, method, location);
      expect([method, response.status]).toEqual([method, 404]);
      expect(await codeOf(response)).toBe("BLOB_UPLOAD_UNKNOWN");
    }
    const late = await put(location, digestOf("01234"));
    expect([late.status, await codeOf(late)]).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
  });

  test("getUpload() does not know an upload of another repository", async () => {
    const location = await beginUpload(registry, "push/a");
    const elsewhere = location.replace("push/a", "push/b");
    expect((await follow(registry, "GET", elsewhere)).status).toBe(404);
    expect((await put(elsewhere, digestOf("x"), "x")).status).toBe(404);
  });
});

describe("mounting a blob", () => {
  test("postUpload() mounts a blob of another repository: 201", async () => {
    const digest = await pushBlob(registry, "mount/from", "mounted");
    const path = `mount/to/blobs/uploads/?mount=${digest}&from=mount/from`;
    const response = await ask(registry, "POST", path);
    expect(response.status).toBe(201);
    const blob = await follow(registry, "GET", response.headers.get("location"));
    expect(await blob.text()).toBe("mounted");
  });

  test("postUpload() mounts a blob from anywhere when no repository is named", async () => {
    const digest = await pushBlob(registry, "mount/from", "mounted from anywhere");
    const response = await ask(registry, "POST", `mount/any/blobs/uploads/?mount=${digest}`);
    expect(response.status).toBe(201);
    expect((await ask(registry, "GET", `mount/any/blobs/${digest}`)).status).toBe(200);
  });

  test("postUpload() begins an upload instead when the blob is not in that repository: 202", async () => {
    const digest = await pushBlob(registry, "mount/from", "not there");
    const path = `mount/to/blobs/uploads/?mount=${digest}&from=mount/empty`;
    const response = await ask(registry, "POST", path);
    expect(response.status).toBe(202);
    expect((await put(response.headers.get("location"), digest, "not there")).status).toBe(201);
  });

  test("a mounted blob stays when it is deleted where it came from", async () => {
    const digest = await pushBlob(registry, "mount/from", "stays");
    await ask(registry, "POST", `mount/stays/blobs/uploads/?mount=${digest}&from=mount/from`);
    await ask(registry, "DELETE", `mount/from/blobs/${digest}`);
    const blob = await ask(registry, "GET", `mount/stays/blobs/${digest}`);
    expect(await blob.text()).toBe("stays");
  });
});

/** Sends the head of a PATCH and a part of its body; the connection stays open. */
function send(location: string, body: string, lengthBytes: number) {
  const socket = connect(registry.port, "127.0.0.1");
  const head = `PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Length: ${lengthBytes}\r\n`;
  return new Promise<typeof socket>((resolve, reject) => {
    socket.once("error", reject);
    socket.write(`${head}Content-Range: 0-${lengthBytes - 1}\r\n\r\n${body}`, () => {
      resolve(socket);
    });
  });
}

async function sendHalf(location: string, body: string, lengthBytes: number): Promise<void> {
  const socket = await send(location, body, lengthBytes);
  await untilRange(location, `0-${body.length - 1}`);
  socket.destroy();
  // Until the registry has noticed that the connection is gone, the upload has its writer.
  for (const deadline = Date.now() + 5000; Date.now() < deadline; ) {
    const probe = await patch(location, "x", "999-999");
    if ((await probe.text()).includes("chunk begins at 999")) return;
  }
  throw new Error("the registry does not notice that its client is gone");
}

/** What an upload has, once it is `range`; or after five seconds. */
async function untilRange(location: string, range: string): Promise<string | null> {
  for (const deadline = Date.now() + 5000; ; ) {
    const found = (await follow(registry, "GET", location)).headers.get("range");
    if (found === range || Date.now() > deadline) return found;
  }
}
