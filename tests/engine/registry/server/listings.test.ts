import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startEmbeddedRegistry } from "../../../support/embedded_registry.ts";
import type { TestRegistry } from "../../../support/registries.ts";
import {
  ask,
  codeOf,
  digestOf,
  follow,
  image,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_MANIFEST,
  pushBlob,
  putManifest,
} from "./_client.ts";

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startEmbeddedRegistry();
});
afterAll(() => registry.close());

/** The addresses of all pages, and what each held. */
async function readPages<T>(path: string, read: (body: unknown) => readonly T[]): Promise<T[][]> {
  const pages: T[][] = [];
  let response = await ask(registry, "GET", path);
  for (;;) {
    expect(response.status).toBe(200);
    pages.push([...read(await response.json())]);
    const link = response.headers.get("link");
    if (link === null) return pages;
    const [, next] = /^<([^>]+)>; rel="next"$/.exec(link) ?? [];
    response = await follow(registry, "GET", next ?? "");
  }
}

const tagsOf = (body: unknown) => (body as { tags: string[] }).tags;

describe("GET /v2/<name>/tags/list", () => {
  beforeAll(async () => {
    for (const tag of ["b", "a", "C", "_", "1", "a.1"]) {
      await putManifest(registry, "tags/a", tag, image());
    }
  });

  test("getTags() lists in ASCII order", async () => {
    const response = await ask(registry, "GET", "tags/a/tags/list");
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toEqual({
      name: "tags/a",
      tags: ["1", "C", "_", "a", "a.1", "b"],
    });
  });

  test("getTags() pages by n, with a Link to the next", async () => {
    expect(await readPages("tags/a/tags/list?n=4", tagsOf)).toEqual([
      ["1", "C", "_", "a"],
      ["a.1", "b"],
    ]);
    expect(await readPages("tags/a/tags/list?n=3", tagsOf)).toEqual([
      ["1", "C", "_"],
      ["a", "a.1", "b"],
    ]);
  });

  test("getTags() begins behind last, whether or not that tag is there", async () => {
    expect(await readPages("tags/a/tags/list?last=_", tagsOf)).toEqual([["a", "a.1", "b"]]);
    expect(await readPages("tags/a/tags/list?last=aa&n=1", tagsOf)).toEqual([["b"]]);
    expect(await readPages("tags/a/tags/list?last=z", tagsOf)).toEqual([[]]);
  });

  test("getTags() answers n=0 with nothing and no Link", async () => {
    expect(await readPages("tags/a/tags/list?n=0", tagsOf)).toEqual([[]]);
  });

  test("getTags() refuses an n that is no number", async () => {
    for (const n of ["-1", "x", "1.5"]) {
      expect((await ask(registry, "GET", `tags/a/tags/list?n=${n}`)).status).toBe(400);
    }
  });

  test("getTags() has an empty list for a repository without tags, 404 for none", async () => {
    await pushBlob(registry, "tags/empty", "blob");
    const empty = await ask(registry, "GET", "tags/empty/tags/list");
    expect(await empty.json()).toEqual({ name: "tags/empty", tags: [] });
    const none = await ask(registry, "GET", "tags/none/tags/list");
    expect([none.status, await codeOf(none)]).toEqual([404, "NAME_UNKNOWN"]);
  });
});

describe("GET /v2/_catalog", () => {
  test("getCatalog() lists repositories, also those below each other, page by page", async () => {
    const own = await startEmbeddedRegistry({ pageSize: 2 });
    try {
      for (const name of ["b/c", "b", "b-c", "a", "b/c/d"]) {
        await putManifest(own, name, "v1", image());
      }
      const names: string[] = [];
      for (let path: string | undefined = "/v2/_catalog"; path !== undefined; ) {
        const response: Response = await follow(own, "GET", path);
        const { repositories } = (await response.json()) as { repositories: string[] };
        expect(repositories.length).toBeLessThanOrEqual(2);
        names.push(...repositories);
        path = /^<([^>]+)>; rel="next"$/.exec(response.headers.get("link") ?? "")?.[1];
      }
      expect(names).toEqual(["a", "b", "b-c", "b/c", "b/c/d"]);
    } finally {
      await own.close();
    }
  });
});

interface Index {
  readonly schemaVersion: number;
  readonly mediaType: string;
  readonly manifests: readonly { digest: string; artifactType?: string }[];
}

