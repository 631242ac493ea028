import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeAuthority, makeLeaf } from "../../../support/certificates.ts";
import { startDockerRegistry } from "../../../support/docker_registry.ts";
import { pushIndex, pushLayeredImage, pushReferrer } from "../../../support/layered_image.ts";
import { onBothRegistries, type TestRegistry } from "../../../support/registries.ts";
import { hasTool, requires } from "../../../support/requires.ts";
import { startTap } from "../../../support/tap.ts";
import { digestOf } from "../../../support/uploads.ts";
import { cli } from "../_cli.ts";

setDefaultTimeout(60_000); // stretching passwords on a busy machine
const PASSWORD = { COSIGN_PASSWORD: "pässword" };
const dir = mkdtempSync(join(tmpdir(), "cli-artifacts-"));
const file = (name: string) => join(dir, name);
const bytes = (text: string) => new TextEncoder().encode(text);

beforeAll(async () => {
  const argv = ["generate-key-pair", "--output-key-prefix", file("cosign")];
  expect((await cli(argv, PASSWORD)).code).toBe(0);
  writeFileSync(file("hello.txt"), "hello\n");
  writeFileSync(file("page.html"), "<html>x");
  writeFileSync(file("module.wasm"), Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
  writeFileSync(file("binary"), Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x0a]));
});

afterAll(() => rmSync(dir, { recursive: true }));

