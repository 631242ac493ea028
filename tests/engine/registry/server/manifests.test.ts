import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startEmbeddedRegistry } from "../../../support/embedded_registry.ts";
import type { TestRegistry } from "../../../support/registries.ts";
import {
  ask,
  codeOf,
  digestOf,
  image,
  OCI_INDEX,
  OCI_MANIFEST,
  putManifest,
  streamOf,
} from "./_client.ts";

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startEmbeddedRegistry();
});
afterAll(() => registry.close());

describe("PUT /v2/<name>/manifests/<reference>", () => {
  test("putManifest() by tag answers 201 with location, digest and etag", async () => {
    const response = await putManifest(registry, "man/a", "v1", image());
    const digest = digestOf(image());
    expect(response.status).toBe(201);
    expect(response.headers.get("location")).toBe(`/v2/man/a/manifests/${digest}`);
    expect(response.headers.get("docker-content-digest")).toBe(digest);
    expect(response.headers.get("etag")).toBe(`"${digest}"`);
  });

  test("putManifest() keeps the very bytes, whatever stands between them", async () => {
    const manifest = `\n ${image({ annotations: { a: "ä\u2028" }, unknown: [1.0, 2e3] })}\n\n`;
    await putManifest(registry, "man/a", "bytes", manifest);
    for (const reference of ["bytes", digestOf(manifest)]) {
      const response = await ask(registry, "GET", `man/a/manifests/${reference}`);
      expect(await response.text()).toBe(manifest);
      expect(response.headers.get("content-type")).toBe(OCI_MANIFEST);
      expect(response.headers.get("docker-content-digest")).toBe(digestOf(manifest));
    }
  });

  test("putManifest() by digest takes SHA-256 and SHA-512", async () => {
    for (const algorithm of ["sha256", "sha512"]) {
      const digest = digestOf(image(), algorithm);
      const response = await putManifest(registry, "man/digests", digest, image());
      expect([response.status, response.headers.get("docker-content-digest")]).toEqual([
        201,
        digest,
      ]);
      expect((await ask(registry, "GET", `man/digests/manifests/${digest}`)).status).toBe(200);
    }
  });

  test("putManifest() by digest gives it all the tags that are asked for, and names them", async () => {
    const digest = digestOf(image(), "sha512");
    const tags = Array.from({ length: 12 }, (_, i) => `t${i}`);
    const query = tags.map((tag) => `tag=${tag}`).join("&");
    const response = await putManifest(registry, "man/tags", `${digest}?${query}`, image());
    expect(response.headers.get("oci-tag")?.split(", ")).toEqual(tags);
    const byTag = await ask(registry, "HEAD", "man/tags/manifests/t11");
    expect(byTag.headers.get("docker-content-digest")).toBe(digest);
  });

  test.each([
    ["a digest of other bytes", digestOf("other"), image(), OCI_MANIFEST, 400, "DIGEST_INVALID"],
    ["a digest that is none", "sha256:abc", image(), OCI_MANIFEST, 400, "DIGEST_INVALID"],
    ["a tag that is none", "-v1", image(), OCI_MANIFEST, 400, "MANIFEST_INVALID"],
    ["what is not JSON", "v1", "{", OCI_MANIFEST, 400, "MANIFEST_INVALID"],
    ["another Content-Type than mediaType", "v1", image(), OCI_INDEX, 400, "MANIFEST_INVALID"],
  ])("putManifest() refuses %s", async (_, reference, manifest, type, status, code) => {
    const headers = { "Content-Type": type };
    const response = await putManifest(registry, "man/bad", reference, manifest, headers);
    expect([response.status, await codeOf(response)]).toEqual([status, code]);
    expect((await ask(registry, "GET", `man/bad/manifests/${reference}`)).status).not.toBe(200);
  });

  test("putManifest() takes a manifest of 4 MiB, and refuses a longer one with 413", async () => {
    const shell = image({ annotations: { filler: "" } }).length;
    const filler = "x".repeat(4 * 1024 * 1024 - shell);
    const largest = image({ annotations: { filler } });
    expect((await putManifest(registry, "man/large", "v1", largest)).status).toBe(201);
    const longer = await putManifest(registry, "man/large", "v2", `${largest} `);
    expect([longer.status, await codeOf(longer)]).toEqual([413, "MANIFEST_INVALID"]);
    const streamed = await ask(registry, "PUT", "man/large/manifests/v3", {
      body: streamOf([new TextEncoder().encode(`${largest} `)]),
      headers: { "Content-Type": OCI_MANIFEST },
    });
    expect(streamed.status).toBe(413);
  });

  test("putManifest() takes a manifest whose blobs are elsewhere, and one without a mediaType", async () => {
    const layers = [{ mediaType: "a/b", digest: digestOf("nowhere"), size: 7 }];
    expect((await putManifest(registry, "man/sparse", "v1", image({ layers }))).status).toBe(201);
    const untyped = image({ mediaType: undefined });
    expect((await putManifest(registry, "man/sparse", "v2", untyped)).status).toBe(201);
  });

  test("putManifest() acknowledges a subject, also one that is not there", async () => {
    const subject = { mediaType: OCI_MANIFEST, digest: digestOf("missing"), size: 7 };
    const response = await putManifest(registry, "man/subject", "v1", image({ subject }));
    expect([response.status, response.headers.get("oci-subject")]).toEqual([201, subject.digest]);
  });

  test("putManifest() moves a tag", async () => {
    const [one, two] = [image({ annotations: { n: "1" } }), image({ annotations: { n: "2" } })];
    await putManifest(registry, "man/move", "v1", one);
    await putManifest(registry, "man/move", "v1", two);
    const response = await ask(registry, "GET", "man/move/manifests/v1");
    expect(await response.text()).toBe(two);
    expect((await ask(registry, "GET", `man/move/manifests/${digestOf(one)}`)).status).toBe(200);
  });

  test("putManifest() keeps tags apart that differ in case only", async () => {
    await putManifest(registry, "man/case", "Rc", image({ annotations: { n: "1" } }));
    await putManifest(registry, "man/case", "rc", image({ annotations: { n: "2" } }));
    const list = await ask(registry, "GET", "man/case/tags/list");
    expect(await list.json()).toEqual({ name: "man/case", tags: ["Rc", "rc"] });
    const upper = await ask(registry, "GET", "man/case/manifests/Rc");
    expect(await upper.text()).toBe(image({ annotations: { n: "1" } }));
  });
});