describe("GET /v2/<name>/referrers/<digest>", () => {
  const subject = { mediaType: OCI_MANIFEST, digest: digestOf("the subject"), size: 11 };

  async function push(repository: string, more: object): Promise<string> {
    const manifest = image({ subject, ...more });
    await putManifest(registry, repository, digestOf(manifest), manifest);
    return digestOf(manifest);
  }

  async function referrers(repository: string, query = ""): Promise<Response> {
    return await ask(registry, "GET", `${repository}/referrers/${subject.digest}${query}`);
  }

  test("getReferrers() answers with an index of what refers to the subject", async () => {
    const artifactType = "application/vnd.example.sbom";
    const annotations = { "org.example": "yes" };
    const digest = await push("ref/a", { artifactType, annotations });
    const response = await referrers("ref/a");
    expect(response.headers.get("content-type")).toBe(OCI_INDEX);
    expect(await response.json()).toEqual({
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [
        {
          mediaType: OCI_MANIFEST,
          digest,
          size: image({ subject, artifactType, annotations }).length,
          artifactType,
          annotations,
        },
      ],
    });
  });

  test("getReferrers() takes the config's media type for a missing artifactType, and none for an index", async () => {
    await push("ref/types", {});
    const index = JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [],
      subject,
    });
    await putManifest(registry, "ref/types", "index", index, { "Content-Type": OCI_INDEX });
    const { manifests } = (await (await referrers("ref/types")).json()) as Index;
    const types = new Map(manifests.map(({ digest, artifactType }) => [digest, artifactType]));
    expect(types.get(digestOf(image({ subject })))).toBe(OCI_CONFIG);
    expect(types.has(digestOf(index))).toBe(true);
    expect(types.get(digestOf(index))).toBeUndefined();
  });

  test("getReferrers() filters by artifactType and says so", async () => {
    const wanted = await push("ref/filter", { artifactType: "a/wanted" });
    await push("ref/filter", { artifactType: "a/other" });
    const response = await referrers("ref/filter", "?artifactType=a%2Fwanted");
    expect(response.headers.get("oci-filters-applied")).toBe("artifactType");
    const { manifests } = (await response.json()) as Index;
    expect(manifests.map(({ digest }) => digest)).toEqual([wanted]);
    expect((await referrers("ref/filter")).headers.get("oci-filters-applied")).toBeNull();
  });

  test("getReferrers() answers with an empty index where nothing refers, also without a repository", async () => {
    for (const repository of ["ref/a", "ref/nothing"]) {
      const path = `${repository}/referrers/${digestOf("nothing")}`;
      const response = await ask(registry, "GET", path);
      expect(response.status).toBe(200);
      const body = (await response.json()) as Index;
      expect(body).toEqual({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] });
    }
  });

  test("getReferrers() refuses what is not a digest with 400", async () => {
    const response = await ask(registry, "GET", "ref/a/referrers/latest");
    expect([response.status, await codeOf(response)]).toEqual([400, "DIGEST_INVALID"]);
  });

  test("getReferrers() lists neither a deleted referrer nor one of another repository", async () => {
    const digest = await push("ref/deleted", { annotations: { n: "1" } });
    const stays = await push("ref/deleted", { annotations: { n: "2" } });
    await push("ref/elsewhere", { annotations: { n: "3" } });
    await ask(registry, "DELETE", `ref/deleted/manifests/${digest}`);
    const { manifests } = (await (await referrers("ref/deleted")).json()) as Index;
    expect(manifests.map((entry) => entry.digest)).toEqual([stays]);
  });

  test("getReferrers() pages, and a filter holds on every page", async () => {
    const wanted: string[] = [];
    for (let i = 0; i < 7; i++) {
      wanted.push(await push("ref/pages", { artifactType: "a/b+c", annotations: { n: `${i}` } }));
      await push("ref/pages", { artifactType: "a/other", annotations: { n: `${i}` } });
    }
    const path = `ref/pages/referrers/${subject.digest}?n=3`;
    const digests = (body: unknown) => (body as Index).manifests.map(({ digest }) => digest);
    const all = await readPages(path, digests);
    expect(all.map((page) => page.length)).toEqual([3, 3, 3, 3, 2]);
    const filtered = await readPages(`${path}&artifactType=a%2Fb%2Bc`, digests);
    expect(filtered.map((page) => page.length)).toEqual([3, 3, 1]);
    expect(filtered.flat().sort()).toEqual([...wanted].sort());
  });

  test("getReferrers() begins a new page before one grows larger than a manifest may", async () => {
    for (let i = 0; i < 3; i++) {
      await push("ref/large", { annotations: { n: `${i}`, filler: "x".repeat(1_500_000) } });
    }
    const path = `ref/large/referrers/${subject.digest}`;
    const pages = await readPages(path, (body) => (body as Index).manifests);
    expect(pages.map((page) => page.length)).toEqual([1, 1, 1]);
  });

  test("of 32 referrers pushed at once none is missing", async () => {
    const digests = await Promise.all(
      Array.from({ length: 32 }, (_, i) => push("ref/race", { annotations: { n: `${i}` } })),
    );
    const { manifests } = (await (await referrers("ref/race")).json()) as Index;
    expect(manifests.map(({ digest }) => digest)).toEqual(digests.sort());
  });

  test("referrers: false turns the API off: 404, and no subject is acknowledged", async () => {
    const without = await startEmbeddedRegistry({ referrers: false });
    try {
      const pushed = await putManifest(without, "a", "v1", image({ subject }));
      expect([pushed.status, pushed.headers.get("oci-subject")]).toEqual([201, null]);
      expect((await ask(without, "GET", `a/referrers/${subject.digest}`)).status).toBe(404);
    } finally {
      await without.close();
    }
  });
});
