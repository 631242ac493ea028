import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { digestOf } from "../../../engine/crypto/hash.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import type { Digest } from "../../../engine/model/digest.ts";
import { CosignError } from "../../../engine/model/errors.ts";
import {
  type SharedStore,
  updateSharedManifest,
} from "../../../engine/registry/shared_manifest.ts";
import type {
  Precondition,
  SharedContent,
  StoredManifest,
} from "../../../engine/registry/store.ts";
import { onBothRegistries, type TestRegistry } from "../../support/registries.ts";
import { openForTest } from "./_open.ts";

const TYPE = "application/vnd.oci.image.index.v1+json";
/** Processes that write one tag at once, and how often that is tried. */
const WRITERS = 32;
const RUNS = 3;

onBothRegistries((_name, start) => {
  let server: TestRegistry;
  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server.close());

  test(`${WRITERS} processes that write one tag at once lose nothing, ${RUNS} times`, async () => {
    const names = Array.from({ length: WRITERS }, (_, index) => `writer-${index}`);
    for (let run = 0; run < RUNS; run++) {
      const repository = `shared/run${run}`;
      const writers = names.map((name) =>
        Bun.spawn(
          [
            process.execPath,
            `${import.meta.dir}/_shared_writer.ts`,
            server.host,
            repository,
            "tag",
            name,
          ],
          { stdin: "pipe", stdout: "ignore", stderr: "inherit" },
        ),
      );
      for (const writer of writers) writer.stdin.write("go\n");
      for (const writer of writers) writer.stdin.end();
      const codes = await Promise.all(writers.map((writer) => writer.exited));
      expect(codes).toEqual(names.map(() => 0));
      const store = openForTest().repository({ registry: server.host, repository });
      const stored = await store.manifest("tag");
      const { annotations } = JSON.parse(new TextDecoder().decode(stored?.bytes));
      expect(Object.keys(annotations).sort()).toEqual([...names].sort());
    }
  }, 300_000);
});

describe("updateSharedManifest()", () => {
  const add = (name: string) => (existing: StoredManifest | undefined) => {
    const names = namesIn(existing);
    return names.includes(name) ? undefined : contentOf([...names, name]);
  };
  const noPause = (): Promise<void> => Promise.resolve();

  test("updateSharedManifest() reads back two times without pauses of its own", async () => {
    const store = new MemoryStore();
    const pauses: number[] = [];
    await updateSharedManifest(store, "tag", add("a"), {
      idle: async (ms) => void pauses.push(ms),
      random: () => 0.5,
    });
    expect(store.names("tag")).toEqual(["a"]);
    expect(store.log).toEqual(["read", "write", "read", "read"]);
    expect(pauses).toHaveLength(2);
    for (const ms of pauses) expect(ms).toBeGreaterThanOrEqual(150);
  });

  test("updateSharedManifest() writes nothing when its part is there already", async () => {
    const store = new MemoryStore();
    store.put("tag", contentOf(["a"]));
    await updateSharedManifest(store, "tag", add("a"), { idle: noPause });
    expect(store.log).toEqual(["read"]);
  });

  test("updateSharedManifest() adds its part again when another writer has removed it", async () => {
    const store = new MemoryStore();
    let pauses = 0;
    await updateSharedManifest(store, "tag", add("a"), {
      idle: async () => {
        if (pauses++ === 0) store.put("tag", contentOf(["b"]));
      },
    });
    expect(store.names("tag")).toEqual(["b", "a"]);
    expect(store.log.filter((entry) => entry === "write")).toHaveLength(2);
  });

  test("updateSharedManifest() goes on reading while others write", async () => {
    const store = new MemoryStore();
    let others = 0;
    await updateSharedManifest(store, "tag", add("a"), {
      idle: async () => {
        if (others++ < 4) store.put("tag", contentOf([...store.names("tag"), `other-${others}`]));
      },
    });
    // Before the write; after each of the first four pauses; then until four in a row are the same.
    expect(store.log.filter((entry) => entry === "read").length).toBe(1 + 4 + 3);
    expect(store.names("tag")).toContain("a");
  });

  test("updateSharedManifest() says SIGNATURE_LOST when its part never stays", async () => {
    const store = new MemoryStore();
    const update = updateSharedManifest(store, "tag", add("a"), {
      idle: async () => void store.put("tag", contentOf(["b"])),
    });
    await expect(update).rejects.toMatchObject({ code: "SIGNATURE_LOST" });
  });

  test("updateSharedManifest() needs no reading back where preconditions are kept", async () => {
    const store = new MemoryStore(true);
    await updateSharedManifest(store, "tag", add("a"), { idle: noPause });
    // Written once, proved once by a write that must fail.
    expect(store.log).toEqual(["read", "write", "conflict"]);
    store.log.length = 0;
    await updateSharedManifest(store, "other", add("a"), { idle: noPause });
    expect(store.log).toEqual(["read", "write"]);
  });

  test("updateSharedManifest() believes in If-Match and If-None-Match separately", async () => {
    const store = new MemoryStore(true);
    await updateSharedManifest(store, "tag", add("a"), { idle: noPause });
    store.log.length = 0;
    await updateSharedManifest(store, "tag", add("b"), { idle: noPause });
    expect(store.log).toEqual(["read", "write", "conflict"]);
    expect(store.names("tag")).toEqual(["a", "b"]);
  });

  test("updateSharedManifest() does not trust a registry that takes preconditions and ignores them", async () => {
    const store = new MemoryStore(false, true);
    await updateSharedManifest(store, "tag", add("a"), { idle: noPause });
    expect(store.log).toEqual(["read", "write", "write", "read", "read"]);
  });

  test("updateSharedManifest() merges again after a conflict", async () => {
    const store = new MemoryStore(true);
    let merges = 0;
    await updateSharedManifest(
      store,
      "tag",
      (existing) => {
        if (merges++ === 0) store.put("tag", contentOf(["first"]));
        return add("second")(existing);
      },
      { idle: noPause },
    );
    expect(store.names("tag")).toEqual(["first", "second"]);
  });

  test("updateSharedManifest() writes blobs before the manifest that names them", async () => {
    const store = new MemoryStore();
    const blob = utf8("config");
    await updateSharedManifest(
      store,
      "tag",
      (existing) => {
        const merged = add("a")(existing);
        return merged && { ...merged, blobs: [{ content: blob, digest: digestOf(blob) }] };
      },
      { idle: noPause },
    );
    expect(store.log.slice(0, 3)).toEqual(["read", "blob", "write"]);
  });
});

