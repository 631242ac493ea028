import { describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TUFClient } from "@sigstore/tuf/dist/client.js";
import { CosignError } from "../../../engine/model/errors.ts";
import { openTufCache, type TufCache } from "../../../engine/trust/tuf_cache.ts";
import { openMirror } from "../../../engine/trust/tuf_mirror.ts";
import { loadTufRepository } from "../../../engine/trust/tuf_repository.ts";
import {
  type Publication,
  TestTufRepository,
  type TufServer,
} from "../../support/tuf_repository.ts";

const LONG_AGO = "2026-01-01T00:00:00Z";
const TARGETS = { "trusted_root.json": { content: "whom we believe" } };
const LIMIT = 1_000_000;
const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);

function load(repository: TestTufRepository, server: TufServer | undefined, cache: TufCache) {
  const { signal } = new AbortController();
  return loadTufRepository({
    anchor: repository.anchor,
    cache,
    ...(server === undefined ? {} : { mirror: openMirror(server.url, { env: {}, signal }) }),
  });
}

/** What a client that has seen nothing makes of a repository. */
async function first(repository: TestTufRepository) {
  await using server = repository.serve();
  return await load(repository, server, openTufCache(undefined));
}

async function refusal(action: Promise<unknown>): Promise<CosignError> {
  const error = await action.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof CosignError) return error;
  throw new TypeError("It was not refused", { cause: error });
}

