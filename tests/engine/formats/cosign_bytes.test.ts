import { describe, expect, test } from "bun:test";
import { digestOf } from "../../../engine/crypto/hash.ts";
import { parseBundle } from "../../../engine/formats/bundle.ts";
import { encodePae } from "../../../engine/formats/dsse.ts";
import { parseStatement } from "../../../engine/formats/in_toto.ts";
import { ANNOTATION, MEDIA, SIGN_PREDICATE } from "../../../engine/formats/media_types.ts";
import {
  encodeBundleManifest,
  encodeSignatureConfig,
  encodeSignatureManifest,
  parseManifest,
} from "../../../engine/formats/oci_manifest.ts";
import { encodeSimpleSigning, parseSimpleSigning } from "../../../engine/formats/simple_signing.ts";
import { parseUtf8 } from "../../../engine/model/bytes.ts";
import { parseDigest } from "../../../engine/model/digest.ts";
import { listVectors, readVector, readVectorText } from "../../support/vectors.ts";

interface Entry {
  readonly digest: string;
  readonly mediaType: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

const repositories = [
  ...new Set(listVectors("repos/").map((path) => path.split("/")[1] ?? "")),
].sort();

function entriesOf(repository: string): readonly Entry[] {
  return JSON.parse(readVectorText(`repos/${repository}/index.json`)).manifests;
}

function blobOf(repository: string, digest: string): Uint8Array {
  return readVector(`repos/${repository}/blobs/${digest.replace(":", "/")}`);
}

describe("what real cosign wrote, written again by us", () => {
  const tags = repositories
    .filter((name) => name.startsWith("legacy-"))
    .flatMap((repository) =>
      entriesOf(repository)
        .filter(({ annotations }) => annotations?.[ANNOTATION.refName]?.endsWith(".sig"))
        .map((entry) => ({ repository, entry })),
    );

  test("there are signature tags of all three generations", () => {
    expect(tags.length).toBeGreaterThan(40);
    for (const generation of ["v1", "v2", "v3"]) {
      expect(tags.some(({ repository }) => repository.includes(`-${generation}-`))).toBe(true);
    }
  });

  test("encodeSignatureManifest() and encodeSignatureConfig() give cosign's bytes", () => {
    for (const { repository, entry } of tags) {
      const bytes = blobOf(repository, entry.digest);
      const manifest = parseManifest(bytes, entry.mediaType);
      if (manifest.kind !== "image") throw new Error("no image manifest");
      const ours = encodeSignatureManifest(manifest.config, manifest.layers, manifest.mediaType);
      expect(parseUtf8(ours)).toBe(parseUtf8(bytes));
      const theirs = parseUtf8(blobOf(repository, manifest.config.digest));
      const config = encodeSignatureConfig(
        manifest.layers.map(({ digest }) => digest),
        JSON.parse(theirs).created, // 1.13 records the time, the others write zero
      );
      expect(parseUtf8(config)).toBe(theirs);
      expect(digestOf(config)).toBe(manifest.config.digest);
    }
  });

  test("encodeSimpleSigning() gives the payloads that were signed", () => {
    let plain = 0;
    let annotated = 0;
    for (const { repository, entry } of tags) {
      const manifest = parseManifest(blobOf(repository, entry.digest), entry.mediaType);
      if (manifest.kind !== "image") throw new Error("no image manifest");
      for (const layer of manifest.layers) {
        const bytes = blobOf(repository, layer.digest);
        const payload = parseSimpleSigning(bytes);
        const annotations = Object.entries(payload.optional ?? {}) as [string, string][];
        if (annotations.length === 0) plain++;
        else annotated++;
        const ours = encodeSimpleSigning(
          payload.dockerReference,
          payload.digest,
          Object.fromEntries(annotations.reverse()),
        );
        // What "generate" prints ends with a line break, and was attached with it.
        expect(parseUtf8(ours)).toBe(parseUtf8(bytes).replace(/\n$/, ""));
      }
    }
    expect(plain).toBeGreaterThan(20);
    expect(annotated).toBeGreaterThan(2);
  });

  test("encodeBundleManifest() gives cosign's bytes, and parseBundle() reads what they name", () => {
    let signatures = 0;
    for (const repository of repositories.filter((name) => name.startsWith("bundle-"))) {
      for (const entry of entriesOf(repository)) {
        const bytes = blobOf(repository, entry.digest);
        const manifest = parseManifest(bytes, entry.mediaType);
        if (manifest.kind !== "image" || manifest.artifactType !== MEDIA.bundleV03) continue;
        const [layer] = manifest.layers;
        if (layer === undefined || manifest.subject === undefined) throw new Error("no bundle");
        const ours = encodeBundleManifest({
          config: manifest.config,
          layer,
          subject: manifest.subject,
          predicateType: manifest.annotations[ANNOTATION.bundlePredicateType] ?? "",
          createdAt: manifest.annotations[ANNOTATION.created] ?? "",
        });
        expect(parseUtf8(ours)).toBe(parseUtf8(bytes));
        const bundle = parseBundle(blobOf(repository, layer.digest));
        expect(bundle.version).toBe("0.3");
        expect(bundle.material).toBe("public-key");
        if (bundle.content.kind !== "dsse") throw new Error("no envelope");
        const statement = parseStatement(bundle.content.envelope.payload);
        expect(statement.subjects[0]?.digest["sha256"]).toBe(manifest.subject.digest.slice(7));
        if (statement.predicateType === SIGN_PREDICATE) signatures++;
      }
    }
    expect(signatures).toBeGreaterThan(20);
  });
});

describe("the examples of the standards", () => {
  test("encodeSignatureConfig() of one layer has the 233 bytes that cosign's manifests name", () => {
    const digest = parseDigest(`sha256:${"ab".repeat(32)}`);
    expect(encodeSignatureConfig([digest]).length).toBe(233);
  });

  test("encodePae() gives the protocol's own example", () => {
    const payload = new TextEncoder().encode("hello world");
    expect(parseUtf8(encodePae("http://example.com/HelloWorld", payload))).toBe(
      "DSSEv1 29 http://example.com/HelloWorld 11 hello world",
    );
  });

  test("encodePae() counts bytes, not characters (sigstore-js 1657)", () => {
    expect(parseUtf8(encodePae("tést", new TextEncoder().encode("ü")))).toBe("DSSEv1 5 tést 2 ü");
  });

  test("encodeSimpleSigning() escapes as Go does, and sorts by bytes", () => {
    const digest = parseDigest(`sha256:${"0".repeat(64)}`);
    const text = parseUtf8(
      encodeSimpleSigning("r.example/a", digest, { ü: "<&>", "10": "2", a: "1" }),
    );
    expect(text).toBe(
      `{"critical":{"identity":{"docker-reference":"r.example/a"},"image":{"docker-manifest-digest":"sha256:${"0".repeat(64)}"},"type":"cosign container image signature"},"optional":{"10":"2","a":"1","ü":"\\u003c\\u0026\\u003e"}}`,
    );
  });
});

describe("what attackers and old signers write", () => {
  const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const digest = `sha256:${"1".repeat(64)}`;

  test("parseSimpleSigning() reads the capital keys of cosign 0.1", () => {
    const payload = parseSimpleSigning(
      encode({
        Critical: {
          Identity: { "docker-reference": "" },
          Image: { "Docker-manifest-digest": digest },
          Type: "cosign container image signature",
        },
        Optional: { sig: "original" },
      }),
    );
    expect(String(payload.digest)).toBe(digest);
    expect(payload.optional).toEqual({ sig: "original" });
  });

  test("parseSimpleSigning() refuses two digests that differ in the case of their key", () => {
    const image = { "docker-manifest-digest": digest, "Docker-Manifest-Digest": digest };
    expect(() => parseSimpleSigning(encode({ critical: { image }, optional: null }))).toThrow(
      SyntaxError,
    );
  });

  test("parseSimpleSigning() refuses what names no digest", () => {
    for (const value of [
      null,
      [],
      1,
      {},
      { critical: { image: { "docker-manifest-digest": 5 } } },
    ]) {
      expect(() => parseSimpleSigning(encode(value))).toThrow(SyntaxError);
    }
  });

  test("parseBundle() refuses unknown versions, unknown fields, two contents and none", () => {
    const envelope = { payload: "", payloadType: "t", signatures: [{ sig: "AA==" }] };
    const good = {
      mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
      verificationMaterial: { publicKey: { hint: "x" } },
      dsseEnvelope: envelope,
    };
    expect(parseBundle(encode(good)).keyHint).toBe("x");
    const bad = [
      null,
      { ...good, mediaType: "application/vnd.dev.sigstore.bundle.v0.4+json" },
      { ...good, extra: 1 },
      { ...good, messageSignature: {} },
      { ...good, dsseEnvelope: undefined },
      { ...good, verificationMaterial: { publicKey: {}, certificate: {} } },
      { ...good, verificationMaterial: {} },
      { ...good, dsseEnvelope: { ...envelope, signatures: [] } },
      { ...good, dsseEnvelope: { ...envelope, signatures: Array(101).fill({ sig: "AA==" }) } },
      { ...good, dsseEnvelope: { ...envelope, payload: "%%%%" } },
    ];
    for (const value of bad) expect(() => parseBundle(encode(value))).toThrow(SyntaxError);
  });

  test("parseStatement() refuses more subjects and digests than anybody needs (GHSA-cq38-jh5f-37mq)", () => {
    const subject = { digest: { sha256: digest.slice(7) } };
    const statement = (subjects: unknown) =>
      encode({ _type: "https://in-toto.io/Statement/v1", subject: subjects, predicateType: "p" });
    expect(parseStatement(statement([subject])).subjects.length).toBe(1);
    expect(() => parseStatement(statement(Array(1025).fill(subject)))).toThrow(SyntaxError);
    const digests = Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`d${i}`, "00"]));
    expect(() => parseStatement(statement([{ digest: digests }]))).toThrow(SyntaxError);
  });

  test("parseManifest() refuses an image that is an index too, and a type that is not the registry's (GHSA-qq97-vm5h-rrhg)", () => {
    const config = { mediaType: MEDIA.ociConfig, digest, size: 2 };
    const image = { schemaVersion: 2, config, layers: [] };
    expect(parseManifest(encode(image), MEDIA.ociManifest).kind).toBe("image");
    expect(() => parseManifest(encode({ ...image, manifests: [] }), MEDIA.ociManifest)).toThrow(
      SyntaxError,
    );
    expect(() =>
      parseManifest(encode({ ...image, mediaType: MEDIA.ociIndex }), MEDIA.ociManifest),
    ).toThrow(SyntaxError);
    expect(() => parseManifest(encode({ manifests: [], layers: [] }), MEDIA.ociIndex)).toThrow(
      SyntaxError,
    );
    expect(() =>
      parseManifest(encode({ ...image, layers: Array(1001).fill(config) }), MEDIA.ociManifest),
    ).toThrow(/1001 layers/);
  });
});
