import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash, createPublicKey, sign as signBytes, verify as verifyBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makePluginTable } from "../../../../engine/plugin_host/table.ts";
import { makeAuthority, makeLeaf } from "../../../support/certificates.ts";
import { startEmbeddedRegistry } from "../../../support/embedded_registry.ts";
import { pushVectorRepository } from "../../../support/push_layout.ts";
import type { TestRegistry } from "../../../support/registries.ts";
import { countSignatures } from "../../../support/signatures.ts";
import { pushImage } from "../../../support/uploads.ts";
import { readCommands, readVector } from "../../../support/vectors.ts";
import { cli, cliWith } from "../_cli.ts";

setDefaultTimeout(60_000); // stretching passwords on a busy machine
/** With a plugin that is planned. */
const withPlan = cliWith(async () =>
  makePluginTable([{ name: "later", api: 1, source: "planned", provides: { key: ["later"] } }], {}),
);
const PASSWORD = { COSIGN_PASSWORD: "pässword" };
const NO_LOG = "--tlog-upload=false";
const IGNORE_LOG = "--insecure-ignore-tlog";
const dir = mkdtempSync(join(tmpdir(), "cli-sign-"));
const file = (name: string) => join(dir, name);
let registry: TestRegistry;

beforeAll(async () => {
  registry = await startEmbeddedRegistry();
  expect(
    (await cli(["generate-key-pair", "--output-key-prefix", file("cosign")], PASSWORD)).code,
  ).toBe(0);
  expect(
    (await cli(["generate-key-pair", "--output-key-prefix", file("other")], PASSWORD)).code,
  ).toBe(0);
});

afterAll(async () => {
  await registry.close();
  rmSync(dir, { recursive: true });
});

async function image(repository: string, tag = "1"): Promise<{ tagged: string; pinned: string }> {
  const digest = await pushImage(registry.host, repository, tag, `${repository}:${tag}`);
  const name = `${registry.host}/${repository}`;
  return { tagged: `${name}:${tag}`, pinned: `${name}@${digest}` };
}

const sign = (...argv: string[]) =>
  cli(["sign", "--key", file("cosign.key"), NO_LOG, ...argv], PASSWORD);
const verify = (...argv: string[]) =>
  cli(["verify", "--key", file("cosign.pub"), IGNORE_LOG, ...argv]);