onBothRegistries((_name, start) => {
  let registry: TestRegistry;

  beforeAll(async () => {
    registry = await start();
  });
  afterAll(() => registry.close());

  const at = (reference: string) => `${registry.host}/${reference}`;
  const image = async (repository: string) => {
    const pushed = await pushLayeredImage(registry.host, repository, "1", [bytes(repository)]);
    return { ...pushed, pinned: at(`${repository}@${pushed.digest}`) };
  };
  const sign = async (...argv: string[]) => {
    const line = ["sign", "--key", file("cosign.key"), "--tlog-upload=false", ...argv];
    expect(await cli(line, PASSWORD)).toMatchObject({ code: 0 });
  };
  const manifestOf = async (reference: string) => {
    const [repository, tag] = reference.split(reference.includes("@") ? "@" : ":");
    const url = `http://${registry.host}/v2/${repository}/manifests/${tag}`;
    const types = ["manifest", "index"].map((kind) => `application/vnd.oci.image.${kind}.v1+json`);
    const response = await fetch(url, { headers: { accept: types.join(",") } });
    return JSON.parse(await response.text());
  };
  const blobOf = async (repository: string, digest: string) =>
    await (await fetch(`http://${registry.host}/v2/${repository}/blobs/${digest}`)).text();

  test("upload blob writes the artifact that cosign 3.1 writes, and prints where it is", async () => {
    const result = await cli([
      "upload",
      "blob",
      "-f",
      file("hello.txt"),
      "-a",
      "x=y",
      at("up/a:1"),
    ]);
    // Found by running cosign 3.1.2 on the same file.
    const digest = "sha256:49d139e031af913749dc07ee3b15b809524ed416a53265b715d839fd65a4de8f";
    const blob = digestOf(bytes("hello\n"));
    expect(result).toEqual({
      code: 0,
      stdout: `${at(`up/a@${digest}`)}\n`,
      stderr:
        `Uploading file from [${file("hello.txt")}] to [${at("up/a:1")}] with media type [text/plain]\n` +
        `File [${file("hello.txt")}] is available directly at [${registry.host}/v2/up/a/blobs/${blob}]\n` +
        "Uploaded image to:\n",
    });
    expect(await blobOf("up/a", blob)).toBe("hello\n");
    const typed = ["upload", "blob", "-f", file("hello.txt"), "--ct", "a/b", at("up/a:2")];
    expect((await cli(typed)).code).toBe(0);
    expect((await manifestOf("up/a:2")).layers[0].mediaType).toBe("a/b");
  });

  test("upload blob makes an index of several files, as cosign 3.1 makes it", async () => {
    const files = ["-f", `${file("hello.txt")}:linux/amd64,${file("page.html")}:darwin`];
    const result = await cli(["upload", "blob", ...files, "-a", "x=y", at("up/b:1")]);
    const digest = "sha256:56793183e41188cf7d5569f494cddc230e508b1312286bb91f61546ba32dbf66";
    expect([result.code, result.stdout]).toEqual([0, ""]);
    expect(result.stderr).toEndWith(`Uploading multi-platform index to ${at(`up/b@${digest}`)}\n`);
    expect(result.stderr).toContain("with media type [text/html]");
    const named = await cli(["triangulate", "--type=digest", at("up/b:1")]);
    expect(named.stdout).toBe(`${at(`up/b@${digest}`)}\n`);
    for (const [argv, text] of [
      [[`${file("hello.txt")}:linux`, file("page.html")], "page.html had no platform"],
      [[`${file("hello.txt")}:linux`, `${file("page.html")}:linux`], "stands there twice"],
    ] as const) {
      const wrong = await cli(["upload", "blob", ...argv.flatMap((f) => ["-f", f]), at("up/b:2")]);
      expect(wrong.code).toBe(2);
      expect(wrong.stderr).toContain("each file must include a unique platform, ");
      expect(wrong.stderr).toContain(text);
    }
  });

  test("upload blob refuses directories, what is not there, and a digest to upload to", async () => {
    mkdirSync(file("directory"), { recursive: true });
    for (const path of [file("directory"), file("nothing"), "/dev/zero"]) {
      const { code, stderr } = await cli(["upload", "blob", "-f", path, at("up/c:1")]);
      expect([path, code, stderr.includes("code: FILE_READ\n")]).toEqual([path, 1, true]);
    }
    const to = at(`up/c@${digestOf(bytes("x"))}`);
    expect((await cli(["upload", "blob", "-f", file("hello.txt"), to])).code).toBe(2);
    expect((await cli(["upload", "blob", at("up/c:1")])).code).toBe(2);
  });

  test("upload wasm writes the CNCF's form too, and takes modules only", async () => {
    const argv = ["upload", "wasm", "--form=cncf", "-f", file("module.wasm"), at("wasm/cncf:1")];
    expect((await cli(argv)).code).toBe(0);
    const manifest = await manifestOf("wasm/cncf:1");
    expect([manifest.config.mediaType, manifest.layers[0]?.mediaType]).toEqual([
      "application/vnd.wasm.config.v0+json",
      "application/wasm",
    ]);
    expect(JSON.parse(await blobOf("wasm/cncf", manifest.config.digest))).toEqual({
      created: "0001-01-01T00:00:00Z",
      architecture: "wasm",
      os: "wasip1",
      layerDigests: [manifest.layers[0]?.digest],
    });
    expect((await cli(["tree", at("wasm/cncf:1")])).stdout).toContain(
      "└── 🧩 wasm: form cncf; sizeBytes 8; os wasip1\n",
    );
    writeFileSync(file("none.wasm"), "no module");
    const none = await cli(["upload", "wasm", "-f", file("none.wasm"), at("wasm/none:1")]);
    expect(none.stderr).toContain("code: ARTIFACT_MISMATCH");
    expect((await fetch(`http://${at("v2/wasm/none/manifests/1")}`)).status).toBe(404);
  });

  test("upload wasm writes the config of each generation", async () => {
    for (const [compat, config] of [
      ["3", '"rootfs":{"type":"layers","diff_ids":null},"config":{}}'],
      [
        "2",
        `"diff_ids":["sha256:93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476"]`,
      ],
    ] as const) {
      const argv = ["upload", "wasm", "--compat", compat, "-f", file("module.wasm")];
      expect(await cli([...argv, at(`wasm/a:${compat}`)])).toEqual({
        code: 0,
        stdout: "",
        stderr: `Uploading wasm file from [${file("module.wasm")}] to [${at(`wasm/a:${compat}`)}].\n`,
      });
      const manifest = await manifestOf(`wasm/a:${compat}`);
      expect([manifest.config.mediaType, manifest.layers[0].mediaType]).toEqual([
        "application/vnd.wasm.config.v1+json",
        "application/vnd.wasm.content.layer.v1+wasm",
      ]);
      expect(await blobOf("wasm/a", manifest.config.digest)).toContain(config);
    }
    expect((await cli(["upload", "wasm", at("wasm/a:1")])).stderr).toContain(
      'required flag(s) "file" not set',
    );
  });

  test("upload tekton writes resources of files as a bundle, and tree lists them", async () => {
    const resource = (kind: string, name: string) =>
      JSON.stringify({ apiVersion: "tekton.dev/v1", kind, metadata: { name }, spec: {} });
    writeFileSync(file("tasks.yaml"), `${resource("Task", "a")}\n---\n${resource("Task", "b")}\n`);
    writeFileSync(file("pipeline.json"), resource("Pipeline", "p"));
    const files = ["-f", file("tasks.yaml"), "-f", file("pipeline.json")];
    const more = ["--annotate", "x=y", "--label", "a=b", "--ctime", "2026-01-02T03:04:05+01:00"];
    const uploaded = await cli(["upload", "tekton", ...files, ...more, at("tekton/a:1")]);
    expect([uploaded.code, uploaded.stderr]).toEqual([
      0,
      `Uploading 3 resources to [${at("tekton/a:1")}].\n`,
    ]);
    const response = await fetch(`http://${at("v2/tekton/a/manifests/1")}`, {
      headers: { accept: "application/vnd.docker.distribution.manifest.v2+json" },
    });
    const body = await response.text();
    expect(uploaded.stdout).toBe(`${at(`tekton/a@${digestOf(bytes(body))}`)}\n`);
    const manifest = JSON.parse(body);
    expect([manifest.layers.length, manifest.annotations]).toEqual([3, { x: "y" }]);
    expect(JSON.parse(await blobOf("tekton/a", manifest.config.digest))).toMatchObject({
      created: "2026-01-02T02:04:05Z",
      config: { Labels: { a: "b" } },
    });
    const tree = await cli(["tree", at("tekton/a:1")]);
    expect(tree.stdout).toMatch(/🧩 tekton: resources .*task\/a v1, task\/b v1/);
    expect(tree.stdout).toContain("pipeline/p v1");
  });

  test("upload tekton refuses what is no bundle before anything is sent", async () => {
    writeFileSync(file("pod.yaml"), "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n");
    const line = (...argv: string[]) => cli(["upload", "tekton", ...argv, at("tekton/none:1")]);
    expect((await line("-f", file("pod.yaml"))).stderr).toContain("code: ARTIFACT_MISMATCH");
    expect((await line("-f", file("absent.yaml"))).stderr).toContain("code: FILE_READ");
    expect((await line()).stderr).toContain("code: USAGE");
    expect((await line("-f", file("pod.yaml"), "--ctime=today")).stderr).toContain("code: USAGE");
    expect((await fetch(`http://${at("v2/tekton/none/manifests/1")}`)).status).toBe(404);
  });

  test("sget fetches by digest, by a tag only with a key that has signed it", async () => {
    await cli(["upload", "blob", "-f", file("binary"), at("sget/a:1")]);
    const named = await cli(["triangulate", "--type=digest", at("sget/a:1")]);
    const pinned = named.stdout.trim();
    const output = file(`out-${registry.port}`);
    expect(await cli(["sget", "-o", output, pinned])).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(readFileSync(output)).toEqual(readFileSync(file("binary")));
    const refused = await cli(["sget", "-o", output, at("sget/a:1")]);
    expect(refused.stderr).toContain(
      "public key must be specified when fetching by tag, you must fetch by digest or supply a public key",
    );
    rmSync(output);
    const withKey = ["sget", "--key", file("cosign.pub"), "-o", output, at("sget/a:1")];
    expect((await cli(withKey)).code).toBe(10);
    await sign("--format=legacy", pinned);
    const fetched = await cli(withKey);
    expect([fetched.code, JSON.parse(fetched.stdout).critical.image]).toEqual([
      0,
      { "docker-manifest-digest": pinned.split("@")[1] },
    ]);
    expect(fetched.stderr).toContain(`Verification for ${at("sget/a:1")} --`);
    expect(readFileSync(output)).toEqual(readFileSync(file("binary")));
    const { pinned: other } = await image("sget/two");
    expect((await cli(["sget", other])).stdout).toBe("sget/two");
    await pushLayeredImage(registry.host, "sget/three", "1", [bytes("a"), bytes("b")]);
    const three = await cli(["triangulate", "--type=digest", at("sget/three:1")]);
    expect((await cli(["sget", three.stdout.trim()])).stderr).toContain("invalid artifact");
  });

  test("sget gives nothing away of a blob that has not its digest", async () => {
    const { pinned } = await image("sget/bad");
    const tap = startTap(registry.host);
    try {
      tap.onRequest(async ({ path, forward }) => {
        const response = await forward();
        if (!path.includes("/blobs/")) return response;
        return new Response("sgot/bad", { status: 200 });
      });
      const output = file(`bad-${registry.port}`);
      const reference = pinned.replace(registry.host, tap.host);
      const toFile = await cli(["sget", "-o", output, reference]);
      const toStdout = await cli(["sget", reference]);
      for (const result of [toFile, toStdout]) {
        expect([result.code, result.stdout]).toEqual([20, ""]);
        expect(result.stderr).toContain("code: DIGEST_MISMATCH\n");
      }
      expect(await Bun.file(output).exists()).toBe(false);
    } finally {
      tap.close();
    }
  });

  test("generate, attach signature and verify make a signature outside of this program", async () => {
    const { pinned } = await image("attach/a");
    const generated = await cli(["generate", "-a", "b=2", "-a", "a=<1>", pinned]);
    expect([generated.code, generated.stdout]).toEqual([
      0,
      `{"critical":{"identity":{"docker-reference":"${at("attach/a")}"},"image":{"docker-manifest-digest":"${pinned.split("@")[1]}"},"type":"cosign container image signature"},"optional":{"a":"\\u003c1\\u003e","b":"2"}}`,
    ]);
    expect((await cli(["generate", "--compat=1", pinned])).stdout).toEndWith("}\n");
    const [payload, signature] = [file("payload.json"), file("payload.sig")];
    const argv = ["sign", "--key", file("cosign.key"), "--tlog-upload=false", "--upload=false"];
    const made = await cli(
      [
        ...argv,
        "--format=legacy",
        `--output-payload=${payload}`,
        `--output-signature=${signature}`,
        pinned,
      ],
      PASSWORD,
    );
    expect(made.code).toBe(0);
    const attach = ["attach", "signature", "--signature", signature];
    expect((await cli([...attach, "--payload", payload, pinned])).code).toBe(0);
    const verify = ["verify", "--key", file("cosign.pub"), "--insecure-ignore-tlog", pinned];
    expect((await cli(verify)).code).toBe(0);
    const { pinned: implied } = await image("attach/implied");
    const warned = await cli([...attach, implied]);
    expect(warned.stderr).toContain(
      `WARNING: using obsolete implied signature payload data (with digested reference ${implied}); specify it explicitly with --payload instead`,
    );
    expect((await cli(["attach", "signature", pinned])).stderr).toContain("empty signature");
    const downloaded = await cli(["download", "signature", pinned]);
    const line = JSON.parse(downloaded.stdout);
    expect(Object.keys(line)).toEqual([
      "Base64Signature",
      "Payload",
      "Cert",
      "Chain",
      "Bundle",
      "RFC3161Timestamp",
    ]);
    expect(line.Base64Signature).toBe(readFileSync(signature, "utf8"));
    expect(Buffer.from(line.Payload, "base64")).toEqual(readFileSync(payload));
  });

  test("attach signature keeps certificate, chain, timestamp and the log's promise", async () => {
    const { pinned, digest } = await image("attach/more");
    const root = makeAuthority("root");
    const leaf = makeLeaf(root);
    for (const [name, text] of [
      ["cert", leaf.pem],
      ["chain", root.pem],
      ["tsr", "\x30\x03"],
      [
        "rekor",
        '{"base64Signature":"x","rekorBundle":{"SignedEntryTimestamp":"eA==","Payload":{}}}',
      ],
      ["sig", "c2ln"],
      ["pay", "{}"],
    ] as const) {
      writeFileSync(file(name), text);
    }
    const flags = ["--certificate", file("cert"), "--certificate-chain", file("chain")];
    const more = ["--tsr", file("tsr"), "--rekor-response", file("rekor")];
    const argv = ["attach", "signature", "--signature", file("sig"), "--payload", file("pay")];
    expect((await cli([...argv, ...flags, ...more, pinned])).code).toBe(0);
    const [layer] = (await manifestOf(`attach/more:${digest.replace(":", "-")}.sig`)).layers;
    expect(layer.annotations).toEqual({
      "dev.cosignproject.cosign/signature": "c2ln",
      "dev.sigstore.cosign/certificate": readFileSync(file("cert"), "utf8"),
      "dev.sigstore.cosign/chain": readFileSync(file("chain"), "utf8"),
      "dev.sigstore.cosign/rfc3161timestamp": '{"SignedRFC3161Timestamp":"MAM="}',
      "dev.sigstore.cosign/bundle": '{"SignedEntryTimestamp":"eA==","Payload":{}}',
    });
    const line = JSON.parse((await cli(["download", "signature", pinned])).stdout);
    expect([line.Cert, line.Chain, line.RFC3161Timestamp]).toEqual([
      expect.objectContaining({ Raw: Buffer.from(leaf.der).toString("base64") }),
      [expect.objectContaining({ Raw: Buffer.from(root.der).toString("base64") })],
      { SignedRFC3161Timestamp: "MAM=" },
    ]);
  });

  const envelope = (predicateType: string, sig = "c2ln") =>
    JSON.stringify({
      payloadType: "application/vnd.in-toto+json",
      payload: Buffer.from(JSON.stringify({ predicateType })).toString("base64"),
      signatures: [{ keyid: "", sig }],
    });

  test("attach attestation takes every file and every envelope in it, bundles too", async () => {
    const { pinned } = await image("attach/att");
    const bundle = {
      mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
      verificationMaterial: { publicKey: { hint: "x" } },
      dsseEnvelope: JSON.parse(envelope("https://example.com/bundle")),
    };
    writeFileSync(file("bundle"), JSON.stringify(bundle));
    writeFileSync(
      file("lines"),
      `${envelope("https://slsa.dev/provenance/v1")}\n{"payloadType":\n${envelope("https://openvex.dev/ns").slice(15)}`,
    );
    writeFileSync(file("single"), envelope("https://spdx.dev/Document"));
    const files = ["bundle", "lines", "single"].flatMap((name) => ["--attestation", file(name)]);
    const result = await cli(["attach", "attestation", ...files, pinned]);
    expect([result.code, result.stderr]).toEqual([
      0,
      ["bundle", "lines", "single"].map((name) => `Using payload from: ${file(name)}`).join(""),
    ]);
    const downloaded = await cli(["download", "attestation", pinned]);
    const lines = downloaded.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines[0]).toEqual(bundle);
    expect(lines.slice(1).map((line) => JSON.stringify(line))).toEqual([
      envelope("https://slsa.dev/provenance/v1"),
      envelope("https://openvex.dev/ns"),
      envelope("https://spdx.dev/Document"),
    ]);
    const byType = async (type: string) =>
      (await cli(["download", "attestation", "--predicate-type", type, pinned])).stdout
        .split("\n")
        .filter(Boolean).length;
    expect([await byType("spdxjson"), await byType("https://example.com/bundle")]).toEqual([1, 1]);
    const none = await cli(["download", "attestation", "--predicate-type=link", pinned]);
    expect(none.code).toBe(1);
    expect(none.stderr).toContain(
      "no attestations with predicate type 'https://in-toto.io/Link/v1' found",
    );
    const odd = await cli(["download", "attestation", "--predicate-type=nonsense", pinned]);
    expect(odd.stderr).toContain("invalid predicate type: nonsense");
  });

  test("attach attestation refuses what is no signed statement, and attaches nothing of it", async () => {
    const { pinned } = await image("attach/bad");
    for (const [text, why] of [
      [envelope("x").replace("in-toto", "other"), "invalid payloadType"],
      [
        `${envelope("x")}${envelope("y").replace(/"signatures":.*/, '"signatures":[]}')}`,
        "without having signatures",
      ],
      [
        JSON.stringify({ mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json" }),
        "Cannot read the bundle",
      ],
      ["[]", "no sequence of JSON objects"],
      ["{", "ends within"],
      ["", "ends within"],
      [
        JSON.stringify({
          mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
          verificationMaterial: { publicKey: { hint: "x" } },
          messageSignature: {
            messageDigest: { algorithm: "SHA2_256", digest: "A".repeat(43).concat("=") },
            signature: "c2ln",
          },
        }),
        "bundle does not have DSSE envelope",
      ],
    ] as const) {
      writeFileSync(file("bad"), text);
      const { code, stderr } = await cli([
        "attach",
        "attestation",
        "--attestation",
        file("bad"),
        pinned,
      ]);
      expect([text, code]).toEqual([text, 1]);
      expect(stderr).toContain(why);
    }
    expect((await cli(["download", "attestation", pinned])).stdout).toBe("");
  });

  test("attach sbom chooses the media type as cosign does, download sbom gives it back", async () => {
    const { pinned } = await image("sbom/a");
    writeFileSync(file("sbom.txt"), "SPDXVersion: SPDX-2.3\n\u001b[31m");
    writeFileSync(file("bom.json"), "{}");
    for (const [argv, mediaType] of [
      [["--sbom", file("sbom.txt")], "text/spdx"],
      [["--sbom", file("bom.json")], "text/spdx+json"],
      [["--compat=1", "--sbom", file("bom.json")], "spdx+json"],
      [["--sbom", file("sbom.txt"), "--type=cyclonedx"], "application/vnd.cyclonedx+xml"],
      [
        ["--sbom", file("sbom.txt"), "--type=cyclonedx", "--input-format=json"],
        "application/vnd.cyclonedx+json",
      ],
      [["--sbom", file("sbom.txt"), "--type=syft"], "application/vnd.syft+json"],
    ] as const) {
      const attached = await cli(["attach", "sbom", ...argv, pinned]);
      expect([argv, attached.code]).toEqual([argv, 0]);
      const downloaded = await cli(["download", "sbom", pinned]);
      expect(downloaded.stderr).toContain(`Found SBOM of media type: ${mediaType}\n`);
      expect(downloaded.stdout).toBe(
        readFileSync(
          argv.at(-1)?.startsWith("--") ? file("sbom.txt") : (argv.at(-1) ?? ""),
          "utf8",
        ),
      );
    }
    const wrong = ["attach", "sbom", "--sbom", file("sbom.txt"), "--input-format=xml", pinned];
    expect((await cli(wrong)).stderr).toContain(
      'invalid SBOM input format: "xml", expected (json|text)',
    );
    const missing = await image("sbom/none");
    const none = await cli(["download", "sbom", missing.pinned]);
    expect([none.code, none.stderr.includes("no sbom attached to reference")]).toEqual([1, true]);
    const platform = { os: "linux", architecture: "amd64" };
    const { digest, size } = missing;
    await pushIndex(registry.host, "sbom/none", "multi", [{ digest, size, platform }]);
    const index = await cli(["download", "sbom", at("sbom/none:multi")]);
    expect(index.stderr).toContain("architectures:\nlinux/amd64\n");
    expect(index.stderr).toContain("no SBOM found attached to image index");
    await cli(["attach", "sbom", "--sbom", file("bom.json"), missing.pinned]);
    const chosen = ["download", "sbom", "--platform=linux/amd64", at("sbom/none:multi")];
    expect((await cli(chosen)).stdout).toBe("{}");
  });

  test("attach sbom makes a referrer with oci-1-1", async () => {
    const { pinned } = await image("sbom/referrer");
    writeFileSync(file("bom.json"), "{}");
    const argv = [
      "attach",
      "sbom",
      "--sbom",
      file("bom.json"),
      "--registry-referrers-mode=oci-1-1",
    ];
    expect((await cli([...argv, pinned])).code).toBe(2);
    expect((await cli([...argv, pinned], { COSIGN_EXPERIMENTAL: "1" })).code).toBe(0);
    expect((await cli(["tree", pinned])).stdout).toContain(
      "🔗 application/vnd.dev.cosign.artifact.sbom.v1+json artifacts via OCI referrer",
    );
  });

  test("tree says what there is in one order, and prints no control characters", async () => {
    const { pinned, digest, size } = await image("tree/a");
    const empty = await cli(["tree", pinned]);
    expect(empty.stdout).toBe(
      `📦 Supply Chain Security Related artifacts for an image: ${pinned}\nNo Supply Chain Security Related Artifacts found for image ${pinned},\n start creating one with simply running$ cosign sign <img>`,
    );
    await pushReferrer(registry.host, "tree/a", { digest, size }, "x/\u001b]0;evil\u0007");
    const tree = (await cli(["tree", pinned])).stdout;
    expect(tree).toContain("└── 🔗 x/\\u001b]0;evil\\u0007 artifacts via OCI referrer: ");
    expect(tree).not.toContain("\u001b");
    for (const older of ["1", "2"]) {
      expect((await cli(["tree", "--compat", older, pinned])).stdout).not.toContain("🔗");
    }
    const asked = ["tree", "--compat=2", "--experimental-oci11", pinned];
    expect((await cli(asked)).stdout).toContain("🔗");
    expect((await cli(["tree", "--experimental-oci11=false", pinned])).stdout).not.toContain("🔗");
    expect((await cli(["tree", at("tree/a:2")])).code).toBe(11);
  });

  test("triangulate follows COSIGN_REPOSITORY and the prefix", async () => {
    const { pinned, digest } = await image("tri/a");
    const hex = digest.replace(":", "-");
    const named = async (argv: readonly string[], env = {}) =>
      (await cli(["triangulate", ...argv, pinned], env)).stdout;
    expect(await named(["--type=attestation"])).toBe(`${at(`tri/a:${hex}.att`)}\n`);
    expect(await named(["--attachment-tag-prefix=p-"])).toBe(`${at(`tri/a:p-${hex}.sig`)}\n`);
    expect(await named([], { COSIGN_REPOSITORY: "r.example/other" })).toBe(
      `r.example/other:${hex}.sig\n`,
    );
    const wrong = await cli(["triangulate", "--type=foo", pinned]);
    expect(wrong.stderr).toContain("unknown attachment type foo");
  });

  test("clean removes what it is told to, where it lies, and nothing else", async () => {
    const { pinned, digest, size } = await image("clean/a");
    const hex = digest.replace(":", "-");
    const env = { COSIGN_REPOSITORY: at("clean/elsewhere") };
    await sign("--format=both", pinned);
    const referrer = await pushReferrer(registry.host, "clean/b", await image("clean/b"), "x/y");
    expect(referrer).toStartWith("sha256:");
    const elsewhere = [
      "sign",
      "--key",
      file("cosign.key"),
      "--tlog-upload=false",
      "--format=legacy",
    ];
    await cli([...elsewhere, pinned], { ...PASSWORD, ...env });
    const there = await cli(["clean", "-f", pinned], env);
    expect([there.code, there.stderr]).toEqual([
      0,
      `Removed ${at(`clean/elsewhere:${hex}.sig`)} from ${pinned}\n`,
    ]);
    const signatures = await cli(["clean", "-f", "--type=signature", pinned]);
    expect(signatures.stderr).toBe(
      `WARNING: image has referrers, consider using --type=referrer\nRemoved ${at(`clean/a:${hex}.sig`)} from ${pinned}\n`,
    );
    const referrers = await cli(["clean", "-f", "--type=referrer", pinned]);
    expect(referrers.stderr).toMatch(
      new RegExp(`^Removed ${at("clean/a")}@sha256:[0-9a-f]{64} from `),
    );
    expect((await cli(["tree", pinned])).stdout).toContain("No Supply Chain");
    expect(await cli(["clean", "-f", pinned])).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(
      (await cli(["verify", "--key", file("cosign.pub"), "--insecure-ignore-tlog", pinned])).code,
    ).toBe(10);
    expect((await cli(["clean", "-f", "--type=foo", pinned])).code).toBe(2);
    // The image itself, and other people's referrers, stay.
    expect((await manifestOf(`clean/a@${digest}`)).layers).toHaveLength(1);
    await pushReferrer(registry.host, "clean/a", { digest, size }, "x/y");
    await sign("--format=bundle", pinned);
    expect((await cli(["clean", "-f", pinned])).code).toBe(0);
    const left = await cli(["tree", pinned]);
    expect([left.stdout.match(/🔗/g)?.length, left.stdout.includes("🔗 x/y artifacts")]).toEqual([
      1,
      true,
    ]);
  });

  test("tags that look like flags are tags", async () => {
    const { code, stderr } = await cli(["triangulate", at("flaglike/a:--force")]);
    expect([code === 0, stderr.includes("unknown flag")]).toEqual([false, false]);
  });
});

requires("docker-registry")(
  "clean fails when something cannot be removed, after all the rest",
  async () => {
    expect(hasTool("docker-registry")).toBe(true);
    const registry = await startDockerRegistry({ delete: false });
    try {
      const { digest } = await pushLayeredImage(registry.host, "clean/kept", "1", [bytes("a")]);
      const pinned = `${registry.host}/clean/kept@${digest}`;
      const argv = [
        "sign",
        "--key",
        file("cosign.key"),
        "--tlog-upload=false",
        "--format=legacy",
        pinned,
      ];
      expect((await cli(argv, PASSWORD)).code).toBe(0);
      const { code, stderr } = await cli(["clean", "-f", pinned]);
      expect(code).toBe(20);
      expect(stderr).toContain(
        `could not delete ${registry.host}/clean/kept:${digest.replace(":", "-")}.sig from ${pinned}:\n`,
      );
      expect(stderr).toContain("code: REGISTRY_UNSUPPORTED\n");
    } finally {
      await registry.close();
    }
  },
);