describe("conditional requests on manifests (RFC 9110 §13)", () => {
  const one = image({ annotations: { n: "1" } });
  const two = image({ annotations: { n: "2" } });
  const three = image({ annotations: { n: "3" } });

  test("If-None-Match: * lets a tag be made, and not be moved", async () => {
    const headers = { "If-None-Match": "*" };
    expect((await putManifest(registry, "cond/none", "v1", one, headers)).status).toBe(201);
    const second = await putManifest(registry, "cond/none", "v1", two, headers);
    expect(second.status).toBe(412);
    expect(second.headers.get("etag")).toBe(`"${digestOf(one)}"`);
    expect(await (await ask(registry, "GET", "cond/none/manifests/v1")).text()).toBe(one);
  });

  test("If-Match lets only who knows what is there move a tag", async () => {
    await putManifest(registry, "cond/match", "v1", one);
    const headers = { "If-Match": `"${digestOf(one)}"` };
    expect((await putManifest(registry, "cond/match", "v1", two, headers)).status).toBe(201);
    expect((await putManifest(registry, "cond/match", "v1", three, headers)).status).toBe(412);
    const several = { "If-Match": `"${digestOf(one)}", "${digestOf(two)}"` };
    expect((await putManifest(registry, "cond/match", "v1", three, several)).status).toBe(201);
  });

  test("If-Match does not hold where nothing is, not even *", async () => {
    for (const value of ["*", `"${digestOf(one)}"`]) {
      const headers = { "If-Match": value };
      expect((await putManifest(registry, "cond/nothing", "v1", one, headers)).status).toBe(412);
    }
    expect((await ask(registry, "GET", "cond/nothing/manifests/v1")).status).toBe(404);
  });

  test("If-Match on DELETE spares what somebody else has put there", async () => {
    await putManifest(registry, "cond/delete", "v1", one);
    const stale = { "If-Match": `"${digestOf(two)}"` };
    const refused = await ask(registry, "DELETE", "cond/delete/manifests/v1", { headers: stale });
    expect(refused.status).toBe(412);
    const fresh = { "If-Match": `"${digestOf(one)}"` };
    const deleted = await ask(registry, "DELETE", "cond/delete/manifests/v1", { headers: fresh });
    expect(deleted.status).toBe(202);
  });

  test("GET with If-None-Match answers 304 while the tag stands, 200 after", async () => {
    await putManifest(registry, "cond/get", "v1", one);
    const headers = { "If-None-Match": `"${digestOf(one)}"` };
    const same = await ask(registry, "GET", "cond/get/manifests/v1", { headers });
    expect([same.status, same.headers.get("etag")]).toEqual([304, `"${digestOf(one)}"`]);
    await putManifest(registry, "cond/get", "v1", two);
    expect((await ask(registry, "GET", "cond/get/manifests/v1", { headers })).status).toBe(200);
  });

  test("of 24 writers that add themselves by If-Match at once none is lost", async () => {
    await putManifest(registry, "cond/race", "v1", image({ annotations: {} }));
    const refusals = await Promise.all(Array.from({ length: 24 }, (_, i) => addWriter(`w${i}`)));
    const final = await (await ask(registry, "GET", "cond/race/manifests/v1")).json();
    expect(Object.keys((final as { annotations: object }).annotations)).toHaveLength(24);
    // Without a single refusal the writers did not meet, and nothing was shown.
    expect(refusals.reduce((sum, n) => sum + n, 0)).toBeGreaterThan(0);
  });

  async function addWriter(name: string): Promise<number> {
    for (let refusals = 0; ; refusals++) {
      const current = await ask(registry, "GET", "cond/race/manifests/v1");
      const { annotations } = (await current.json()) as { annotations: object };
      const next = image({ annotations: { ...annotations, [name]: "here" } });
      const headers = { "If-Match": current.headers.get("etag") ?? "" };
      const { status } = await putManifest(registry, "cond/race", "v1", next, headers);
      if (status === 201) return refusals;
      expect(status).toBe(412);
    }
  }
});

