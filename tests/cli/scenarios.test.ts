import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cli } from "../engine/cli/_cli.ts";
import { runBinary } from "../support/binary.ts";
import { pushIndex } from "../support/layered_image.ts";
import { onBothRegistries, type TestRegistry } from "../support/registries.ts";
import { pushImage } from "../support/uploads.ts";

setDefaultTimeout(120_000); // stretching passwords on a busy machine
const PASSWORD = { COSIGN_PASSWORD: "" };
const NO_LOG = "--tlog-upload=false";
const dir = mkdtempSync(join(tmpdir(), "scenarios-"));
const file = (name: string) => join(dir, name);
afterAll(() => rmSync(dir, { recursive: true }));

beforeAll(async () => {
  for (const name of ["cosign", "other"]) {
    const made = await cli(["generate-key-pair", "--output-key-prefix", file(name)], PASSWORD);
    expect(made.code).toBe(0);
  }
});

onBothRegistries((where, start) => {
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await start();
  });
  afterAll(() => registry.close());

  const image = async (name: string, tag = "1") => {
    const digest = await pushImage(registry.host, name, tag, `${name}:${tag}`);
    const repository = `${registry.host}/${name}`;
    return {
      digest,
      repository,
      tagged: `${repository}:${tag}`,
      pinned: `${repository}@${digest}`,
    };
  };
  const run = (argv: readonly string[], env: Record<string, string> = {}) =>
    cli(argv, { ...PASSWORD, ...env });
  const ok = async (argv: readonly string[], env: Record<string, string> = {}) => {
    const result = await run(argv, env);
    expect({ argv, code: result.code, stderr: result.stderr }).toMatchObject({ argv, code: 0 });
    return result;
  };
  const sign = (...argv: string[]) => ok(["sign", "--key", file("cosign.key"), NO_LOG, ...argv]);
  const verify = (...argv: string[]) =>
    run(["verify", "--key", file("cosign.pub"), "--insecure-ignore-tlog", ...argv]);
  const sizeOf = async (name: string, digest: string) => {
    const headers = { accept: "application/vnd.oci.image.manifest.v1+json" };
    const url = `http://${registry.host}/v2/${name}/manifests/${digest}`;
    return (await (await fetch(url, { headers })).arrayBuffer()).byteLength;
  };
  const LEGACY = "--new-bundle-format=false";
  const FORMATS = [LEGACY, "--new-bundle-format=true"];

  test("not signed, signed, another annotation, cleaned: verify and download follow", async () => {
    for (const format of FORMATS) {
      const { pinned } = await image(`life/${format.includes("false") ? "legacy" : "bundle"}`);
      expect((await verify(pinned)).code).toBe(10);
      expect((await run(["download", "signature", pinned])).code).not.toBe(0);
      await sign(format, pinned);
      expect((await verify(pinned)).code).toBe(0);
      expect((await verify("-a", "foo=bar", pinned)).code).toBe(12);
      expect((await ok(["download", "signature", pinned])).stdout).toStartWith("{");
      await sign(format, "-a", "foo=bar", pinned);
      expect((await verify("-a", "foo=bar", pinned)).code).toBe(0);
      await ok(["clean", "-f", pinned]);
      expect((await verify(pinned)).code).toBe(10);
    }
  });

  test("annotations must be there, all of them, with their values", async () => {
    const { pinned } = await image("annotations");
    await sign(LEGACY, "-a", "a=1", "-a", "b=x=y,c=3", pinned);
    for (const [wanted, code] of [
      [["a=1"], 0],
      [["a=1,b=x=y"], 0],
      [["c=3", "a=1"], 0],
      [["a=2"], 12],
      [["a=1", "d=4"], 12],
      [["A=1"], 12],
      [["a=1 "], 12],
    ] as const) {
      const argv = wanted.flatMap((text) => ["-a", text]);
      expect({ wanted, code: (await verify(...argv, pinned)).code }).toEqual({ wanted, code });
    }
    const none = await verify("-a", "novalue", pinned);
    expect([none.code, none.stderr]).toEqual([
      2,
      expect.stringContaining("unable to parse annotation: novalue"),
    ]);
  });

  test("generate prints what sign signs, with annotations too", async () => {
    const { pinned } = await image("generate");
    for (const annotations of [[], ["-a", "foo=bar", "-a", "x=<&>"]]) {
      const payload = file(`payload-${annotations.length}`);
      await sign(LEGACY, ...annotations, "--upload=false", "--output-payload", payload, pinned);
      const generated = await ok(["generate", ...annotations, pinned]);
      expect(generated.stdout).toBe(readFileSync(payload, "utf8"));
      const old = await ok(["generate", "--compat=1", ...annotations, pinned]);
      expect(old.stdout).toBe(`${generated.stdout}\n`);
    }
  });

  test("sign -r signs an index and each of its images, without it the index alone", async () => {
    for (const [recursive, code] of [
      [[], 10],
      [["-r"], 0],
    ] as const) {
      const name = `multi/${recursive.length}`;
      const children = [await image(name, "amd"), await image(name, "arm")];
      const index = await pushIndex(
        registry.host,
        name,
        "all",
        await Promise.all(
          children.map(async ({ digest }, i) => ({
            digest,
            size: await sizeOf(name, digest),
            platform: { os: "linux", architecture: i === 0 ? "amd64" : "arm64" },
          })),
        ),
      );
      await sign(...recursive, `${registry.host}/${name}@${index}`);
      expect((await verify(`${registry.host}/${name}:all`)).code).toBe(0);
      for (const child of children) expect((await verify(child.pinned)).code).toBe(code);
    }
  });

  test("two keys on one image each verify, and two images at once need both signed", async () => {
    const [one, two] = [await image("two/one"), await image("two/two")];
    await sign(one.pinned);
    await ok(["sign", "--key", file("other.key"), NO_LOG, one.pinned]);
    const other = ["verify", "--key", file("other.pub"), "--insecure-ignore-tlog"];
    expect((await verify(one.pinned)).code).toBe(0);
    expect((await run([...other, one.pinned])).code).toBe(0);
    expect((await verify(one.pinned, two.pinned)).code).toBe(10);
    await sign(one.pinned, two.pinned);
    const both = await verify(one.pinned, two.pinned);
    expect(both.code).toBe(0);
    expect(both.stdout.match(/^\[/gm)?.length).toBe(2);
    expect((await run([...other, two.pinned])).code).toBe(12);
  });

  test("signing twice keeps one legacy signature, unless the annotations are new", async () => {
    const { pinned, repository, digest } = await image("twice");
    const count = async () => {
      const url = `http://${repository.replace("/", "/v2/")}/manifests/${digest.replace(":", "-")}.sig`;
      const headers = { accept: "application/vnd.oci.image.manifest.v1+json" };
      return (JSON.parse(await (await fetch(url, { headers })).text()).layers as unknown[]).length;
    };
    await sign(LEGACY, pinned);
    await sign(LEGACY, pinned);
    expect(await count()).toBe(1);
    await sign(LEGACY, "-a", "new=1", pinned);
    expect(await count()).toBe(2);
  });

  test("COSIGN_REPOSITORY holds the signatures, and the image's own repository none", async () => {
    for (const format of FORMATS) {
      const name = `override/${format.includes("false") ? "legacy" : "bundle"}`;
      const { pinned } = await image(name);
      const env = { COSIGN_REPOSITORY: `${registry.host}/${name}-signatures` };
      await ok(["sign", "--key", file("cosign.key"), NO_LOG, format, pinned], env);
      const argv = ["verify", "--key", file("cosign.pub"), "--insecure-ignore-tlog", pinned];
      expect((await run(argv, env)).code).toBe(0);
      expect((await run(argv)).code).toBe(10);
    }
  });

  test("two container identities make two signatures, each of its name", async () => {
    const { pinned } = await image("identities");
    const names = ["registry.example/a", "registry.example/b"];
    await sign(LEGACY, ...names.flatMap((name) => ["--sign-container-identity", name]), pinned);
    const payloads: readonly { critical: { identity: Record<string, string> } }[] = JSON.parse(
      (await verify(pinned)).stdout,
    );
    expect(payloads.map(({ critical }) => critical.identity["docker-reference"]).sort()).toEqual(
      names,
    );
  });

  test("--upload=false leaves the registry as it was, in both formats", async () => {
    const { pinned } = await image("dry");
    await sign(LEGACY, "--upload=false", "--output-signature", file("dry.sig"), pinned);
    await sign("--upload=false", "--bundle", file("dry.json"), pinned);
    expect((await verify(pinned)).code).toBe(10);
    expect(readFileSync(file("dry.sig"), "utf8")).toMatch(/^[A-Za-z0-9+/]+=*\n?$/);
    expect(statSync(file("dry.sig")).mode & 0o777).toBe(0o600);
  });

  test("a SBOM is attached, signed as an attachment, and verified as one", async () => {
    const { pinned } = await image("sbom");
    writeFileSync(file("sbom.txt"), "SPDXVersion: SPDX-2.3\n");
    await ok(["attach", "sbom", "--sbom", file("sbom.txt"), pinned]);
    expect((await ok(["download", "sbom", pinned])).stdout).toBe("SPDXVersion: SPDX-2.3\n");
    await sign(LEGACY, "--attachment", "sbom", pinned);
    expect((await verify("--attachment", "sbom", pinned)).code).toBe(0);
    expect((await verify(pinned)).code).toBe(10);
  });

  test("the environment alone says everything: key, password, log, format, annotations", async () => {
    const { pinned } = await image("environment");
    const env = {
      COSIGN_KEY: file("cosign.key"),
      COSIGN_PASSWORD: "",
      COSIGN_TLOG_UPLOAD: "false",
      COSIGN_NEW_BUNDLE_FORMAT: "false",
      COSIGN_ANNOTATIONS: "from=environment",
      COSIGN_YES: "true",
    };
    expect(await runBinary(["sign", pinned], { env })).toMatchObject({ code: 0 });
    const verifying = {
      COSIGN_KEY: file("cosign.pub"),
      COSIGN_INSECURE_IGNORE_TLOG: "1",
      COSIGN_ANNOTATIONS: "from=environment",
      COSIGN_OUTPUT_FILE: file(`out-${where.replace(" ", "-")}`),
      COSIGN_TIMEOUT: "1m30s",
    };
    const verified = await runBinary(["verify", pinned], { env: verifying });
    expect(verified).toMatchObject({ code: 0, stdout: "" });
    const [payload] = JSON.parse(readFileSync(verifying.COSIGN_OUTPUT_FILE, "utf8"));
    expect(payload.optional).toEqual({ from: "environment" });
    // The line goes before the environment.
    const other = await runBinary(["verify", "--key", file("other.pub"), pinned], {
      env: verifying,
    });
    expect(other.code).toBe(12);
  });

  test("--verbose tells every request on stderr, and no secrets", async () => {
    const { pinned } = await image("verbose");
    const argv = ["verify", "--verbose", "--key", file("cosign.pub"), "--insecure-ignore-tlog"];
    const login = ["--registry-username", "me", "--registry-password", "hunter2"];
    const { stderr } = await runBinary([...argv, ...login, pinned]);
    expect(stderr).toMatch(
      /^(?:GET|HEAD) http:\/\/[^ ]+\/v2\/verbose\/manifests\/sha256:[^ ]+: 200 \(\d+ ms\)$/m,
    );
    expect(stderr).not.toContain("hunter2");
    expect(stderr).not.toContain(Buffer.from("me:hunter2").toString("base64"));
  });

  test("old spellings do what they did, and say how they are written now", async () => {
    const { pinned } = await image("spellings");
    await sign(LEGACY, pinned);
    const { code, stderr } = await run([
      "verify",
      "-key",
      file("cosign.pub"),
      "--insecure-ignore-tlog",
      "-output",
      "text",
      "--a",
      "",
      pinned,
    ]);
    expect(code).toBe(0);
    expect(stderr).toContain("WARNING: the -key flag is deprecated");
    expect(stderr).toContain("WARNING: the -output flag is deprecated");
    expect(stderr).toContain("WARNING: the flag --a is deprecated");
  });
});
