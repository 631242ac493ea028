import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  isRepositoryName,
  isTagName,
  parseRoute,
} from "../../../../engine/registry/server/route.ts";
import { startEmbeddedRegistry } from "../../../support/embedded_registry.ts";
import type { TestRegistry } from "../../../support/registries.ts";
import { askRaw, digestOf } from "./_client.ts";

const digest = digestOf("x");

describe("isRepositoryName()", () => {
  test.each(["a", "library/alpine", "a.b_c__d-e---f/g1", "0/1/2", `${"a".repeat(255)}`])(
    "isRepositoryName() takes %p",
    (name) => {
      expect(isRepositoryName(name)).toBe(true);
    },
  );
  test.each([
    "",
    "A",
    "a/",
    "/a",
    "a//b",
    ".",
    "..",
    "a/../b",
    "a/.b",
    "a._b",
    "a___b",
    "_a",
    "a_",
    "a/_",
    "a b",
    "a\\b",
    "a\u0000",
    "a\n",
    "ä",
    "a".repeat(256),
  ])("isRepositoryName() refuses %p", (name) => {
    expect(isRepositoryName(name)).toBe(false);
  });

  test("isRepositoryName() takes no longer for a name made to make regular expressions slow", () => {
    const startMs = performance.now();
    expect(isRepositoryName(`${"a-".repeat(127)}!`)).toBe(false);
    expect(performance.now() - startMs).toBeLessThan(100);
  });
});

describe("isTagName()", () => {
  test.each(["latest", "_", "V1.0-rc_1", "a..b", "x".repeat(128)])(
    "isTagName() takes %p",
    (tag) => {
      expect(isTagName(tag)).toBe(true);
    },
  );
  test.each(["", ".", "..", ".a", "-a", "a/b", "a\\b", "a:b", "a b", "a\n", "x".repeat(129)])(
    "isTagName() refuses %p",
    (tag) => {
      expect(isTagName(tag)).toBe(false);
    },
  );
});

describe("parseRoute()", () => {
  test("parseRoute() lets a repository be called like a part of the API", () => {
    expect(parseRoute(`/v2/blobs/manifests/tags/manifests/list`)).toEqual({
      at: "manifest",
      repository: "blobs/manifests/tags",
      reference: "list",
    });
    expect(parseRoute("/v2/tags/list/tags/list")).toEqual({ at: "tags", repository: "tags/list" });
  });

  test("parseRoute() takes a digest with its colon percent-encoded", () => {
    expect(parseRoute(`/v2/a/blobs/${encodeURIComponent(digest)}`)).toMatchObject({
      at: "blob",
      digest,
    });
  });

  test.each([
    ["/v2/A/tags/list", 400, "NAME_INVALID"],
    ["/v2/a/blobs/sha256:xyz", 400, "DIGEST_INVALID"],
    [`/v2/a/blobs/${digest.toUpperCase()}`, 400, "DIGEST_INVALID"],
    ["/v2/a/referrers/md5:d41d8cd98f00b204e9800998ecf8427e", 400, "DIGEST_INVALID"],
    ["/v2/a/blobs/uploads/not-a-uuid", 404, "BLOB_UPLOAD_UNKNOWN"],
    ["/v2/%zz/tags/list", 400, "NAME_INVALID"],
    ["/v1/a", 404, "UNSUPPORTED"],
    ["/", 404, "UNSUPPORTED"],
  ])("parseRoute() refuses %p with %p %p", (path, status, code) => {
    expect(() => parseRoute(path)).toThrow(expect.objectContaining({ status, code }));
  });
});

describe("path traversal", () => {
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startEmbeddedRegistry();
  });
  afterAll(() => registry.close());

  test.each([
    "/v2/../../etc/passwd",
    "/v2/a/../../b/manifests/latest",
    "/v2/%2e%2e/%2e%2e/manifests/latest",
    "/v2/..%2f..%2fx/manifests/latest",
    "/v2/a/manifests/..",
    "/v2/a/manifests/%2e%2e%2f%2e%2e%2fx",
    "/v2/a/manifests/..%5c..%5cx",
    `/v2/a/blobs/sha256:..%2f..%2f${"a".repeat(58)}`,
    "/v2/a/blobs/uploads/..%2f..%2fblobs",
    "/v2/a/blobs/uploads/..",
    "/v2/a/_/tags/list",
    "/v2/_/manifests/latest",
    "/v2/a%00b/manifests/latest",
    "//v2/a/tags/list",
  ])("serveRegistry() answers GET, PUT and DELETE of %p with 400, 404 or 405", async (path) => {
    for (const method of ["GET", "PUT", "DELETE"]) {
      expect([400, 404, 405]).toContain(await askRaw(registry, method, path));
    }
  });

  test("serveRegistry() has written nothing for any of them", () => {
    expect(readdirSync(join(registry.dir, "repositories"))).toEqual([]);
    expect(readdirSync(registry.dir).sort()).toEqual([
      "blobs",
      "repositories",
      "staging",
      "uploads",
    ]);
    expect(readdirSync(dirname(registry.dir))).not.toContain("x");
  });

  test("serveRegistry() mounts nothing from a repository whose name is a path", async () => {
    const path = `/v2/a/blobs/uploads/?mount=${digest}&from=..%2f..%2fetc`;
    expect(await askRaw(registry, "POST", path)).toBe(202);
  });
});