describe("GET /v2/<name>/manifests/<reference>", () => {
  test("getManifest() answers HEAD with the headers of GET and no body", async () => {
    await putManifest(registry, "get/a", "v1", image());
    const response = await ask(registry, "HEAD", "get/a/manifests/v1");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-length")).toBe(String(image().length));
    expect(response.headers.get("content-type")).toBe(OCI_MANIFEST);
    expect(response.headers.get("docker-content-digest")).toBe(digestOf(image()));
    expect(await response.text()).toBe("");
  });

  test("getManifest() gives what was pushed, whatever the client would rather have", async () => {
    await putManifest(registry, "get/a", "v1", image());
    const headers = { Accept: OCI_INDEX };
    const response = await ask(registry, "GET", "get/a/manifests/v1", { headers });
    expect([response.status, response.headers.get("content-type")]).toEqual([200, OCI_MANIFEST]);
  });

  test("getManifest() answers 404 MANIFEST_UNKNOWN, in a repository that is not there NAME_UNKNOWN", async () => {
    await putManifest(registry, "get/a", "v1", image());
    for (const [path, code] of [
      ["get/a/manifests/v2", "MANIFEST_UNKNOWN"],
      [`get/a/manifests/${digestOf("nothing")}`, "MANIFEST_UNKNOWN"],
      ["get/a/manifests/.not-a-tag", "MANIFEST_UNKNOWN"],
      ["get/nothing/manifests/v1", "NAME_UNKNOWN"],
    ]) {
      const response = await ask(registry, "GET", path ?? "");
      expect([response.status, await codeOf(response)]).toEqual([404, code ?? ""]);
    }
  });
});

describe("DELETE /v2/<name>/manifests/<reference>", () => {
  test("deleteManifest() of a tag leaves the manifest and the other tags", async () => {
    await putManifest(registry, "del/tag", "v1", image());
    await putManifest(registry, "del/tag", "v2", image());
    expect((await ask(registry, "DELETE", "del/tag/manifests/v1")).status).toBe(202);
    expect((await ask(registry, "GET", "del/tag/manifests/v1")).status).toBe(404);
    expect((await ask(registry, "GET", "del/tag/manifests/v2")).status).toBe(200);
    expect((await ask(registry, "DELETE", "del/tag/manifests/v1")).status).toBe(404);
  });

  test("deleteManifest() of a digest takes all its tags along", async () => {
    await putManifest(registry, "del/digest", "v1", image());
    await putManifest(registry, "del/digest", "v2", image());
    await putManifest(registry, "del/digest", "other", image({ annotations: {} }));
    const path = `del/digest/manifests/${digestOf(image())}`;
    expect((await ask(registry, "DELETE", path)).status).toBe(202);
    for (const reference of ["v1", "v2", digestOf(image())]) {
      expect((await ask(registry, "GET", `del/digest/manifests/${reference}`)).status).toBe(404);
    }
    const list = await ask(registry, "GET", "del/digest/tags/list");
    expect(await list.json()).toEqual({ name: "del/digest", tags: ["other"] });
    expect((await ask(registry, "DELETE", path)).status).toBe(404);
  });

  test("a manifest that is pushed again after its deletion does not get its tags back", async () => {
    await putManifest(registry, "del/again", "v1", image());
    await ask(registry, "DELETE", `del/again/manifests/${digestOf(image())}`);
    await putManifest(registry, "del/again", digestOf(image()), image());
    expect((await ask(registry, "GET", "del/again/manifests/v1")).status).toBe(404);
  });

  test("deleteManifest() and putManifest() at once leave no tag without its manifest", async () => {
    for (let round = 0; round < 20; round++) {
      await Promise.all([
        ...Array.from({ length: 4 }, (_, i) => putManifest(registry, "del/race", `v${i}`, image())),
        ask(registry, "DELETE", `del/race/manifests/${digestOf(image())}`),
      ]);
      const list = await ask(registry, "GET", "del/race/tags/list");
      const { tags } = (await list.json()) as { tags: string[] };
      for (const tag of tags) {
        expect((await ask(registry, "GET", `del/race/manifests/${tag}`)).status).toBe(200);
      }
    }
  });

  test("deleteManifest() answers 404 NAME_UNKNOWN where there is no repository", async () => {
    const response = await ask(registry, "DELETE", `del/nothing/manifests/${digestOf("x")}`);
    expect([response.status, await codeOf(response)]).toEqual([404, "NAME_UNKNOWN"]);
  });
});