/** The names that a manifest of these tests holds. */
function namesIn(stored: StoredManifest | undefined): readonly string[] {
  return stored === undefined ? [] : JSON.parse(new TextDecoder().decode(stored.bytes));
}

function contentOf(names: readonly string[]): SharedContent {
  return { content: utf8(JSON.stringify(names)), mediaType: TYPE };
}

/** Manifests by tag in memory, which keeps preconditions, or ignores them, or has no entity tags at all. */
class MemoryStore implements SharedStore {
  readonly name = "memory/store";
  readonly log: string[] = [];
  readonly #keeps: boolean;
  readonly #tagsEntities: boolean;
  readonly #manifests: Map<string, StoredManifest> = new Map();
  readonly #enforced: Map<string, boolean> = new Map();

  constructor(keepsPreconditions = false, tagsEntities: boolean = keepsPreconditions) {
    this.#keeps = keepsPreconditions;
    this.#tagsEntities = tagsEntities;
  }

  names(tag: string): readonly string[] {
    return namesIn(this.#manifests.get(tag));
  }

  put(tag: string, { content, mediaType }: SharedContent): string {
    const digest = digestOf(content);
    this.#manifests.set(tag, {
      descriptor: { mediaType, digest, sizeBytes: content.length },
      bytes: content,
      ...(this.#tagsEntities ? { etag: `"${digest}"` } : {}),
    });
    return `"${digest}"`;
  }

  async manifest(tag: string): Promise<StoredManifest | undefined> {
    this.log.push("read");
    return this.#manifests.get(tag);
  }

  async pushManifest(
    content: Uint8Array,
    mediaType: string,
    tag: string,
    precondition?: Precondition,
  ): Promise<string | undefined> {
    const etag = this.#manifests.get(tag)?.etag;
    const holds =
      precondition === undefined ||
      ("ifMatch" in precondition ? precondition.ifMatch === etag : !this.#manifests.has(tag));
    if (this.#keeps && !holds) {
      this.log.push("conflict");
      throw new CosignError("REGISTRY_CONFLICT", "Cannot write: changed");
    }
    this.log.push("write");
    const written = this.put(tag, { content, mediaType });
    return this.#tagsEntities ? written : undefined;
  }

  async enforces(kind: "ifMatch" | "ifNoneMatch", prove: () => Promise<boolean>): Promise<boolean> {
    const known = this.#enforced.get(kind) ?? (await prove());
    this.#enforced.set(kind, known);
    return known;
  }

  async pushBlob(_content: Uint8Array, _digest: Digest): Promise<void> {
    this.log.push("blob");
  }
}
