import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serveRegistry } from "../../../../engine/registry/server/serve.ts";
import {
  linkInPlace,
  moveInPlace,
  openStorage,
  sweep,
  writeAside,
} from "../../../../engine/registry/server/storage.ts";
import { ask, beginUpload, digestOf, follow, image, pushBlob, putManifest } from "./_client.ts";

const HOUR_SECONDS = 3600;
const NOW_MS = Date.UTC(2030, 0, 1);

let dir: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "registry-storage-"));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(dir, { recursive: true, force: true });
});

function putFile(path: string, ageSeconds: number): string {
  const at = join(dir, path);
  writeFileSync(at, "x");
  utimesSync(at, NOW_MS / 1000 - ageSeconds, NOW_MS / 1000 - ageSeconds);
  return at;
}

describe("openStorage()", () => {
  test("openStorage() says FILE_WRITE when the directory cannot be made", () => {
    writeFileSync(join(dir, "file"), "");
    expect(() => openStorage(join(dir, "file", "below"), NOW_MS)).toThrow(
      expect.objectContaining({ code: "FILE_WRITE" }),
    );
  });

  test("openStorage() removes what dead processes left on its way, and old uploads", () => {
    openStorage(dir, NOW_MS);
    const dead = putFile("staging/dead", 2 * HOUR_SECONDS);
    const living = putFile("staging/living", 60);
    const abandoned = putFile("uploads/abandoned", 25 * HOUR_SECONDS);
    const resumable = putFile("uploads/resumable", 23 * HOUR_SECONDS);
    openStorage(dir, NOW_MS);
    expect([dead, living, abandoned, resumable].map((path) => existsSync(path))).toEqual([
      false,
      true,
      false,
      true,
    ]);
  });

  test("sweep() leaves an upload alone that somebody is writing to, however old its file is", () => {
    const storage = openStorage(dir, NOW_MS);
    const path = putFile("uploads/slow", 48 * HOUR_SECONDS);
    const hash = createHash("sha256");
    storage.sessions.set(path, { algorithm: "sha256", hash, sizeBytes: 1, busy: true });
    sweep(storage, NOW_MS);
    expect(existsSync(path)).toBe(true);
    storage.sessions.delete(path);
    sweep(storage, NOW_MS);
    expect(existsSync(path)).toBe(false);
  });
});

describe("files in their place", () => {
  test("moveInPlace() replaces what is there, and leaves nothing aside", async () => {
    const storage = openStorage(dir, NOW_MS);
    const target = join(dir, "repositories", "a", "_", "tags", "x");
    for (const text of ["one", "two"]) {
      moveInPlace(await writeAside(storage, new TextEncoder().encode(text)), target);
    }
    expect(await Bun.file(target).text()).toBe("two");
    expect(readdirSync(join(dir, "staging"))).toEqual([]);
  });

  test("linkInPlace() says when the source is not there", () => {
    const storage = openStorage(dir, NOW_MS);
    expect(linkInPlace(storage, join(dir, "nothing"), join(dir, "new", "place"))).toBe(false);
  });

  test("linkInPlace() copies where the file system gives no hard link", () => {
    const storage = openStorage(dir, NOW_MS);
    // /proc refuses links out of it as another file system does (EXDEV), and can be read.
    const target = join(dir, "blobs", "copy");
    expect(linkInPlace(storage, "/proc/version", target)).toBe(true);
    expect(readdirSync(join(dir, "staging"))).toEqual([]);
    expect(existsSync(target)).toBe(true);
  });
});

