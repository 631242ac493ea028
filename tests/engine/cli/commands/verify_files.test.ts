import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onBothRegistries, type TestRegistry } from "../../../support/registries.ts";
import { pushImage } from "../../../support/uploads.ts";
import { cli } from "../_cli.ts";

setDefaultTimeout(60_000); // stretching passwords on a busy machine
const PASSWORD = { COSIGN_PASSWORD: "" };
const dir = mkdtempSync(join(tmpdir(), "cli-files-"));
const file = (name: string) => join(dir, name);
afterAll(() => rmSync(dir, { recursive: true }));

function write(name: string, text: string): string {
  writeFileSync(file(name), text);
  return file(name);
}

const trust = () => ["--key", file("cosign.pub"), "--insecure-ignore-tlog"];

beforeAll(async () => {
  await cli(["generate-key-pair", "--output-key-prefix", file("cosign")], PASSWORD);
});

onBothRegistries((_, start) => {
  let registry: TestRegistry;
  let legacy: string;
  let bundle: string;
  let unsigned: string;

  beforeAll(async () => {
    registry = await start();
    const image = async (name: string) =>
      `${registry.host}/files/${name}@${await pushImage(registry.host, `files/${name}`, "1", name)}`;
    legacy = await image("legacy");
    bundle = await image("bundle");
    unsigned = await image("unsigned");
    const sign = ["sign", "--key", file("cosign.key"), "--tlog-upload=false"];
    expect((await cli([...sign, "--new-bundle-format=false", legacy], PASSWORD)).code).toBe(0);
    expect((await cli([...sign, bundle], PASSWORD)).code).toBe(0);
  });
  afterAll(() => registry.close());

  describe("dockerfile verify", () => {
    test("verifies every image that a build takes something from, in both formats", async () => {
      const path = write(
        "Dockerfile",
        `ARG IMAGE=${legacy}\nFROM $IMAGE AS one\nFROM one\nCOPY --from=${bundle} x x\nFROM scratch\n`,
      );
      const { code, stdout, stderr } = await cli(["dockerfile", "verify", ...trust(), path]);
      expect([code, stderr]).toEqual([0, expect.stringContaining("scratch image ignored")]);
      expect(stderr).toContain("- stage reference ignored: one\n");
      expect(stderr).toContain(`Extracted image(s): ${legacy}, ${bundle}\n`);
      expect(stdout.match(/"docker-manifest-digest"/g)?.length).toBe(2);
    });

    test("fails when one of them is not signed, unless only the base is asked for", async () => {
      const path = write("Dockerfile.bad", `FROM ${bundle}\nCOPY --from=${unsigned} x x\n`);
      expect((await cli(["dockerfile", "verify", ...trust(), path])).code).toBe(10);
      const base = await cli(["dockerfile", "verify", "--base-image-only", ...trust(), path]);
      expect([base.code, base.stderr]).toEqual([0, expect.stringContaining(`: ${bundle}\n`)]);
    });

    test("takes build arguments, and variables of the environment", async () => {
      const path = write("Dockerfile.arg", "ARG IMAGE\nFROM $IMAGE\n");
      const argv = ["dockerfile", "verify", ...trust(), path];
      expect((await cli([...argv, "--build-arg", `IMAGE=${bundle}`])).code).toBe(0);
      expect((await cli(argv, { IMAGE: bundle })).code).toBe(0);
      expect((await cli([...argv, "--build-arg", "IMAGE"], { IMAGE: bundle })).code).toBe(0);
      const { code, stderr } = await cli(argv);
      expect(code).toBe(1);
      expect(stderr).toContain(
        'failed extracting images from Dockerfile: no image found in line "FROM $IMAGE" (is a build arg missing from the environment?)',
      );
    });
  });

  describe("manifest verify", () => {
    test("verifies the images of all workloads of a file", async () => {
      const path = write(
        "deploy.yaml",
        `kind: Deployment\nspec: {template: {spec: {initContainers: [{image: "${legacy}"}], containers: [{image: "${bundle}"}]}}}\n---\nkind: List\nitems: [{kind: Pod, spec: {ephemeralContainers: [{image: "${bundle}"}]}}]\n`,
      );
      const { code, stdout, stderr } = await cli(["manifest", "verify", ...trust(), path]);
      expect(code).toBe(0);
      expect(stderr).toContain(`Extracted image(s): ${legacy}, ${bundle}, ${bundle}\n`);
      expect(stdout.match(/"docker-manifest-digest"/g)?.length).toBe(3);
    });

    test("fails when one of them is not signed", async () => {
      const path = write(
        "bad.yml",
        `spec: {containers: [{image: "${bundle}"}, {image: "${unsigned}"}]}\n`,
      );
      expect((await cli(["manifest", "verify", ...trust(), path])).code).toBe(10);
    });
  });
});

describe("files with images", () => {
  test("that hold none are no success", async () => {
    const docker = await cli([
      "dockerfile",
      "verify",
      ...trust(),
      write("Empty", "FROM scratch\n"),
    ]);
    expect([docker.code, docker.stderr]).toEqual([
      2,
      expect.stringContaining("no images found in Dockerfile"),
    ]);
    const manifest = await cli(["manifest", "verify", ...trust(), write("empty.yaml", "a: 1\n")]);
    expect([manifest.code, manifest.stderr]).toEqual([
      2,
      expect.stringContaining("no images found in manifest"),
    ]);
  });

  test("that cannot be read say why, in cosign's words", async () => {
    mkdirSync(file("folder.yaml"));
    for (const [argv, text] of [
      [["dockerfile", "verify", file("none")], "could not open Dockerfile"],
      [["dockerfile", "verify", dir], "could not open Dockerfile"],
      [["manifest", "verify", file("none.yaml")], "could not read manifest"],
      [["manifest", "verify", file("folder.yaml")], "could not read manifest"],
      [
        ["manifest", "verify", file("x.json")],
        "check if extension is valid: only [.yaml .yml] manifests are supported at this time",
      ],
      [
        ["manifest", "verify", write("broken.yaml", "a: [")],
        "unable to extract the container image references in the manifest",
      ],
    ] as const) {
      const { code, stderr } = await cli([...argv, ...trust()]);
      expect(code).not.toBe(0);
      expect(stderr).toContain(text);
    }
  });
});
