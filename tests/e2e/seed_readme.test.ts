import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildBinary, scrubbedEnvironment } from "../support/binary.ts";
import { onBothRegistries, type TestRegistry } from "../support/registries.ts";
import { type Sigstore, startSigstore } from "../support/sigstore_server.ts";
import { pushImage, putBlob, putManifest } from "../support/uploads.ts";

setDefaultTimeout(180_000); // a build, and stretched passwords on a busy machine

const PASSWORD = "first-sig";
const INDEX_ENTRY = "application/vnd.oci.image.manifest.v1+json";

onBothRegistries((_, start) => {
  let registry: TestRegistry;
  let sigstore: Sigstore;
  let dir: string;
  let bin: string;
  let host: string;

  beforeAll(async () => {
    registry = await start();
    sigstore = await startSigstore();
    host = registry.host;
    dir = mkdtempSync(join(tmpdir(), "readme-"));
    bin = mkdtempSync(join(tmpdir(), "readme-bin-"));
    // The README says `cosign` and `sget`: so the links are named.
    for (const name of ["cosign", "sget"]) symlinkSync(await buildBinary(), join(bin, name));
  });
  afterAll(async () => {
    await registry.close();
    await sigstore.close();
    rmSync(dir, { recursive: true });
    rmSync(bin, { recursive: true });
  });

  /** One command of the README, with cosign 1's defaults as a script of its time has them. */
  async function run(
    line: string,
    options: { readonly stdin?: string; readonly env?: Record<string, string> } = {},
  ): Promise<{ code: number; stdout: string; stderr: string }> {
    const [program = "", ...argv] = line.split(" ").map((word) => word.replaceAll("HOST", host));
    const environment = scrubbedEnvironment(dir);
    const child = Bun.spawn([join(bin, program), ...argv, "--compat", "1"], {
      cwd: dir,
      argv0: program,
      env: { ...environment, ...options.env },
      stdin: new TextEncoder().encode(options.stdin ?? PASSWORD),
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr, code] = await Promise.all([
      child.stdout.text(),
      child.stderr.text(),
      child.exited,
    ]);
    return { code, stdout, stderr };
  }

  /** The same, which must succeed. */
  async function ok(line: string, options: Parameters<typeof run>[1] = {}) {
    const result = await run(line, options);
    expect({ line, code: result.code, stderr: result.stderr }).toEqual({
      line,
      code: 0,
      stderr: expect.any(String),
    });
    return result;
  }

  /** What `crane manifest` and `crane digest` are for in the README. */
  async function manifestOf(repository: string, reference: string) {
    const response = await fetch(`http://${host}/v2/${repository}/manifests/${reference}`, {
      headers: { accept: `${INDEX_ENTRY}, application/vnd.docker.distribution.manifest.v2+json` },
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { status: response.status, bytes, type: response.headers.get("content-type") ?? "" };
  }

  test("the commands of the README of cosign 1 do what it says, one after another", async () => {
    // Quick start: the password comes from standard input.
    const made = await ok("cosign generate-key-pair");
    expect(made.stderr).toBe(
      "Private key written to cosign.key\nPublic key written to cosign.pub\n",
    );
    const pem = readFileSync(join(dir, "cosign.key"), "utf8");
    expect(pem).toStartWith("-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n");
    expect(readFileSync(join(dir, "cosign.pub"), "utf8")).toStartWith(
      "-----BEGIN PUBLIC KEY-----\n",
    );

    const digest = await pushImage(host, "dlorenc/demo", "latest", "demo");
    const signed = await ok("cosign sign --key cosign.key HOST/dlorenc/demo");
    expect(signed.stderr).toContain(`Pushing signature to: ${host}/dlorenc/demo`);
    const verified = await ok("cosign verify --key cosign.pub HOST/dlorenc/demo");
    expect(verified.stderr).toContain(
      "The following checks were performed on each of these signatures:\n  - The cosign claims were validated\n",
    );
    expect(verified.stderr).toContain(
      "  - The signatures were verified against the specified public key\n",
    );
    expect(JSON.parse(verified.stdout)[0].critical.image).toEqual({
      "docker-manifest-digest": digest,
    });
    const wrong = await run("cosign sign --key cosign.key HOST/dlorenc/demo", { stdin: "wrong" });
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining("code: KEY_PASSWORD")]);

    // Blobs: the direct URL holds what was uploaded, under its digest.
    writeFileSync(join(dir, "artifact"), "my first artifact\n");
    const uploaded = await ok("cosign upload blob -f artifact HOST/dlorenc/artifact");
    const blob = createHash("sha256").update("my first artifact\n").digest("hex");
    const direct = `${host}/v2/dlorenc/artifact/blobs/sha256:${blob}`;
    expect(uploaded.stderr).toContain(`File [artifact] is available directly at [${direct}]\n`);
    expect(await (await fetch(`http://${direct}`)).text()).toBe("my first artifact\n");
    await ok("cosign sign --key cosign.key HOST/dlorenc/artifact");

    // sget: by digest, not by tag without a key, by tag with one.
    const pinned = uploaded.stdout.trim();
    expect(pinned).toMatch(/^[^@]+@sha256:[0-9a-f]{64}$/);
    expect((await ok(`sget ${pinned}`)).stdout).toBe("my first artifact\n");
    const refused = await run("sget HOST/dlorenc/artifact");
    expect([refused.code, refused.stdout, refused.stderr]).toEqual([
      1,
      "",
      expect.stringContaining(
        "public key must be specified when fetching by tag, you must fetch by digest or supply a public key",
      ),
    ]);
    await ok("sget --key cosign.pub -o foo HOST/dlorenc/artifact");
    expect((await ok("sget version")).stdout).toBe((await ok("cosign version")).stdout);
    for (const help of ["sget --help", "sget help"]) {
      expect((await ok(help)).stdout).toStartWith("USAGE\n  sget [flags] <image>\n");
    }
    expect((await ok("sget completion bash")).stdout).toContain("complete -F _sget_complete sget");
    expect(readFileSync(join(dir, "foo"), "utf8")).toBe("my first artifact\n");

    // Tekton bundles and OCI artifacts: pushed by another tool, signed by digest.
    const bundle = await pushArtifact("dlorenc/pipeline", "latest");
    await ok("cosign sign --key cosign.key HOST/dlorenc/pipeline:latest");
    await ok(`cosign verify --key cosign.pub HOST/dlorenc/pipeline@${bundle}`);
    const artifact = await pushArtifact("test/artifact", "v1");
    await ok(`cosign sign --key cosign.key HOST/test/artifact@${artifact}`);
    await ok(`cosign verify --key cosign.pub HOST/test/artifact@${artifact}`);

    // WASM.
    writeFileSync(join(dir, "hello.wasm"), Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    await ok("cosign upload wasm -f hello.wasm HOST/dlorenc/wasm");
    await ok("cosign sign --key cosign.key HOST/dlorenc/wasm");
    await ok("cosign verify --key cosign.pub HOST/dlorenc/wasm");

    // Attestations.
    writeFileSync(join(dir, "predicate"), '{"reviewed":true}');
    await ok("cosign attest --predicate predicate --key cosign.key HOST/dlorenc/demo");
    const attested = await ok("cosign verify-attestation --key cosign.pub HOST/dlorenc/demo");
    const statement = JSON.parse(
      Buffer.from(
        JSON.parse(attested.stdout.trim().split("\n").at(-1) ?? "").payload,
        "base64",
      ).toString(),
    );
    expect(statement.subject[0].digest).toEqual({ sha256: digest.slice("sha256:".length) });

    // Registries that know Docker's media types only.
    const old = await pushImage(host, "my/image", "latest", "old");
    await ok("cosign sign --key cosign.key HOST/my/image", {
      env: { COSIGN_DOCKER_MEDIA_TYPES: "1" },
    });
    const signature = await manifestOf("my/image", `${old.replace(":", "-")}.sig`);
    expect(JSON.parse(new TextDecoder().decode(signature.bytes)).mediaType).toBe(
      "application/vnd.docker.distribution.manifest.v2+json",
    );
    await ok("cosign verify --key cosign.pub HOST/my/image");

    // Rekor: a log of our own, which the trusted root knows.
    const log = { COSIGN_EXPERIMENTAL: "1", COSIGN_TRUSTED_ROOT: sigstore.trustedRootPath };
    const logged = await ok("cosign sign --key cosign.key HOST/dlorenc/demo", {
      env: { ...log, COSIGN_REKOR_URL: sigstore.rekorUrl },
    });
    expect(logged.stderr).toContain("tlog entry created with index: 1000\n");
    const found = await ok("cosign verify --key cosign.pub HOST/dlorenc/demo", { env: log });
    expect(JSON.parse(found.stdout)[0].optional.Bundle.Payload.logIndex).toBe(1000);

    // The payload of an image.
    const payload = await ok("cosign generate HOST/dlorenc/demo");
    expect(JSON.parse(payload.stdout)).toEqual({
      critical: {
        identity: { "docker-reference": `${host}/dlorenc/demo` },
        image: { "docker-manifest-digest": digest },
        type: "cosign container image signature",
      },
      optional: null,
    });

    // Another repository: the variable names it as it is.
    const elsewhere = { COSIGN_REPOSITORY: `${host}/my-new-repo/signatures` };
    await pushImage(host, "dlorenc/other", "latest", "other");
    await ok("cosign sign --key cosign.key HOST/dlorenc/other", { env: elsewhere });
    await ok("cosign verify --key cosign.pub HOST/dlorenc/other", { env: elsewhere });
    expect((await run("cosign verify --key cosign.pub HOST/dlorenc/other")).code).toBe(1);
    const placed = await ok("cosign triangulate HOST/dlorenc/other", { env: elsewhere });
    expect(placed.stdout).toStartWith(`${host}/my-new-repo/signatures:sha256-`);

    // Tag signing.
    const tagged = await pushImage(host, "dlorenc/tags", "sign-me", "tags");
    await ok(`cosign sign --key cosign.key -a tag=sign-me HOST/dlorenc/tags@${tagged}`);
    const byTag = await ok(
      "cosign verify --key cosign.pub -a tag=sign-me HOST/dlorenc/tags:sign-me",
    );
    expect(JSON.parse(byTag.stdout)[0].optional).toEqual({ tag: "sign-me" });
    const otherTag = await run(
      "cosign verify --key cosign.pub -a tag=other HOST/dlorenc/tags:sign-me",
    );
    expect(otherTag.code).toBe(1);

    // A signature of a signature.
    const original = await pushImage(host, "dlorenc/counter", "latest", "counter");
    await ok("cosign sign --key cosign.key -a sig=original HOST/dlorenc/counter");
    const place = (await ok("cosign triangulate HOST/dlorenc/counter")).stdout.trim();
    expect(place).toBe(`${host}/dlorenc/counter:${original.replace(":", "-")}.sig`);
    const first = await manifestOf("dlorenc/counter", place.slice(place.lastIndexOf(":") + 1));
    await putManifest(`http://${host}/v2/dlorenc/counter`, "mysignature", first.type, first.bytes);
    await ok("cosign sign --key cosign.key -a sig=counter HOST/dlorenc/counter:mysignature");
    const counter = await ok("cosign verify --key cosign.pub HOST/dlorenc/counter:mysignature");
    const countered = createHash("sha256").update(first.bytes).digest("hex");
    expect(JSON.parse(counter.stdout)[0]).toMatchObject({
      critical: { image: { "docker-manifest-digest": `sha256:${countered}` } },
      optional: { sig: "counter" },
    });
    const again = await manifestOf("dlorenc/counter", "mysignature");
    expect(Buffer.from(again.bytes).equals(Buffer.from(first.bytes))).toBe(true);
  });

  /** An artifact as `oras push` makes one. @returns its digest. */
  async function pushArtifact(repository: string, tag: string): Promise<string> {
    const base = `http://${host}/v2/${repository}`;
    const parts = ["{}", `the content of ${repository}`].map((text) =>
      new TextEncoder().encode(text),
    );
    const described = parts.map((bytes) => ({
      digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`,
      size: bytes.length,
    }));
    for (const [i, bytes] of parts.entries()) {
      await putBlob(base, described[i]?.digest ?? "", bytes);
    }
    const manifest = new TextEncoder().encode(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: INDEX_ENTRY,
        config: { mediaType: "application/vnd.unknown.config.v1+json", ...described[0] },
        layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", ...described[1] }],
      }),
    );
    await putManifest(base, tag, INDEX_ENTRY, manifest);
    return `sha256:${createHash("sha256").update(manifest).digest("hex")}`;
  }
});
