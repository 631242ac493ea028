import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CosignError } from "../../engine/model/errors.ts";
import { openSigstore } from "../../engine/trust/open.ts";
import { openTufCache, plainName } from "../../engine/trust/tuf_cache.ts";
import { openMirror } from "../../engine/trust/tuf_mirror.ts";
import { loadTufRepository } from "../../engine/trust/tuf_repository.ts";
import { TestTufRepository } from "../support/tuf_repository.ts";
import { readVectorText } from "../support/vectors.ts";

const LIMIT = 100_000;
const ROOT = {
  "trusted_root.json": { content: readVectorText("trust/trusted-root.json", "keyless") },
};
const REKOR = readVectorText("trust/rekor-v1.pub", "keyless");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tuf-advisories-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

type Signed = Record<string, unknown>;
interface File {
  signed: Signed;
  signatures: { keyid: string; sig: string }[];
}

/** What a client that knows the first root makes of a mirror; `read` is a target that it asks for. */
async function judge(
  repository: TestTufRepository,
  read?: string,
): Promise<Uint8Array | undefined> {
  await using server = repository.serve();
  const mirror = openMirror(server.url, { env: {}, signal: new AbortController().signal });
  const cache = openTufCache(join(folder, "cache", crypto.randomUUID()));
  const loaded = await loadTufRepository({ anchor: repository.anchor, cache, mirror });
  return read === undefined ? undefined : await loaded.read(read, LIMIT);
}

async function refusal(action: Promise<unknown>): Promise<string> {
  const error = await action.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof CosignError) return error.code;
  throw new TypeError("It was not refused", { cause: error });
}

/** Changes a published file without signing it again. */
function edit(repository: TestTufRepository, path: string, change: (file: File) => void): void {
  const file: File = JSON.parse(new TextDecoder().decode(repository.file(path)));
  change(file);
  repository.files.set(path, new TextEncoder().encode(JSON.stringify(file)));
}

describe("names that lead elsewhere", () => {
  const BAD = [
    "../../x.pub",
    "a/../../b.pub",
    "..",
    "/etc/passwd",
    "C:\\x.pub",
    "C:x.pub",
    "a\\..\\b.pub",
    "x\0.pub",
    "CON",
    "nul.pub",
    "a/COM1.txt/b",
    "a//b",
    "./x",
    "x.",
    "x".repeat(256),
    "",
  ];

  test("CVE-2026-24137: a target's name stays below the cache, on every system", async () => {
    for (const name of BAD) {
      expect(() => plainName(name)).toThrow(CosignError);
      if (name === "") continue;
      const custom = { sigstore: { usage: "Rekor", status: "Active" } };
      const repository = new TestTufRepository({ targets: { [name]: { content: REKOR, custom } } });
      await using server = repository.serve();
      const place = join(folder, "names");
      writeFileSync(join(folder, "root.json"), repository.anchor);
      const env = {
        TUF_MIRROR: server.url,
        TUF_ROOT_JSON: join(folder, "root.json"),
        TUF_ROOT: join(place, "a", "b", "c", "d"),
      };
      const opening = openSigstore({ env, signal: new AbortController().signal });
      expect([name, await refusal(opening)]).toEqual([name, "TRUST_INVALID"]);
      const written = readdirSync(place, { recursive: true, encoding: "utf8" });
      expect(written.filter((path) => path.includes("pub") || path.includes("passwd"))).toEqual([]);
      rmSync(place, { recursive: true });
    }
    expect(plainName("registry.npmjs.org/keys.json")).toBe("registry.npmjs.org/keys.json");
  });

  test("CVE-2026-24686, CVE-2021-41131: nor does the name of a delegated role lead out of it", async () => {
    const repository = new TestTufRepository({ targets: ROOT });
    repository.delegate("../../../evil", ["team/*"], { "team/key.pub": { content: REKOR } });
    expect(await refusal(judge(repository, "team/key.pub"))).toBe("TRUST_INVALID");
    const written = readdirSync(folder, { recursive: true, encoding: "utf8" });
    expect(written.filter((path) => path.includes("evil"))).toEqual([]);
  });

  test("CVE-2026-24137: a link in the cache is replaced, and what it leads to stays as it is", async () => {
    const repository = new TestTufRepository({ targets: ROOT });
    await using server = repository.serve();
    const directory = join(folder, "linked");
    mkdirSync(join(directory, "targets"), { recursive: true });
    const outside = join(folder, "outside");
    writeFileSync(outside, "somebody else's file");
    for (const name of ["timestamp.json", "targets/trusted_root.json"]) {
      symlinkSync(outside, join(directory, name));
    }
    const loaded = await loadTufRepository({
      anchor: repository.anchor,
      cache: openTufCache(directory),
      mirror: openMirror(server.url, { env: {}, signal: new AbortController().signal }),
    });
    await loaded.read("trusted_root.json", LIMIT);
    expect(lstatSync(join(directory, "timestamp.json")).isSymbolicLink()).toBe(false);
    expect(lstatSync(join(directory, "targets", "trusted_root.json")).isSymbolicLink()).toBe(false);
    expect(readFileSync(outside, "utf8")).toBe("somebody else's file");
  });
});