describe("sign and verify", () => {
  test("bundles by default, .sig tags in the older generations, both by --format", async () => {
    const { pinned } = await image("cli/formats");
    for (const { argv, count } of [
      { argv: [], count: 1 },
      { argv: ["--compat=1"], count: 1 },
      { argv: ["--new-bundle-format=false", "-a", "n=1"], count: 1 },
      { argv: ["--format=both", "-a", "n=2"], count: 2 },
    ]) {
      const { code, stdout, stderr } = await sign(...argv, pinned);
      expect([code, stdout]).toEqual([0, ""]);
      const pushed: readonly string[] = stderr.match(/^Pushing signature to: .*$/gm) ?? [];
      expect(pushed).toEqual(
        Array<string>(count).fill(`Pushing signature to: ${registry.host}/cli/formats`),
      );
    }
    expect(await countSignatures(registry.host, pinned, "legacy")).toBe(3);
    expect(await countSignatures(registry.host, pinned, "bundle")).toBe(2);
    expect((await verify(pinned)).code).toBe(0);
  });

  test("want an entry in the log where the generation does, and name --insecure-ignore-tlog", async () => {
    const { pinned } = await image("cli/unlogged");
    await sign("--format=bundle", pinned);
    const key = ["--key", file("cosign.pub"), pinned];
    for (const [argv, env] of [
      [key, {}],
      [["--compat=2", ...key], {}],
      [["--insecure-ignore-tlog=false", "--compat=1", ...key], {}],
      [["--compat=1", ...key], { COSIGN_EXPERIMENTAL: "1" }],
    ] as const) {
      const { code, stderr } = await cli(["verify", ...argv], env);
      expect(code).toBeGreaterThan(0);
      expect(stderr).toContain("not enough verified log entries from transparency log: 0 < 1");
      expect(stderr).toMatch(/^hint: .*--insecure-ignore-tlog/m);
    }
    for (const argv of [
      ["--compat=1", ...key],
      ["--private-infrastructure", ...key],
      ["--insecure-ignore-tlog=1", ...key],
    ]) {
      expect((await cli(["verify", ...argv])).code).toBe(0);
    }
  });

  test("of the legacy format among referrers, as cosign's experiment has them", async () => {
    const { pinned } = await image("cli/oci11");
    const mode = ["--format=legacy", "--registry-referrers-mode=oci-1-1"];
    const argv = ["sign", "--key", file("cosign.key"), NO_LOG, ...mode];
    const experimental = { ...PASSWORD, COSIGN_EXPERIMENTAL: "1" };
    expect((await cli([...argv, "-a", "n=1", pinned], experimental)).code).toBe(0);
    expect((await cli([...argv, "-a", "n=2", pinned], experimental)).code).toBe(0);
    const [, digest = ""] = pinned.split("@");
    const listed = await fetch(`http://${registry.host}/v2/cli/oci11/referrers/${digest}`);
    const { manifests } = (await listed.json()) as {
      manifests: readonly { artifactType: string }[];
    };
    expect(manifests.map(({ artifactType }) => artifactType)).toEqual(
      Array(2).fill("application/vnd.dev.cosign.artifact.sig.v1+json"),
    );
    // Neither a tag nor a bundle.
    expect((await verify(pinned)).code).toBe(10);
    const { code, stdout } = await verify("--experimental-oci11", pinned);
    const found: readonly { readonly optional: object }[] = JSON.parse(stdout);
    expect([code, found.map(({ optional }) => JSON.stringify(optional)).sort()]).toEqual([
      0,
      ['{"n":"1"}', '{"n":"2"}'],
    ]);
    // What is at the tag is looked for where that is not enough.
    await sign("--format=legacy", "-a", "n=3", pinned);
    const tagged = await verify("--experimental-oci11", "-a", "n=3", pinned);
    expect([tagged.code, JSON.parse(tagged.stdout)[0].optional]).toEqual([0, { n: "3" }]);
    const other = ["verify", "--key", file("other.pub"), IGNORE_LOG, "--experimental-oci11"];
    expect((await cli([...other, pinned])).code).toBe(12);
  });

  test("verify a signature that is handed over, and looks for none beside the image", async () => {
    const { pinned } = await image("cli/detached");
    const { pinned: other } = await image("cli/detached-other", "2");
    const made = ["--output-signature", file("d.sig"), "--output-payload", file("d.json")];
    const signed = await sign("--format=legacy", "--upload=false", "-a", "k=v", ...made, pinned);
    expect(signed.code).toBe(0);
    const both = ["--signature", file("d.sig"), "--payload", file("d.json")];
    expect((await verify(pinned)).code).toBe(10);
    const { code, stdout } = await verify(...both, "-a", "k=v", pinned);
    expect([code, JSON.parse(stdout)[0].optional]).toEqual([0, { k: "v" }]);
    const text = readFileSync(file("d.sig"), "utf8").trim();
    expect((await verify("--signature", text, "--payload", file("d.json"), pinned)).code).toBe(0);
    for (const [argv, says] of [
      [[...both, other], "invalid or missing digest in claim"],
      [[...both, "-a", "k=w", pinned], "missing or incorrect annotation"],
      // Without a payload it is the one that has no annotations.
      [["--signature", file("d.sig"), pinned], "does not match message and key"],
    ] as const) {
      const refused = await verify(...argv);
      expect([refused.code, refused.stdout]).toEqual([12, ""]);
      expect(refused.stderr).toContain(says);
    }
    await sign("--format=legacy", "--upload=false", ...made, pinned);
    expect((await verify("--signature", file("d.sig"), pinned)).code).toBe(0);
    const absent = await verify("--signature", file("absent.sig"), pinned);
    expect(absent.stderr).toContain("code: FILE_READ");
  });

  test("verify a signature that is handed over by a certificate of one's own", async () => {
    const { pinned } = await image("cli/detached-certificate");
    const root = makeAuthority("root");
    const leaf = makeLeaf(root);
    writeFileSync(file("leaf.pem"), leaf.pem);
    writeFileSync(file("root.pem"), root.pem);
    writeFileSync(file("leaf.json"), (await cli(["generate", pinned])).stdout);
    const bytes = readFileSync(file("leaf.json"));
    writeFileSync(file("leaf.sig"), signBytes("sha256", bytes, leaf.privateKey));
    const argv = [
      ...["verify", IGNORE_LOG, "--insecure-ignore-sct", "--certificate", file("leaf.pem")],
      ...["--certificate-identity=mail@example.com", "--certificate-oidc-issuer-regexp=.*"],
      ...["--signature", file("leaf.sig"), "--payload", file("leaf.json")],
    ];
    const { code, stderr } = await cli([...argv, "--ca-roots", file("root.pem"), pinned]);
    expect([code, stderr]).toEqual([0, expect.stringContaining("trusted certificate authority")]);
    writeFileSync(file("stranger.pem"), makeAuthority("root").pem);
    const stranger = await cli([...argv, "--ca-roots", file("stranger.pem"), pinned]);
    expect([stranger.code, stranger.stdout]).toEqual([12, ""]);
  });

  test("print the header on stderr and cosign's JSON on stdout", async () => {
    const { tagged, pinned } = await image("cli/output");
    await sign("--format=legacy", "-a", "env=prod", pinned);
    const { code, stdout, stderr } = await verify("-a", "env=prod", tagged);
    expect(code).toBe(0);
    expect(stdout).toBe(
      `\n[{"critical":{"identity":{"docker-reference":"${registry.host}/cli/output"},"image":{"docker-manifest-digest":"${pinned.split("@")[1]}"},"type":"cosign container image signature"},"optional":{"env":"prod"}}]\n`,
    );
    expect(stderr).toEndWith(
      `\nVerification for ${tagged} --\n` +
        "The following checks were performed on each of these signatures:\n" +
        "  - The specified annotations were verified.\n" +
        "  - The cosign claims were validated\n" +
        "  - The signatures were verified against the specified public key\n",
    );
    const text = await verify("-o", "text", pinned);
    expect(text.stdout).toBe(`${stdout.slice(2, -2)}\n`);
    const unchecked = await verify("--check-claims=false", "-a", "env=prod", pinned);
    expect(unchecked.stderr).not.toMatch(/annotations were verified|claims/);
  });

  test("warn of a tag when signing, and sign what it points to", async () => {
    const { tagged, pinned } = await image("cli/tag");
    const { stderr } = await sign(tagged);
    expect(stderr).toContain(
      `WARNING: Image reference ${tagged} uses a tag, not a digest, to identify the image to sign.\n    This can lead you to sign a different image than the intended one. Please use a\n    digest (example.com/ubuntu@sha256:abc123...) rather than tag\n    (example.com/ubuntu:latest) for the input to cosign. The ability to refer to\n    images by tag will be removed in a future release.\n`,
    );
    expect((await verify(pinned)).code).toBe(0);
    expect((await sign(pinned)).stderr).not.toContain("uses a tag");
  });

  test("tell no signature, another key, another annotation and no image apart", async () => {
    const { pinned } = await image("cli/failures");
    const results = [await verify(pinned)];
    await sign("--format=legacy", pinned);
    results.push(await cli(["verify", "--key", file("other.pub"), IGNORE_LOG, pinned]));
    results.push(await verify("-a", "env=prod", pinned));
    results.push(await verify(`${registry.host}/cli/failures:nope`));
    results.push(await verify(pinned.replace(/.{8}$/, "00000000")));
    expect(results.map(({ code }) => code)).toEqual([10, 12, 12, 11, 11]);
    expect(results.map(({ stdout }) => stdout)).toEqual(["", "", "", "", ""]);
    expect(results.map(({ stderr }) => /^code: (.*)$/m.exec(stderr)?.[1])).toEqual([
      "NO_SIGNATURES",
      "NO_MATCHING_SIGNATURES",
      "NO_MATCHING_SIGNATURES",
      "IMAGE_NOT_FOUND",
      "IMAGE_NOT_FOUND",
    ]);
    for (const [at, text] of [
      [0, "no signatures found"],
      [1, "no matching signatures: "],
      [2, "missing or incorrect annotation"],
      [3, "image tag not found: "],
    ] as const) {
      expect(results[at]?.stderr).toContain(
        `error during command execution: ${text.replace(/^missing/, "no matching signatures: missing")}`,
      );
    }
  });

  test("number their answers as the generation that is named", async () => {
    const { pinned } = await image("cli/numbers");
    const numbers = async (key: string) => {
      const codes: number[] = [];
      for (const compat of ["1", "2", "3"]) {
        const argv = ["verify", "--compat", compat, "--key", file(key), IGNORE_LOG, pinned];
        codes.push((await cli(argv)).code);
      }
      return codes;
    };
    expect(await numbers("cosign.pub")).toEqual([1, 10, 10]);
    await sign("--format=legacy", pinned);
    expect(await numbers("other.pub")).toEqual([1, 12, 12]);
    await sign("--format=bundle", pinned);
    expect(await numbers("other.pub")).toEqual([1, 1, 1]);
    expect(await numbers("cosign.pub")).toEqual([0, 0, 0]);
  });

  test("work on images one after another, and stop at the first that fails", async () => {
    const [first, second, third] = [
      await image("cli/list-a"),
      await image("cli/list-b"),
      await image("cli/list-c"),
    ];
    await sign(first.pinned, third.pinned);
    const { code, stdout, stderr } = await verify(first.pinned, second.pinned, third.pinned);
    expect(code).toBe(10);
    expect(stdout.match(/docker-manifest-digest/g)).toHaveLength(1);
    expect(stderr.match(/^Verification for /gm)).toHaveLength(1);
  });

  test("sign nothing twice with --skip-signed, and say so", async () => {
    const { pinned } = await image("cli/skip");
    await sign("--format=both", pinned);
    const { code, stderr } = await sign("--format=both", "--skip-signed", pinned);
    expect(code).toBe(0);
    expect(stderr).not.toContain("Pushing signature to");
    expect(stderr.match(/Already signed by this key/g)).toHaveLength(2);
  });

  test("write what was made into files, and nothing to the registry with --upload=false", async () => {
    const { pinned } = await image("cli/files");
    const result = await sign(
      "--format=both",
      "--upload=false",
      `--output-signature=${file("sig")}`,
      `--output-payload=${file("payload")}`,
      `--bundle=${file("bundle.json")}`,
      pinned,
    );
    expect(result.code).toBe(0);
    expect(result.stderr).not.toContain("Pushing signature to");
    expect(result.stderr).toContain(`Wrote bundle to file ${file("bundle.json")}\n`);
    expect((await verify(pinned)).code).toBe(10);
    const payload = readFileSync(file("payload"));
    expect(payload.toString()).toBe(
      `{"critical":{"identity":{"docker-reference":"${registry.host}/cli/files"},"image":{"docker-manifest-digest":"${pinned.split("@")[1]}"},"type":"cosign container image signature"},"optional":null}`,
    );
    const key = createPublicKey(readFileSync(file("cosign.pub"), "utf8"));
    const signature = Buffer.from(readFileSync(file("sig"), "utf8"), "base64");
    expect(verifyBytes("sha256", payload, key, signature)).toBe(true);
    expect(JSON.parse(readFileSync(file("bundle.json"), "utf8")).mediaType).toBe(
      "application/vnd.dev.sigstore.bundle.v0.3+json",
    );
    expect(statSync(file("sig")).mode & 0o777).toBe(0o600);
  });

  test("write a file for each image of an index with -r", async () => {
    await pushVectorRepository(registry.host, "legacy-v2-tags-index", "cli/index-files");
    const digest = "sha256:b8fec9a69289a8f9aa247bbd69c6fb9f3720bc76cd2b0d018750e4784ff91f59";
    const index = `${registry.host}/cli/index-files@${digest}`;
    const output = `--output-signature=${file("each")}`;
    expect((await sign("-r", "--format=legacy", "--upload=false", output, index)).code).toBe(0);
    const written = readdirSync(dir).filter((name) => name.startsWith("each"));
    expect(written).toContain(`each-${digest.replace(":", "-")}`);
    expect(written).toHaveLength(3);
  });

  test("sign a payload of the user's with --payload", async () => {
    const { pinned } = await image("cli/payload");
    const payload = `{"critical":{"identity":{"docker-reference":"elsewhere"},"image":{"docker-manifest-digest":"${pinned.split("@")[1]}"},"type":"cosign container image signature"},"optional":null}`;
    writeFileSync(file("own.json"), payload);
    const { code, stderr } = await sign("--format=legacy", `--payload=${file("own.json")}`, pinned);
    expect([code, stderr.includes(`Using payload from: ${file("own.json")}\n`)]).toEqual([0, true]);
    expect((await verify(pinned)).stdout).toBe(`\n[${payload}]\n`);
  });

  test("sign other names with --sign-container-identity", async () => {
    const { pinned } = await image("cli/identity");
    await sign("--format=legacy", "--sign-container-identity=a.example/b,c.example/d", pinned);
    const { stdout } = await verify(pinned);
    const names = JSON.parse(stdout).map(
      (entry: { critical: { identity: object } }) => entry.critical.identity,
    );
    expect(names).toEqual([
      { "docker-reference": "a.example/b" },
      { "docker-reference": "c.example/d" },
    ]);
  });

  test("keep signatures where COSIGN_REPOSITORY says", async () => {
    const { pinned } = await image("cli/source");
    const env = { ...PASSWORD, COSIGN_REPOSITORY: `${registry.host}/cli/elsewhere` };
    const argv = ["--key", file("cosign.key"), NO_LOG, "--format=both", pinned];
    expect((await cli(["sign", ...argv], env)).stderr).toContain(
      `Pushing signature to: ${registry.host}/cli/elsewhere\n`,
    );
    expect((await verify(pinned)).code).toBe(10);
    const there = await cli(["verify", "--key", file("cosign.pub"), IGNORE_LOG, pinned], env);
    expect(there.code).toBe(0);
  });

  test("sign and verify every image of an index with -r", async () => {
    await pushVectorRepository(registry.host, "legacy-v1-tags-index", "cli/index");
    const record = readCommands().find(
      ({ argv }) => argv[0] === "sign" && argv.at(-1)?.includes("legacy-v1-tags-index"),
    );
    const index = `${registry.host}/cli/index@${record?.argv.at(-1)?.split("@")[1]}`;
    await sign("--format=bundle", index);
    expect((await verify("-r", index)).code).toBe(12); // its images have signatures, by another key
    const alone = await verify("-r", "--recursive-policy=index", index);
    expect(alone.code).toBe(0);
    expect(alone.stdout.match(/"docker-manifest-digest"/g)).toHaveLength(1); // of what was verified
    const signed = await sign("-r", "--skip-signed", "--format=bundle", index);
    expect(signed.code).toBe(0);
    const count = signed.stderr.match(/Pushing signature to/g)?.length ?? 0;
    expect(count).toBeGreaterThan(0);
    const { code, stderr } = await verify("-r", "--recursive-policy=all", index);
    expect(code).toBe(0);
    expect(stderr.match(/^Verification for /gm)).toHaveLength(count + 1);
  });

  test("read a password from nowhere but where it is, and say what is wrong with it", async () => {
    const { pinned } = await image("cli/password");
    const wrong = await cli(["sign", "--key", file("cosign.key"), NO_LOG, pinned], {
      COSIGN_PASSWORD: "hunter2",
    });
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain("decrypt: encrypted: decryption failed");
    expect(wrong.stderr).toContain("code: KEY_PASSWORD\n");
    expect(wrong.stderr).not.toContain("hunter2");
  });

  test("say that a scheme's plugin is not there yet, and what a foreign one would be called", async () => {
    for (const [uri, code] of [
      ["later://x", "PLUGIN_UNAVAILABLE"],
      ["acme://x", "PLUGIN_UNKNOWN"],
    ] as const) {
      const result = await withPlan(["sign", "--key", uri, NO_LOG, "r.invalid/a/b:1"], PASSWORD);
      expect([result.code, /^code: (.*)$/m.exec(result.stderr)?.[1]]).toEqual([1, code]);
    }
  });
});

