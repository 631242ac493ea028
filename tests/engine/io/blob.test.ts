import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readBlob } from "../../../engine/io/blob.ts";
import { CosignError } from "../../../engine/model/errors.ts";

const folder = mkdtempSync(join(tmpdir(), "cosign-ts-blob-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string): string => join(folder, name);
const sha = (name: string, bytes: Uint8Array | string): string =>
  createHash(name).update(bytes).digest("hex");
const options = { env: {}, algorithms: ["sha256", "sha512"] } as const;

describe("readBlob()", () => {
  test("hashes a file with every algorithm that was asked for, and keeps a short one", async () => {
    writeFileSync(path("short"), "short");
    const blob = await readBlob(path("short"), options);
    expect(blob.sizeBytes).toBe(5);
    expect(blob.digests.sha256?.toHex()).toBe(sha("sha256", "short"));
    expect(blob.digests.sha512?.toHex()).toBe(sha("sha512", "short"));
    expect(blob.bytes).toEqual(new TextEncoder().encode("short"));
  });

  test("keeps nothing of a long file but its digests, and keeps it all when asked to", async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(65_536));
    const long = Buffer.concat(Array.from({ length: 50 }, () => bytes));
    writeFileSync(path("long"), long);
    const blob = await readBlob(path("long"), options);
    expect(blob.digests.sha256?.toHex()).toBe(sha("sha256", long));
    expect(blob.bytes).toBeUndefined();
    const whole = await readBlob(path("long"), { ...options, keptBytes: long.length });
    expect(Buffer.compare(whole.bytes ?? new Uint8Array(), long)).toBe(0);
    const tooLong = await readBlob(path("long"), { ...options, keptBytes: long.length - 1 });
    expect(tooLong.bytes).toBeUndefined();
  });

  test("does not grow with the file", async () => {
    writeFileSync(path("sparse"), "");
    truncateSync(path("sparse"), 512 * 1024 * 1024);
    const before = process.memoryUsage().rss;
    const blob = await readBlob(path("sparse"), { env: {}, algorithms: ["sha256"] });
    expect(blob.sizeBytes).toBe(512 * 1024 * 1024);
    expect(process.memoryUsage().rss - before).toBeLessThan(80 * 1024 * 1024);
  });

  test("reads env://NAME, and says which variable is not there", async () => {
    const blob = await readBlob("env://BLOB", { ...options, env: { BLOB: "é" } });
    expect(blob.digests.sha256?.toHex()).toBe(sha("sha256", "é"));
    await expect(readBlob("env://NONE", options)).rejects.toThrow("env var $NONE not found");
  });

  test("refuses directories, endless devices, schemes that are not known and what is not there", async () => {
    mkdirSync(path("directory"));
    await expect(readBlob(path("directory"), options)).rejects.toThrow("is a directory");
    await expect(readBlob("/dev/zero", options)).rejects.toThrow("is a device");
    await expect(readBlob("ftp://host/file", options)).rejects.toThrow(
      "unrecognized scheme: ftp://",
    );
    await expect(readBlob(path("none"), options)).rejects.toThrow("no such file or directory");
    symlinkSync(path("loop"), path("loop"));
    await expect(readBlob(path("loop"), options)).rejects.toMatchObject({ code: "FILE_READ" });
    expect((await readBlob("/dev/null", options)).sizeBytes).toBe(0);
  });

  test("reads a named pipe to its end, and leaves one to which nobody writes when the time is over", async () => {
    expect(spawnSync("mkfifo", [path("pipe"), path("idle")]).status).toBe(0);
    const writer = Bun.spawn(["sh", "-c", `head -c 300000 /dev/zero > "${path("pipe")}"`]);
    const blob = await readBlob(path("pipe"), options);
    await writer.exited;
    expect(blob.digests.sha256?.toHex()).toBe(sha("sha256", new Uint8Array(300_000)));
    const over = new AbortController();
    const waiting = readBlob(path("idle"), { ...options, signal: over.signal });
    over.abort(new CosignError("DEADLINE_EXCEEDED", "over"));
    await expect(waiting).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  });
});

describe("readBlob() of a URL", () => {
  const body = crypto.getRandomValues(new Uint8Array(60_000));
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/blob") return new Response(body);
      if (pathname === "/moved") return Response.redirect("/blob", 302);
      if (pathname === "/loop") return Response.redirect("/loop", 302);
      if (pathname === "/file") return Response.redirect("file:///etc/passwd", 302);
      if (pathname === "/endless") {
        return new Response(new ReadableStream({ pull: (to) => to.enqueue(body) }));
      }
      return new Response("none", { status: 404 });
    },
  });
  afterAll(() => server.stop(true));
  const url = (name: string): string => `http://127.0.0.1:${server.port}${name}`;

  test("hashes what comes, behind redirects too", async () => {
    for (const name of ["/blob", "/moved"]) {
      const blob = await readBlob(url(name), options);
      expect(blob.digests.sha256?.toHex()).toBe(sha("sha256", body));
    }
  });

  test("says which status a server answered", async () => {
    await expect(readBlob(url("/none"), options)).rejects.toThrow(
      `loading URL ${url("/none")}: server returned HTTP 404`,
    );
  });

  test("leaves redirect loops and redirects to files", async () => {
    await expect(readBlob(url("/loop"), options)).rejects.toMatchObject({
      code: "REGISTRY_REDIRECT",
    });
    await expect(readBlob(url("/file"), options)).rejects.toMatchObject({
      code: "REGISTRY_REDIRECT",
    });
  });

  test("leaves an endless body when the time is over", async () => {
    const signal = AbortSignal.timeout(200);
    await expect(readBlob(url("/endless"), { ...options, signal })).rejects.toMatchObject({
      code: "CANCELLED",
    });
  });
});
