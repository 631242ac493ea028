import { describe, expect, test } from "bun:test";
import { parseManifestContent } from "../../../../engine/registry/server/manifest_content.ts";
import { digestOf, image, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from "./_client.ts";

const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
const SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws";
const descriptor = { mediaType: OCI_MANIFEST, digest: digestOf("x"), size: 1 };

function parse(value: unknown, contentType?: string) {
  return parseManifestContent(new TextEncoder().encode(JSON.stringify(value)), contentType);
}

const plain = JSON.parse(image());

describe("parseManifestContent()", () => {
  test("parseManifestContent() passes over the parameters of Content-Type", () => {
    expect(parse(plain, `${OCI_MANIFEST}; charset=utf-8`).mediaType).toBe(OCI_MANIFEST);
  });

  test("parseManifestContent() takes the manifest's mediaType where no Content-Type was sent", () => {
    expect(parse(plain).mediaType).toBe(OCI_MANIFEST);
  });

  test("parseManifestContent() takes an image of Docker, an index and a manifest of schema 1", () => {
    const { mediaType: _, ...untyped } = plain;
    expect(parse({ ...untyped }, DOCKER_MANIFEST).mediaType).toBe(DOCKER_MANIFEST);
    expect(parse({ schemaVersion: 2, manifests: [] }, OCI_INDEX).mediaType).toBe(OCI_INDEX);
    expect(parse({ schemaVersion: 1, name: "a", tag: "b" }, SCHEMA_1).mediaType).toBe(SCHEMA_1);
  });

  test("parseManifestContent() takes null for an empty list, as Go writes it", () => {
    expect(parse({ ...plain, layers: null }, OCI_MANIFEST).mediaType).toBe(OCI_MANIFEST);
  });

  test("parseManifestContent() shows the config's media type where artifactType is missing or empty", () => {
    expect(parse(plain, OCI_MANIFEST).artifactType).toBe(OCI_CONFIG);
    expect(parse({ ...plain, artifactType: "" }, OCI_MANIFEST).artifactType).toBe(OCI_CONFIG);
    expect(parse({ ...plain, artifactType: "a/b" }, OCI_MANIFEST).artifactType).toBe("a/b");
  });

  test("parseManifestContent() shows no artifactType of an index that has none", () => {
    expect(parse({ schemaVersion: 2, manifests: [] }, OCI_INDEX).artifactType).toBeUndefined();
  });

  test("parseManifestContent() reads subject and annotations", () => {
    const content = parse({ ...plain, subject: descriptor, annotations: { a: "b" } }, OCI_MANIFEST);
    expect(content).toMatchObject({ subject: descriptor.digest, annotations: { a: "b" } });
  });

  test.each<[string, unknown, string | undefined]>([
    ["a mediaType that is not the Content-Type", plain, OCI_INDEX],
    ["nothing that says what it is", { schemaVersion: 2, layers: [] }, undefined],
    ["a Content-Type that is none", { ...plain, mediaType: undefined }, "nonsense"],
    ["a list", [], OCI_MANIFEST],
    ["another schemaVersion", { ...plain, schemaVersion: 1 }, OCI_MANIFEST],
    ["no config", { ...plain, config: undefined }, OCI_MANIFEST],
    ["no layers", { ...plain, layers: undefined }, OCI_MANIFEST],
    ["an image with manifests", { ...plain, manifests: [descriptor] }, OCI_MANIFEST],
    ["an index with layers", { schemaVersion: 2, manifests: [], layers: [] }, OCI_INDEX],
    ["an index without manifests", { schemaVersion: 2 }, OCI_INDEX],
    ["a digest that is none", { ...plain, layers: [{ ...descriptor, digest: "x" }] }, OCI_MANIFEST],
    ["a negative size", { ...plain, layers: [{ ...descriptor, size: -1 }] }, OCI_MANIFEST],
    ["a subject that is no descriptor", { ...plain, subject: "x" }, OCI_MANIFEST],
  ])("parseManifestContent() refuses %s", (_, manifest, contentType) => {
    expect(() => parse(manifest, contentType)).toThrow(
      expect.objectContaining({ status: 400, code: "MANIFEST_INVALID" }),
    );
  });

  test("parseManifestContent() refuses what is not JSON, and what is not UTF-8", () => {
    for (const bytes of [new TextEncoder().encode("{"), Uint8Array.of(0x22, 0xff, 0x22)]) {
      expect(() => parseManifestContent(bytes, OCI_MANIFEST)).toThrow(
        expect.objectContaining({ status: 400 }),
      );
    }
  });
});
