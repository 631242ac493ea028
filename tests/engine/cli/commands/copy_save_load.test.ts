import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedRegistry } from "../../../support/embedded_registry.ts";
import { pushIndex, pushLayeredImage, pushReferrer } from "../../../support/layered_image.ts";
import { onBothRegistries, type TestRegistry } from "../../../support/registries.ts";
import { startTap } from "../../../support/tap.ts";
import { cli } from "../_cli.ts";

setDefaultTimeout(60_000); // stretching passwords on a busy machine
const PASSWORD = { COSIGN_PASSWORD: "pässword" };
const IGNORE_LOG = "--insecure-ignore-tlog";
const dir = mkdtempSync(join(tmpdir(), "cli-copy-"));
const file = (name: string) => join(dir, name);

beforeAll(async () => {
  const argv = ["generate-key-pair", "--output-key-prefix", file("cosign")];
  expect((await cli(argv, PASSWORD)).code).toBe(0);
  writeFileSync(file("sbom.json"), '{"spdxVersion":"SPDX-2.3"}');
});

afterAll(() => rmSync(dir, { recursive: true }));

const layersOf = (name: string, count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, n) =>
    new TextEncoder().encode(`${name} layer ${n}`.repeat(99)),
  );

onBothRegistries((_name, start) => {
  let registry: TestRegistry;

  beforeAll(async () => {
    registry = await start();
  });
  afterAll(() => registry.close());

  const at = (reference: string) => `${registry.host}/${reference}`;
  const sign = async (...argv: string[]) => {
    const line = ["sign", "--key", file("cosign.key"), "--tlog-upload=false", ...argv];
    expect(await cli(line, PASSWORD)).toMatchObject({ code: 0 });
  };
  const verify = (reference: string, env?: Record<string, string>) =>
    cli(["verify", "--key", file("cosign.pub"), IGNORE_LOG, reference], env);

  /** An image with a signature in both formats, an SBOM that is signed, and somebody else's referrer. */
  const signedImage = async (repository: string, host = registry.host) => {
    const image = await pushLayeredImage(host, repository, "1", layersOf(repository, 2));
    const pinned = `${host}/${repository}@${image.digest}`;
    await sign("--format=both", pinned);
    expect((await cli(["attach", "sbom", "--sbom", file("sbom.json"), pinned])).code).toBe(0);
    await sign("--format=legacy", "--attachment=sbom", pinned);
    const referrer = await pushReferrer(host, `${repository}-other`, image, "application/x-other");
    return { image, pinned, referrer };
  };

  test("copy brings signatures, SBOMs and referrers along, and tells of each", async () => {
    const { image, pinned } = await signedImage("copy/source");
    const result = await cli(["copy", "--compat=2", pinned, at("copy/target:new")]);
    expect([result.code, result.stdout]).toEqual([0, ""]);
    expect(result.stderr).toStartWith(`Copying ${pinned} to ${at("copy/target:new")}...\n`);
    expect(result.stderr).toContain(
      `Copying ${at(`copy/source:${image.digest.replace(":", "-")}.sig`)} to ${at(`copy/target:${image.digest.replace(":", "-")}.sig`)}...\n`,
    );
    const trees = await Promise.all(
      [pinned, at("copy/target:new")].map(async (name) => (await cli(["tree", name])).stdout),
    );
    const body = (tree: string | undefined) => tree?.split("\n").slice(1).join("\n");
    expect(body(trees[1])).toBe(body(trees[0]?.replaceAll("copy/source", "copy/target")));
    expect(body(trees[1])?.match(/^└──/gm)).toHaveLength(3);
    expect((await verify(at("copy/target:new"))).code).toBe(0);
    const sbom = ["verify", "--attachment=sbom", "--key", file("cosign.pub"), IGNORE_LOG];
    expect((await cli([...sbom, at("copy/target:new")])).code).toBe(0);
  });

  test("copy moves no layer between repositories of one registry: it mounts them", async () => {
    const image = await pushLayeredImage(registry.host, "mount/a", "1", layersOf("mount", 20));
    const tap = startTap(registry.host);
    try {
      const seen: string[] = [];
      tap.onRequest(({ method, path, forward }) => {
        seen.push(`${method} ${path}`);
        return forward();
      });
      const { code } = await cli(["copy", `${tap.host}/mount/a:1`, `${tap.host}/mount/b:1`]);
      expect(code).toBe(0);
      const blobs = seen.filter((line) => line.includes("/blobs/"));
      const mounts = blobs.filter((line) => /^POST .*[?&]mount=sha256:.*from=mount%2Fa/.test(line));
      expect(mounts).toHaveLength(21); // 20 layers and the config
      expect(blobs).toHaveLength(21);
      expect(seen.length).toBeLessThan(21 + 16);
    } finally {
      tap.close();
    }
    for (const digest of image.layers) {
      const url = `http://${registry.host}/v2/mount/b/blobs/${digest}`;
      expect((await fetch(url, { method: "HEAD" })).status).toBe(200);
    }
  });

  test("copy streams between registries, and what is there is not sent again", async () => {
    const other = await startEmbeddedRegistry();
    const tap = startTap(other.host);
    try {
      const { pinned } = await signedImage("across/source");
      const writes: string[] = [];
      tap.onRequest(({ method, path, forward }) => {
        if (method === "PUT" || method === "POST") writes.push(`${method} ${path}`);
        return forward();
      });
      expect((await cli(["copy", pinned, `${tap.host}/across/target:1`])).code).toBe(0);
      expect(writes.length).toBeGreaterThan(8);
      expect((await verify(`${other.host}/across/target:1`)).code).toBe(0);
      writes.length = 0;
      expect((await cli(["copy", pinned, `${tap.host}/across/target:1`])).code).toBe(0);
      // Only the tag is written again.
      expect(writes).toEqual(["PUT /v2/across/target/manifests/1"]);
    } finally {
      tap.close();
      await other.close();
    }
  });

  test("copy overwrites a tag only with -f, and moves nothing before it has looked", async () => {
    await pushLayeredImage(registry.host, "force/a", "1", layersOf("force a", 1));
    const there = await pushLayeredImage(registry.host, "force/b", "1", layersOf("force b", 1));
    const argv = ["copy", at("force/a:1"), at("force/b:1")];
    const refused = await cli(argv);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      `image "${at("force/b:1")}" already exists. Use \`-f\` to overwrite`,
    );
    expect(refused.stderr).toContain("code: IMAGE_EXISTS\n");
    expect(refused.stderr).not.toContain("Copying");
    const digest = async () =>
      (await cli(["triangulate", "--type=digest", at("force/b:1")])).stdout.trim();
    expect(await digest()).toBe(at(`force/b@${there.digest}`));
    expect((await cli([...argv, "-f"])).code).toBe(0);
    expect(await digest()).not.toBe(at(`force/b@${there.digest}`));
    const elsewhere = await cli(["copy", at("force/a:1"), at(`force/b@${there.digest}`)]);
    expect([elsewhere.code, elsewhere.stderr.includes("code: USAGE")]).toEqual([2, true]);
  });

  test("copy --only takes what is named along, and writes no tag", async () => {
    const { image, pinned } = await signedImage("only/source");
    const hex = image.digest.replace(":", "-");
    const { code } = await cli(["copy", "--only=sbom", pinned, at("only/target:1")]);
    expect(code).toBe(0);
    const exists = async (tag: string) =>
      (await cli(["triangulate", "--type=digest", at(`only/target:${tag}`)])).code === 0;
    expect([await exists("1"), await exists(`${hex}.sig`), await exists(`${hex}.sbom`)]).toEqual([
      false,
      false,
      true,
    ]);
    expect((await verify(at(`only/target@${image.digest}`))).code).toBe(10);
    const old = await cli(["copy", "--sig-only", pinned, at("only/target:1")]);
    expect([old.code, old.stderr.includes("use --only=sig instead")]).toEqual([0, true]);
    expect((await verify(at(`only/target@${image.digest}`))).code).toBe(0);
    const wrong = await cli(["copy", "--only=sig,foo", pinned, at("only/target:1")]);
    expect(wrong.stderr).toContain(
      "invalid value for --only: foo, only the following values are supported: [sig sbom att]",
    );
  });

  test("copy gives each image the tag that cosign gives it, but not the tag of a list", async () => {
    const image = await pushLayeredImage(registry.host, "named/a", "1", layersOf("named", 1));
    await cli(["copy", at("named/a:1"), at("named/b:1")]);
    const hex = image.digest.replace(":", "-");
    const { code } = await cli(["triangulate", "--type=digest", at(`named/b:${hex}`)]);
    expect(code).toBe(registry.hasReferrersApi ? 0 : 11);
    await cli(["copy", "--attachment-tag-prefix=x-", at("named/a:1"), at("named/c:1")]);
    const prefixed = await cli(["triangulate", "--type=digest", at(`named/c:x-${hex}`)]);
    expect(prefixed.code).toBe(0);
    await sign("--format=bundle", at(`named/b@${image.digest}`));
    expect((await verify(at("named/b:1"))).code).toBe(0);
  });

  const multiArch = async (repository: string) => {
    const images = await Promise.all(
      ["amd64", "arm64"].map(async (architecture) => ({
        ...(await pushLayeredImage(registry.host, repository, architecture, [
          new TextEncoder().encode(`${repository} ${architecture}`),
        ])),
        platform: { os: "linux", architecture },
      })),
    );
    const digest = await pushIndex(
      registry.host,
      repository,
      "multi",
      images.map(({ digest, size, platform }) => ({ digest, size, platform })),
    );
    return { digest, images };
  };

  test("copy takes an index whole, or one platform of it", async () => {
    const { digest, images } = await multiArch("arch/a");
    await sign("-r", "--format=both", at(`arch/a@${digest}`));
    expect((await cli(["copy", at("arch/a:multi"), at("arch/b:multi")])).code).toBe(0);
    const all = ["verify", "-r", "--key", file("cosign.pub"), IGNORE_LOG, at("arch/b:multi")];
    expect((await cli(all)).stderr.match(/^Verification for/gm)).toHaveLength(3);
    const one = ["copy", "--platform=linux/arm64", at("arch/a:multi"), at("arch/c:1")];
    expect((await cli(one)).code).toBe(0);
    const named = await cli(["triangulate", "--type=digest", at("arch/c:1")]);
    expect(named.stdout).toBe(`${at(`arch/c@${images[1]?.digest}`)}\n`);
    expect((await verify(at("arch/c:1"))).code).toBe(0);
    for (const [platform, text] of [
      ["linux/s390x", "unable to find an entity for linux/s390x"],
      ["linux", "platform spec matches more than one image architecture: linux/amd64, linux/arm64"],
    ] as const) {
      const argv = ["copy", "--platform", platform, at("arch/a:multi"), at("arch/d:1")];
      expect((await cli(argv)).stderr).toContain(text);
    }
    const plain = ["copy", "--platform=linux/arm64", at("arch/c:1"), at("arch/d:1")];
    expect((await cli(plain)).stderr).toContain("specified reference is not a multiarch image");
  });

  test("save and load keep everything, of an index's images too", async () => {
    const { digest } = await multiArch("saved/a");
    await sign("-r", "--format=both", at(`saved/a@${digest}`));
    const saved = file(`saved-${registry.port}`);
    expect(await cli(["save", "--dir", saved, at("saved/a:multi")])).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
    const local = ["verify", "--local-image", "--key", file("cosign.pub"), IGNORE_LOG, saved];
    expect((await cli(local)).code).toBe(0);
    expect((await cli(["load", "--dir", saved, at("saved/b:1")])).code).toBe(0);
    const all = ["verify", "-r", "--key", file("cosign.pub"), IGNORE_LOG, at("saved/b:1")];
    expect((await cli(all)).stderr.match(/^Verification for/gm)).toHaveLength(3);
    const trees = await Promise.all(
      ["saved/a:multi", "saved/b:1"].map(async (name) => (await cli(["tree", at(name)])).stdout),
    );
    expect(trees[1]?.replaceAll("saved/b", "saved/a").split("\n").slice(1)).toEqual(
      trees[0]?.split("\n").slice(1) ?? [],
    );
  });

  test("save goes on where it was interrupted: what is there whole is not fetched again", async () => {
    const image = await pushLayeredImage(registry.host, "resume/a", "1", layersOf("resume", 6));
    const saved = file(`resume-${registry.port}`);
    const tap = startTap(registry.host);
    const blobs: string[] = [];
    try {
      tap.onRequest(({ method, path, forward }) => {
        if (method === "GET" && path.includes("/blobs/")) blobs.push(path.split("/").at(-1) ?? "");
        return forward();
      });
      const argv = ["save", "--dir", saved, `${tap.host}/resume/a:1`];
      expect((await cli(argv)).code).toBe(0);
      expect(blobs).toHaveLength(7);
      const [gone = "", damaged = ""] = image.layers;
      rmSync(join(saved, "index.json"));
      rmSync(join(saved, "blobs", gone.replace(":", "/")));
      const half = join(saved, "blobs", damaged.replace(":", "/"));
      writeFileSync(half, Buffer.alloc(statSync(half).size)); // of the right length, but not whole
      blobs.length = 0;
      expect((await cli(argv)).code).toBe(0);
      expect(blobs.sort()).toEqual([gone, damaged].sort());
      expect(existsSync(join(saved, "index.json"))).toBe(true);
      const names = readdirSync(join(saved, "blobs", "sha256"));
      expect(names.every((name) => /^[0-9a-f]{64}$/.test(name))).toBe(true);
    } finally {
      tap.close();
    }
  });

  test("load refuses a blob that has not its digest, and a directory that is none", async () => {
    const image = await pushLayeredImage(registry.host, "bad/a", "1", layersOf("bad", 2));
    const saved = file(`bad-${registry.port}`);
    await cli(["save", "--dir", saved, at("bad/a:1")]);
    const blob = join(saved, "blobs", (image.layers[0] ?? "").replace(":", "/"));
    writeFileSync(blob, Buffer.alloc(statSync(blob).size, "x"));
    const result = await cli(["load", "--dir", saved, at("bad/b:1")]);
    expect([result.code, result.stderr.includes("code: DIGEST_MISMATCH\n")]).toEqual([20, true]);
    expect((await cli(["triangulate", at("bad/b:1")])).code).toBe(11);
    rmSync(blob);
    const missing = await cli(["load", "--dir", saved, at("bad/b:1")]);
    expect([missing.code, missing.stderr.includes("code: LAYOUT_INVALID\n")]).toEqual([1, true]);
    for (const path of [dir, file("sbom.json"), file("nothing")]) {
      const { code, stderr } = await cli(["load", "--dir", path, at("bad/b:1")]);
      expect([code, stderr.includes("code: LAYOUT_INVALID\n")]).toEqual([1, true]);
    }
    const onto = await cli(["save", "--dir", file("sbom.json"), at("bad/a:1")]);
    expect([onto.code, onto.stderr.includes("code: FILE_WRITE\n")]).toEqual([1, true]);
    expect((await cli(["save", at("bad/a:1")])).stderr).toContain('required flag(s) "dir" not set');
  });

  test("copy and save say of an image that is not there that it is not there", async () => {
    await pushLayeredImage(registry.host, "absent/a", "1", layersOf("absent", 1));
    for (const argv of [
      ["copy", at("absent/a:2"), at("absent/b:1")],
      ["save", "--dir", file("absent"), at("absent/a:2")],
    ]) {
      const { code, stderr } = await cli(argv);
      expect([code, stderr.includes("image tag not found: ")]).toEqual([11, true]);
    }
    expect((await cli(["copy", at("absent/a:1")])).code).toBe(2);
  });
});