async function inFolder<T>(action: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "tuf-"));
  try {
    return await action(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("loadTufRepository()", () => {
  for (const isConsistent of [true, false]) {
    const kind = isConsistent ? "consistent" : "plain";
    test(`reads a ${kind} repository, keeps it where cosign does, and asks for no more than is new`, () =>
      inFolder(async (folder) => {
        const repository = new TestTufRepository({ targets: TARGETS }, { isConsistent });
        await using server = repository.serve();
        const cache = openTufCache(folder);
        const loaded = await load(repository, server, cache);
        const n = isConsistent ? "1." : "";
        const metadata = ["2.root.json", "timestamp.json", `${n}snapshot.json`, `${n}targets.json`];
        expect(server.requests).toEqual(metadata);
        expect(text(await loaded.read("trusted_root.json", LIMIT))).toBe("whom we believe");
        expect(await loaded.read("nothing.json", LIMIT)).toBeUndefined();
        expect(readdirSync(folder).sort()).toEqual([
          "root.json",
          "snapshot.json",
          "targets",
          "targets.json",
          "timestamp.json",
        ]);
        expect(readFileSync(join(folder, "targets", "trusted_root.json"), "utf8")).toBe(
          "whom we believe",
        );

        server.requests.length = 0;
        const again = await load(repository, server, openTufCache(folder));
        expect(text(await again.read("trusted_root.json", LIMIT))).toBe("whom we believe");
        expect(server.requests).toEqual(["2.root.json", "timestamp.json"]);
      }));
  }

  test("reads what was kept without a mirror", () =>
    inFolder(async (folder) => {
      const repository = new TestTufRepository({ targets: TARGETS });
      await using server = repository.serve();
      const loaded = await load(repository, server, openTufCache(folder));
      await loaded.read("trusted_root.json", LIMIT);
      server.requests.length = 0;
      const offline = await load(repository, undefined, openTufCache(folder));
      expect(text(await offline.read("trusted_root.json", LIMIT))).toBe("whom we believe");
      expect(server.requests).toEqual([]);
      const nothing = await refusal(load(repository, undefined, openTufCache(undefined)));
      expect(nothing.code).toBe("TRUST_UNAVAILABLE");
    }));

  test("is led to new keys by one root after another, and fetches none of them twice", () =>
    inFolder(async (folder) => {
      const repository = new TestTufRepository({ targets: TARGETS });
      repository.publishRoot({}, { root: ["root2"], timestamp: ["timestamp2"] });
      repository.publishRoot({}, { root: ["root3"], targets: ["targets3"] });
      repository.publish();
      await using server = repository.serve();
      const loaded = await load(repository, server, openTufCache(folder));
      expect(loaded.metadata.find(({ file }) => file === "root.json")?.version).toBe(3);
      expect(server.requests.slice(0, 3)).toEqual(["2.root.json", "3.root.json", "4.root.json"]);
      server.requests.length = 0;
      await load(repository, server, openTufCache(folder));
      expect(server.requests).toEqual(["4.root.json", "timestamp.json"]);
      const offline = await load(repository, undefined, openTufCache(folder));
      expect(offline.metadata.find(({ file }) => file === "root.json")?.version).toBe(3);
    }));

  test("goes on when the key of the timestamp was lost and replaced, whatever version it had come to", () =>
    inFolder(async (folder) => {
      const repository = new TestTufRepository({ versions: { timestamp: 1_000_000 } });
      await using server = repository.serve();
      await load(repository, server, openTufCache(folder));
      repository.publishRoot({}, { timestamp: ["another"] });
      repository.publish({ versions: { timestamp: 7 } });
      const loaded = await load(repository, server, openTufCache(folder));
      expect(loaded.metadata.find(({ file }) => file === "timestamp.json")?.version).toBe(7);
    }));

  test("heals a cache that was damaged", () =>
    inFolder(async (folder) => {
      const repository = new TestTufRepository({ targets: TARGETS });
      await using server = repository.serve();
      await (await load(repository, server, openTufCache(folder))).read("trusted_root.json", LIMIT);
      for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
        if (name.endsWith(".json")) writeFileSync(join(folder, name), '{"signed":');
      }
      const loaded = await load(repository, server, openTufCache(folder));
      expect(text(await loaded.read("trusted_root.json", LIMIT))).toBe("whom we believe");
      expect(readFileSync(join(folder, "targets", "trusted_root.json"), "utf8")).toBe(
        "whom we believe",
      );
      const offline = await load(repository, undefined, openTufCache(folder));
      expect(offline.metadata.length).toBe(4);
    }));

  test("finds a target in the role that it is delegated to", async () => {
    const repository = new TestTufRepository({ targets: TARGETS });
    repository.delegate("team", ["team/*"], { "team/key.pub": { content: "a key" } });
    const loaded = await first(repository);
    await using server = repository.serve();
    const served = await load(repository, server, openTufCache(undefined));
    expect(text(await served.read("team/key.pub", LIMIT))).toBe("a key");
    expect(await served.read("other/key.pub", LIMIT)).toBeUndefined();
    expect(loaded.targets.map(({ name }) => name)).toEqual(["trusted_root.json"]);
  });

  for (const role of ["timestamp", "snapshot", "targets", "root"] as const) {
    test(`refuses an expired ${role}: TRUST_EXPIRED, naming the file and its time`, async () => {
      const error = await refusal(first(new TestTufRepository({ expires: { [role]: LONG_AGO } })));
      expect(error).toMatchObject({
        code: "TRUST_EXPIRED",
        message: expect.stringContaining(`"${role}.json" was valid until 2026-01-01T00:00:00.000Z`),
        hint: expect.stringContaining("--trusted-root"),
      });
    });
  }

  test("refuses a mirror that holds on to a state that has expired since", () =>
    inFolder(async (folder) => {
      const repository = new TestTufRepository();
      await using server = repository.serve();
      await load(repository, server, openTufCache(folder));
      // What was kept expires, and the mirror has the very same.
      repository.change("timestamp.json", (signed) => {
        signed["expires"] = LONG_AGO;
      });
      writeFileSync(join(folder, "timestamp.json"), repository.file("timestamp.json"));
      const error = await refusal(load(repository, server, openTufCache(folder)));
      expect(error.code).toBe("TRUST_EXPIRED");
      expect(error.message).toContain('"timestamp.json"');
      const offline = await refusal(load(repository, undefined, openTufCache(folder)));
      expect(offline.code).toBe("TRUST_EXPIRED");
    }));

  describe("refuses to go back", () => {
    const older: readonly (readonly [string, Publication])[] = [
      ["timestamp", { versions: { timestamp: 1 } }],
      ["snapshot", { versions: { snapshot: 1 } }],
      ["targets", { versions: { targets: 1 } }],
    ];
    for (const [role, publication] of older) {
      test(`to an older ${role}`, () =>
        inFolder(async (folder) => {
          const repository = new TestTufRepository();
          repository.publish();
          await using server = repository.serve();
          await load(repository, server, openTufCache(folder));
          repository.publish(publication);
          const error = await refusal(load(repository, server, openTufCache(folder)));
          expect(error.code).toBe("TRUST_INVALID");
          expect(error.message).toMatch(/version/i);
        }));
    }

    test("to an older root under a new number", async () => {
      const repository = new TestTufRepository();
      repository.files.set("2.root.json", repository.anchor);
      expect((await refusal(first(repository))).code).toBe("TRUST_INVALID");
    });
  });

  test("refuses what does not belong together: a snapshot of another state, targets of another", async () => {
    for (const role of ["snapshot", "targets"]) {
      const repository = new TestTufRepository();
      repository.publish({ targets: TARGETS });
      repository.files.set(`2.${role}.json`, repository.file(`1.${role}.json`));
      const error = await refusal(first(repository));
      expect([role, error.code]).toEqual([role, "TRUST_INVALID"]);
      expect(error.message).toContain(`${role}.json`);
    }
  });

  test("refuses signatures of too few, of others, and none", async () => {
    const lies: readonly TestTufRepository[] = [
      new TestTufRepository({ signers: { timestamp: ["stranger"] } }),
      new TestTufRepository({ signers: { targets: [] } }),
      new TestTufRepository(
        { signers: { snapshot: ["a"] } },
        { roleKeys: { snapshot: ["a", "b"] }, thresholds: { snapshot: 2 } },
      ),
    ];
    for (const repository of lies) {
      const error = await refusal(first(repository));
      expect(error.code).toBe("TRUST_INVALID");
      expect(error.message).toMatch(/was signed by \d\/\d keys/);
    }
    const rotated = new TestTufRepository();
    rotated.publishRoot({ signers: { root: ["thief"] } }, { root: ["thief"] });
    expect((await refusal(first(rotated))).code).toBe("TRUST_INVALID");
  });

  test("refuses what lies about the length or the digest of a target", async () => {
    const content = "whom we believe";
    const wrong = { sha256: "0".repeat(64) };
    for (const [target, why] of [
      [{ content, hashes: wrong }, "sha256 is"],
      [{ content, length: content.length + 1 }, "bytes"],
      [{ content, length: content.length - 1 }, "limit"],
      [{ content, hashes: { md5: "0".repeat(32) } }, "neither SHA-256 nor SHA-512"],
      [{ content, hashes: {} }, "neither"],
    ] as const) {
      const repository = new TestTufRepository(
        { targets: { "trusted_root.json": target } },
        { isConsistent: false },
      );
      await using server = repository.serve();
      const loaded = await load(repository, server, openTufCache(undefined));
      const error = await refusal(loaded.read("trusted_root.json", LIMIT));
      expect(error.code).toBe("TRUST_INVALID");
      expect(error.message).toContain(why);
    }
  });

  test("refuses a target that is longer than what is asked for", async () => {
    const repository = new TestTufRepository({ targets: TARGETS });
    const loaded = await first(repository);
    const error = await refusal(loaded.read("trusted_root.json", 3));
    expect(error).toMatchObject({ code: "TRUST_INVALID" });
  });

  test("says of a mirror that lacks what it names that it is away, not that it lies", async () => {
    const repository = new TestTufRepository({ targets: TARGETS });
    repository.files.delete("1.snapshot.json");
    expect((await refusal(first(repository))).code).toBe("TRUST_UNAVAILABLE");
  });

  test("is read by somebody else's client: what the tests build is a repository", () =>
    inFolder(async (folder) => {
      const repository = new TestTufRepository({ targets: TARGETS });
      repository.publishRoot({}, { root: ["root2"], timestamp: ["timestamp2"] });
      repository.publish();
      await using server = repository.serve();
      const rootPath = join(folder, "root.json");
      writeFileSync(rootPath, repository.anchor);
      const open = () =>
        new TUFClient({
          mirrorURL: server.url,
          cachePath: join(folder, "cache"),
          rootPath,
          forceInit: false,
          forceCache: false,
          retry: 0,
          timeout: 10_000,
        });
      expect(await open().getTarget("trusted_root.json")).toBe("whom we believe");
      repository.publish({ versions: { timestamp: 1 } });
      await expect(open().refresh()).rejects.toThrow("less than current version");
    }));
});