describe("verify", () => {
  test("prints what cosign printed for its own signatures", async () => {
    writeFileSync(file("key-v1.pub"), readVector("files/key-v1.pub"));
    await pushVectorRepository(registry.host, "legacy-v1-tags", "veca/legacy-v1-tags");
    const records = readCommands().filter(
      ({ argv, env, exit, cosign }) =>
        cosign === "1.13.6" &&
        env["COSIGN_REPOSITORY"] === undefined &&
        exit === 0 &&
        argv[0] === "verify" &&
        argv.includes("key-v1.pub") &&
        argv.at(-1)?.includes("/legacy-v1-tags@") &&
        !argv.includes("--attachment"),
    );
    expect(records.length).toBeGreaterThan(1);
    for (const { argv, stdout, stderr } of records) {
      const old = argv.at(-1)?.split("/")[0] ?? "";
      const here = argv.map((word) =>
        word === "key-v1.pub" ? file(word) : word.replace(old, registry.host),
      );
      const result = await cli([...here, "--compat=1"]);
      // The payload names the registry that it was signed for: that is what was signed.
      expect(result.stdout).toBe(stdout);
      expect(result.stderr).toBe(stderr.replaceAll(old, registry.host));
    }
  });

  test("does not count an attestation as a signature, and says what to use", async () => {
    const attested = readCommands().find(
      ({ argv }) => argv[0] === "attest" && argv.at(-1)?.includes("/bundle-v3-referrers@"),
    );
    await pushVectorRepository(registry.host, "bundle-v3-referrers", "veca/bundle-v3-referrers");
    const digest = attested?.argv.at(-1)?.split("@")[1] ?? "";
    const signedToo = readCommands().some(
      ({ argv }) => argv[0] === "sign" && argv.at(-1)?.endsWith(digest),
    );
    expect(signedToo).toBe(false);
    writeFileSync(file("key-v3.pub"), readVector("files/key-v3.pub"));
    const result = await cli([
      "verify",
      "--key",
      file("key-v3.pub"),
      IGNORE_LOG,
      `${registry.host}/veca/bundle-v3-referrers@${digest}`,
    ]);
    expect([result.code, result.stdout]).toEqual([10, ""]);
    expect(result.stderr).toMatch(/^hint: .*verify-attestation/m);
  });
});