async function startProcess(): Promise<{ child: ChildProcess; host: string }> {
  const child = spawn(process.execPath, [join(import.meta.dir, "_process.ts"), dir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const [line] = await once(child.stdout ?? child, "data");
  return { child, host: `127.0.0.1:${Number(String(line))}` };
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

describe("kill -9", () => {
  test("an upload that was under way is not a blob, and can be gone on with", async () => {
    const { child, host } = await startProcess();
    const location = await beginUpload({ host }, "killed/a");
    const first = new Uint8Array(100_000).fill(1);
    const rest = new Uint8Array(50_000).fill(2);
    const digest = digestOf(Buffer.concat([first, rest]));
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => controller.enqueue(first),
    });
    const put = follow({ host }, "PUT", location, { query: `digest=${digest}`, body }).catch(
      () => undefined,
    );
    await untilRange(host, location, "0-99999");
    await kill(child);
    await put;

    const { host: again } = await startProcess();
    expect((await ask({ host: again }, "GET", `killed/a/blobs/${digest}`)).status).toBe(404);
    expect(await untilRange(again, location, "0-99999")).toBe("0-99999");
    const query = `digest=${digest}`;
    const headers = { "Content-Range": "100000-149999" };
    const finished = await follow({ host: again }, "PUT", location, { query, body: rest, headers });
    expect(finished.status).toBe(201);
    const blob = await ask({ host: again }, "GET", `killed/a/blobs/${digest}`);
    expect(digestOf(await blob.bytes())).toBe(digest);
  }, 20_000);

  test("what was acknowledged is there and whole, and what is there is whole", async () => {
    const acknowledged: { tag: string; digest: string }[] = [];
    for (let round = 0; round < 3; round++) {
      const { child, host } = await startProcess();
      const killAt = 30 + 40 * round;
      let pushed = 0;
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        for (let i = 0; ; i++) {
          const subject = { mediaType: "a/b", digest: digestOf("subject"), size: 7 };
          const manifest = image({ subject, annotations: { n: `${round} ${writer} ${i}` } });
          const tag = `r${round}-w${writer}-i${i}`;
          await pushBlob({ host }, "killed/b", tag);
          const { status } = await putManifest({ host }, "killed/b", tag, manifest);
          if (status !== 201) throw new Error(`PUT answered ${status}`);
          acknowledged.push({ tag, digest: digestOf(manifest) });
          pushed++;
          if (pushed === killAt) child.kill("SIGKILL");
        }
      });
      const outcomes = await Promise.allSettled(writers);
      expect(outcomes.map(({ status }) => status)).toEqual(outcomes.map(() => "rejected"));
      expect(pushed).toBeGreaterThanOrEqual(killAt);
    }

    const server = await serveRegistry({ dir, hostname: "127.0.0.1", port: 0 });
    try {
      const host = `127.0.0.1:${server.port}`;
      const list = await ask({ host }, "GET", "killed/b/tags/list");
      const { tags } = (await list.json()) as { tags: string[] };
      const referrers = await ask({ host }, "GET", `killed/b/referrers/${digestOf("subject")}`);
      const { manifests } = (await referrers.json()) as { manifests: { digest: string }[] };
      const listed = new Set(manifests.map(({ digest }) => digest));
      for (const { tag, digest } of acknowledged) {
        expect(tags).toContain(tag);
        expect(listed.has(digest)).toBe(true);
      }
      for (const tag of tags) {
        const manifest = await ask({ host }, "GET", `killed/b/manifests/${tag}`);
        const digest = digestOf(await manifest.text());
        expect(manifest.headers.get("docker-content-digest")).toBe(digest);
        expect(listed.has(digest)).toBe(true);
        const blob = await ask({ host }, "GET", `killed/b/blobs/${digestOf(tag)}`);
        expect(await blob.text()).toBe(tag);
      }
    } finally {
      await server.close();
    }
  }, 30_000);
});

describe("several registries on one directory", () => {
  test("what one takes the other has", async () => {
    const [one, two] = await Promise.all([startProcess(), startProcess()]);
    await putManifest(one, "shared/a", "v1", image());
    const digest = await pushBlob(two, "shared/a", "blob");
    expect((await ask(two, "GET", "shared/a/manifests/v1")).status).toBe(200);
    expect((await ask(one, "GET", `shared/a/blobs/${digest}`)).status).toBe(200);
  }, 20_000);

  test("of referrers that both take at once none is missing", async () => {
    const hosts = await Promise.all([startProcess(), startProcess()]);
    const subject = { mediaType: "a/b", digest: digestOf("subject"), size: 7 };
    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const manifest = image({ subject, annotations: { n: `${i}` } });
        const host = hosts[i % 2];
        if (host !== undefined) await putManifest(host, "shared/b", digestOf(manifest), manifest);
      }),
    );
    for (const host of hosts) {
      const list = await ask(host, "GET", `shared/b/referrers/${subject.digest}`);
      const { manifests } = (await list.json()) as { manifests: unknown[] };
      expect(manifests).toHaveLength(40);
    }
  }, 20_000);
});

/** What an upload has, once it is `range`; or after five seconds. */
async function untilRange(host: string, location: string, range: string): Promise<string | null> {
  for (const deadline = Date.now() + 5000; ; ) {
    const found = (await follow({ host }, "GET", location)).headers.get("range");
    if (found === range || Date.now() > deadline) return found;
  }
}