describe("signatures that are counted", () => {
  test("GHSA-3633-5h82-39pq: one key under two names is one key", async () => {
    const two = { roleKeys: { timestamp: ["a", "b"] }, thresholds: { timestamp: 2 } };
    const honest = new TestTufRepository({}, two);
    await judge(honest);
    const repository = new TestTufRepository({ signers: { timestamp: ["a"] } }, two);
    repository.change("1.root.json", (signed) => {
      const { keys, roles } = signed as {
        keys: Record<string, unknown>;
        roles: { timestamp: { keyids: string[] } };
      };
      const [first = "", second = ""] = roles.timestamp.keyids;
      keys[second] = keys[first];
    });
    edit(repository, "timestamp.json", ({ signatures }) => {
      const { roles } = JSON.parse(new TextDecoder().decode(repository.anchor)).signed;
      signatures.push({ keyid: roles.timestamp.keyids[1], sig: signatures[0]?.sig ?? "" });
    });
    expect(await refusal(judge(repository))).toBe("TRUST_INVALID");
  });

  test("PYSEC-2020-145, PYSEC-2020-146: one signature twice is one signature", async () => {
    const two = { roleKeys: { snapshot: ["a", "b"] }, thresholds: { snapshot: 2 } };
    const repository = new TestTufRepository({ signers: { snapshot: ["a"] } }, two);
    edit(repository, "1.snapshot.json", ({ signatures }) => signatures.push(...signatures));
    repository.change("timestamp.json", (signed) => {
      const meta = (signed["meta"] as Record<string, Signed>)["snapshot.json"] ?? {};
      delete meta["length"];
      delete meta["hashes"];
    });
    expect(await refusal(judge(repository))).toBe("TRUST_INVALID");
  });

  test("PYSEC-2020-147: a thousand wrong signatures are not tried", async () => {
    const repository = new TestTufRepository();
    repository.publishRoot();
    edit(repository, "2.root.json", ({ signatures }) => {
      for (let n = 0; n < 1000; n++) {
        signatures.push({ keyid: n.toString(16).padStart(64, "0"), sig: "00".repeat(70) });
      }
    });
    expect(await refusal(judge(repository))).toBe("TRUST_INVALID");
  });

  test("CVE-2026-23992: a threshold of 0 or less is none", async () => {
    for (const threshold of [0, -1]) {
      const repository = new TestTufRepository();
      repository.change("1.root.json", (signed) => {
        const { timestamp } = signed["roles"] as { timestamp: Signed };
        timestamp["threshold"] = threshold;
      });
      expect(await refusal(judge(repository))).toBe("TRUST_INVALID");
    }
  });
});