test("public-key prints the public half of a key, or writes it", async () => {
  const pem = readFileSync(file("cosign.pub"), "utf8");
  const printed = await cli(["public-key", "--key", file("cosign.key")], PASSWORD);
  expect(printed).toEqual({ code: 0, stdout: pem, stderr: "" });
  const written = await cli(
    ["public-key", "--key", file("cosign.key"), "--outfile", file("out.pub")],
    PASSWORD,
  );
  expect(written).toEqual({
    code: 0,
    stdout: "",
    stderr: `Public key written to ${file("out.pub")}\n`,
  });
  expect(readFileSync(file("out.pub"), "utf8")).toBe(pem);
  expect((await cli(["public-key"])).stderr).toContain(
    "exactly one of: key reference (--key), or hardware token (--sk) must be provided",
  );
});

test("generate-key-pair writes the header of the generation", async () => {
  for (const [compat, header] of [
    ["1", "ENCRYPTED COSIGN PRIVATE KEY"],
    ["2", "ENCRYPTED SIGSTORE PRIVATE KEY"],
    ["3", "ENCRYPTED SIGSTORE PRIVATE KEY"],
  ] as const) {
    const prefix = file(`generation-${compat}`);
    const argv = ["generate-key-pair", "--compat", compat, "--output-key-prefix", prefix];
    const { code, stderr } = await cli(argv, PASSWORD);
    expect([code, stderr]).toEqual([
      0,
      `Private key written to ${prefix}.key\nPublic key written to ${prefix}.pub\n`,
    ]);
    expect(readFileSync(`${prefix}.key`, "utf8")).toStartWith(`-----BEGIN ${header}-----\n`);
    expect(statSync(`${prefix}.key`).mode & 0o777).toBe(0o600);
  }
  const kms = await withPlan(["generate-key-pair", "--kms", "later://x"], PASSWORD);
  expect(kms.stderr).toContain("code: PLUGIN_UNAVAILABLE\n");
});

test("import-key-pair keeps the key it is given", async () => {
  writeFileSync(file("p384.pem"), readVector("files/p384.pem"));
  const argv = ["import-key-pair", "-k", file("p384.pem"), "-o", file("imported")];
  expect((await cli(argv, PASSWORD)).code).toBe(0);
  const { stdout } = await cli(["public-key", "--key", file("imported.key")], PASSWORD);
  const expected = createPublicKey(readFileSync(file("p384.pem"), "utf8"));
  expect(createPublicKey(stdout).equals(expected)).toBe(true);
  const before = createHash("sha256")
    .update(readFileSync(file("imported.key")))
    .digest("hex");
  expect((await cli([...argv, "-y"], PASSWORD)).code).toBe(0);
  const after = createHash("sha256")
    .update(readFileSync(file("imported.key")))
    .digest("hex");
  expect(after).not.toBe(before);
});