describe("states that are held back or put together", () => {
  test("CVE-2022-29173: no role goes back to what it was before", async () => {
    for (const role of ["timestamp", "snapshot", "targets"] as const) {
      const repository = new TestTufRepository({ targets: ROOT });
      repository.publish();
      repository.publish();
      await using server = repository.serve();
      const directory = join(folder, "rollback", role);
      const load = () =>
        loadTufRepository({
          anchor: repository.anchor,
          cache: openTufCache(directory),
          mirror: openMirror(server.url, { env: {}, signal: new AbortController().signal }),
        });
      await load();
      repository.publish({ versions: { [role]: 2 } });
      expect([role, await refusal(load())]).toEqual([role, "TRUST_INVALID"]);
    }
  });

  test("CVE-2024-47534: of two roles that a name is handed on to, the first decides", async () => {
    const repository = new TestTufRepository({ targets: ROOT });
    repository.delegate("zeta", ["team/*"], { "team/key.pub": { content: "the first's" } });
    repository.delegate("alpha", ["team/*"], { "team/key.pub": { content: "the second's" } });
    const bytes = await judge(repository, "team/key.pub");
    expect(new TextDecoder().decode(bytes)).toBe("the first's");
  });

  test("CVE-2024-47534: a role says nothing of names that are not handed on to it", async () => {
    const repository = new TestTufRepository({ targets: ROOT });
    repository.delegate("team", ["team/*"], { "other/key.pub": { content: "not its own" } });
    expect(await judge(repository, "other/key.pub")).toBeUndefined();
  });
});

describe("files that no honest repository has", () => {
  const deep = `${'{"signed":'.repeat(10_000)}1${"}".repeat(10_000)}`;
  const signed = (changes: object) => JSON.stringify({ signatures: [], signed: changes });
  const BROKEN = [
    "",
    "null",
    "[]",
    "7",
    "<html>",
    '{"signed":null,"signatures":[]}',
    '{"signed":[],"signatures":{}}',
    '{"signed":{},"signatures":null}',
    '{"signed":{},"signed":{},"signatures":[]}',
    signed({ _type: "timestamp", version: 1, expires: "2099-01-01T00:00:00Z" }),
    signed({ _type: "root", version: 2, spec_version: "1.0", expires: "2099-01-01T00:00:00Z" }),
    signed({ _type: "timestamp", version: 1, spec_version: "9.0", expires: "2099", meta: 7 }),
    '{"signatures":[],"signed":{"_type":"timestamp","version":1e309,"expires":"2099-01-01T00:00:00Z"}}',
    deep.slice(0, 16_000),
    `\u0000${"x".repeat(1000)}`,
  ];

  test("CVE-2026-23991: what is no metadata is refused, and ends nothing else", async () => {
    for (const text of BROKEN) {
      for (const path of ["timestamp.json", "1.snapshot.json", "1.targets.json", "2.root.json"]) {
        const repository = new TestTufRepository();
        repository.files.set(path, new TextEncoder().encode(text));
        expect([path, text.slice(0, 60), await refusal(judge(repository))]).toEqual([
          path,
          text.slice(0, 60),
          "TRUST_INVALID",
        ]);
      }
    }
  });

  test("an expiry that is no time is none, which a client that compares would never reach", async () => {
    for (const expires of ["never", "", "2099-13-45T00:00:00Z"]) {
      const repository = new TestTufRepository();
      repository.change("timestamp.json", (meta) => {
        meta["expires"] = expires;
      });
      expect(await refusal(judge(repository))).toBe("TRUST_INVALID");
    }
  });

  test("a file without end is given up at its limit, announced or not", async () => {
    for (const path of ["timestamp.json", "1.snapshot.json", "1.targets.json", "2.root.json"]) {
      let sentBytes = 0;
      const repository = new TestTufRepository();
      const block = new Uint8Array(65_536);
      await using server = repository.serve((asked) =>
        asked === path
          ? new Response(
              new ReadableStream({
                pull: (controller) => {
                  sentBytes += block.length;
                  controller.enqueue(block);
                },
              }),
            )
          : undefined,
      );
      const mirror = openMirror(server.url, { env: {}, signal: new AbortController().signal });
      const loading = loadTufRepository({
        anchor: repository.anchor,
        cache: openTufCache(undefined),
        mirror,
      });
      expect([path, await refusal(loading)]).toEqual([path, "TRUST_INVALID"]);
      expect(sentBytes).toBeLessThan(16 * 1024 * 1024);
    }
  });
});
