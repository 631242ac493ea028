import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash, sign as signBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodePae } from "../../../../engine/formats/dsse.ts";
import { extension, makeAuthority, makeLeaf } from "../../../support/certificates.ts";
import { startEmbeddedRegistry } from "../../../support/embedded_registry.ts";
import type { TestRegistry } from "../../../support/registries.ts";
import { pushImage, putBlob, putManifest } from "../../../support/uploads.ts";
import { readVector, unpackVectors } from "../../../support/vectors.ts";
import { cli } from "../_cli.ts";

interface Layer {
  readonly mediaType: string;
  readonly digest: string;
  readonly annotations: Readonly<Record<string, string>>;
}

setDefaultTimeout(60_000); // stretching passwords on a busy machine
const PASSWORD = { COSIGN_PASSWORD: "pässword" };
const NO_LOG = "--tlog-upload=false";
const IGNORE_LOG = "--insecure-ignore-tlog";
const SPDX = "https://spdx.dev/Document";
const CUSTOM = "https://cosign.sigstore.dev/attestation/v1";
const FULCIO_ISSUER = "2b0601040183bf300101"; // 1.3.6.1.4.1.57264.1.1
const ISSUER = Buffer.from("https://issuer.example");
const dir = mkdtempSync(join(tmpdir(), "cli-attest-"));
const file = (name: string) => join(dir, name);
let registry: TestRegistry;

beforeAll(async () => {
  registry = await startEmbeddedRegistry();
  unpackVectors("files/", dir);
  for (const name of ["cosign", "other"]) {
    const made = await cli(["generate-key-pair", "--output-key-prefix", file(name)], PASSWORD);
    expect(made.code).toBe(0);
  }
});

afterAll(async () => {
  await registry.close();
  rmSync(dir, { recursive: true });
});

async function image(repository: string): Promise<string> {
  const digest = await pushImage(registry.host, repository, "1", repository);
  return `${registry.host}/${repository}@${digest}`;
}

const attest = (...argv: string[]) =>
  cli(["attest", "--key", file("cosign.key"), NO_LOG, ...argv], PASSWORD);
const verify = (...argv: string[]) =>
  cli(["verify-attestation", "--key", file("cosign.pub"), IGNORE_LOG, ...argv]);
const attestBlob = (...argv: string[]) =>
  cli(["attest-blob", "--key", file("cosign.key"), NO_LOG, ...argv], PASSWORD);
const verifyBlob = (...argv: string[]) =>
  cli(["verify-blob-attestation", "--key", file("cosign.pub"), IGNORE_LOG, ...argv]);

async function layersOf(pinned: string): Promise<readonly Layer[]> {
  const [, repository = "", digest = ""] = /^[^/]+\/(.+)@(.+)$/.exec(pinned) ?? [];
  const url = `http://${registry.host}/v2/${repository}/manifests/${digest.replace(":", "-")}.att`;
  const response = await fetch(url, {
    headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
  });
  return JSON.parse(await response.text()).layers;
}

function statementIn(envelope: string) {
  const { payload } = JSON.parse(envelope);
  return JSON.parse(Buffer.from(payload, "base64").toString("utf8"));
}

const typesOf = (layers: readonly Layer[]) =>
  layers.map((layer) => layer.annotations["predicateType"]);

describe("attest and verify-attestation", () => {
  test("print the header on stderr and each envelope as one line on stdout", async () => {
    const pinned = await image("att/output");
    const made = await attest("--type=cyclonedx", "--predicate", file("cyclonedx.json"), pinned);
    expect(made).toEqual({
      code: 0,
      stdout: "",
      stderr: expect.stringContaining(`Using payload from: ${file("cyclonedx.json")}\n`),
    });
    const { code, stdout, stderr } = await verify("--type=cyclonedx", pinned);
    expect(code).toBe(0);
    expect(stderr).toEndWith(
      `\nVerification for ${pinned} --\nThe following checks were performed on each of these signatures:\n  - The cosign claims were validated\n  - The signatures were verified against the specified public key\n`,
    );
    expect(stdout.split("\n").length).toBe(2);
    expect(statementIn(stdout)).toEqual({
      _type: "https://in-toto.io/Statement/v0.1",
      predicateType: "https://cyclonedx.org/bom",
      subject: [
        { name: `${registry.host}/att/output`, digest: { sha256: pinned.split("sha256:")[1] } },
      ],
      predicate: JSON.parse(readFileSync(file("cyclonedx.json"), "utf8")),
    });
  });

  test("append at the .att tag in order; --replace puts the new one first in the place of its like", async () => {
    const pinned = await image("att/replace");
    const legacy = (...argv: string[]) => attest("--format=legacy", ...argv, pinned);
    await legacy("--type=spdxjson", "--predicate", file("spdx.json"));
    await legacy("--type=custom", "--predicate", file("custom.json"));
    await legacy("--type=spdxjson", "--predicate", file("spdx.json"));
    expect(typesOf(await layersOf(pinned))).toEqual([SPDX, CUSTOM, SPDX]);
    const replaced = await legacy("--replace", "--type=spdx", "--predicate", file("spdx.txt"));
    expect(replaced.code).toBe(0);
    expect(replaced.stderr).toContain(`Replacing attestation predicate: ${SPDX}\n`);
    expect(replaced.stderr).toContain(`Not replacing attestation predicate: ${CUSTOM}\n`);
    expect(typesOf(await layersOf(pinned))).toEqual([SPDX, CUSTOM]);
    const { stdout } = await verify("--type=spdx", pinned);
    expect(statementIn(stdout).predicate).toBe(readFileSync(file("spdx.txt"), "utf8"));
  });

  test("replace what 1.x wrote without saying in the manifest what it is", async () => {
    const pinned = await image("att/replace-1");
    for (let i = 0; i < 2; i++) {
      await attest("--compat=1", "--type=vuln", "--predicate", file("vuln.json"), pinned);
    }
    expect(typesOf(await layersOf(pinned))).toEqual([undefined, undefined]);
    const replace = ["--compat=1", "--replace", "--type=vuln", "--predicate", file("vuln.json")];
    expect((await attest(...replace, pinned)).code).toBe(0);
    expect((await layersOf(pinned)).length).toBe(1);
    expect((await verify("--type=vuln", pinned)).code).toBe(0);
  });

  test("--no-upload prints the envelope in every generation, and writes nothing", async () => {
    const pinned = await image("att/no-upload");
    const predicate = ["--no-upload", "--predicate", file("custom.json")];
    for (const argv of [["--compat=1"], ["--compat=2"], ["--format=legacy"], []]) {
      const { code, stdout } = await attest(...argv, ...predicate, pinned);
      expect([argv, code]).toEqual([argv, 0]);
      expect(statementIn(stdout).predicate.Data).toBe(readFileSync(file("custom.json"), "utf8"));
    }
    const nothing = await verify(pinned);
    expect([nothing.code, nothing.stdout]).toEqual([10, ""]);
    expect(nothing.stderr).toContain("no matching attestations: ");
  });

  test("--bundle writes the bundle, or in the legacy format cosign's old one, for the owner alone", async () => {
    const pinned = await image("att/bundle");
    const to = file("image.bundle.json");
    const predicate = ["--predicate", file("custom.json"), "--bundle", to, pinned];
    const made = await attest(...predicate);
    expect(made.stderr).toContain(`Wrote bundle to file ${to}\n`);
    expect(statSync(to).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(to, "utf8")).mediaType).toContain("bundle.v0.3");
    await attest("--format=legacy", ...predicate);
    const { base64Signature, cert } = JSON.parse(readFileSync(to, "utf8"));
    expect(Buffer.from(cert, "base64").toString()).toBe(readFileSync(file("cosign.pub"), "utf8"));
    const envelope = Buffer.from(base64Signature, "base64").toString();
    expect(statementIn(envelope).predicateType).toBe(CUSTOM);
  });

  test("--statement signs a statement as it is, when it is about the image", async () => {
    const pinned = await image("att/statement");
    const statement = (sha256: string) =>
      `{ "_type": "https://in-toto.io/Statement/v1", "predicateType": "urn:own", "subject": [{"digest": {"sha256": "${sha256}"}}], "predicate": {} }`;
    writeFileSync(file("right.json"), statement(pinned.split("sha256:")[1] ?? ""));
    writeFileSync(file("wrong.json"), statement("00".repeat(32)));
    const wrong = await attest("--statement", file("wrong.json"), pinned);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain("code: CLAIM_MISMATCH\n");
    expect((await attest("--statement", file("right.json"), pinned)).code).toBe(0);
    const { code, stdout } = await verify("--type=urn:own", pinned);
    expect(code).toBe(0);
    const { payload } = JSON.parse(stdout);
    expect(Buffer.from(payload, "base64").toString()).toBe(
      readFileSync(file("right.json"), "utf8"),
    );
  });

  test("refuse in cosign's words what cannot be attested, before a password is asked for", async () => {
    const pinned = await image("att/refused");
    const refused = async (argv: readonly string[], text: string, code: string) => {
      const result = await cli(["attest", "--key", file("cosign.key"), NO_LOG, ...argv, pinned]);
      expect(result.stderr).toContain(text);
      expect(result.stderr).toContain(`code: ${code}\n`);
      expect(result.stdout).toBe("");
    };
    const both = ["--predicate", file("slsa.json"), "--statement", file("slsa.json")];
    await refused([], "one of --predicate or --statement must be set", "USAGE");
    await refused(both, "one of --predicate or --statement must be set", "USAGE");
    await refused(
      ["--type=nonsense", ...both.slice(0, 2)],
      "invalid predicate type: nonsense",
      "USAGE",
    );
    await refused(
      ["--rekor-entry-type=x", ...both.slice(0, 2)],
      "unknown value for rekor-entry-type",
      "USAGE",
    );
  });

  test("refuse a predicate that does not fit, naming the field", async () => {
    const pinned = await image("att/invalid");
    const result = await attest("--type=link", "--predicate", file("slsa.json"), pinned);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain("link statement: required field _type missing");
    expect(result.stderr).toContain("code: PREDICATE_INVALID\n");
  });

  test("refuse what is larger than COSIGN_MAX_ATTACHMENT_SIZE, when attesting and when verifying", async () => {
    const pinned = await image("att/large");
    writeFileSync(file("large.json"), JSON.stringify({ data: "x".repeat(30_000) }));
    const argv = ["attest", "--key", file("cosign.key"), NO_LOG, "--type=urn:x", "--predicate"];
    const limited = (size: string) => ({ ...PASSWORD, COSIGN_MAX_ATTACHMENT_SIZE: size });
    for (const size of ["20KB", "35KB"]) {
      const { code, stderr } = await cli([...argv, file("large.json"), pinned], limited(size));
      expect([size, code]).toEqual([size, 20]);
      expect(stderr).toContain("code: LIMIT_EXCEEDED\n");
    }
    for (const format of ["--format=bundle", "--format=legacy"]) {
      const made = await cli([...argv, file("large.json"), format, pinned], limited("1MB"));
      expect(made.code).toBe(0);
    }
    const check = ["verify-attestation", "--key", file("cosign.pub"), IGNORE_LOG, "--type=urn:x"];
    expect((await cli([...check, pinned], limited("1MB"))).code).toBe(0);
    const unread = await cli([...check, pinned], limited("20KB"));
    expect(unread.code).toBe(20);
    expect(unread.stderr).toContain("code: LIMIT_EXCEEDED\n");
  });

  test("CVE-2022-35929: a valid attestation of another type does not count", async () => {
    const pinned = await image("att/other-type");
    await attest("--predicate", file("custom.json"), pinned);
    const { code, stdout, stderr } = await verify("--type=spdx", pinned);
    expect([code, stdout]).toEqual([12, ""]);
    expect(stderr).toContain(
      `none of the attestations matched the predicate type: spdx, found: ${CUSTOM}`,
    );
    for (const compat of ["1", "2", "3"]) {
      expect((await verify("--compat", compat, "--type=spdx", pinned)).code).toBe(1);
    }
  });

  test("an attestation by another key does not count", async () => {
    const pinned = await image("att/other-key");
    await attest("--format=both", "--predicate", file("custom.json"), pinned);
    const argv = ["verify-attestation", "--key", file("other.pub"), IGNORE_LOG, pinned];
    const { code, stdout, stderr } = await cli(argv);
    expect([code, stdout]).toEqual([12, ""]);
    expect(stderr).toContain("no matching attestations: ");
  });

  test("an attestation about another image does not count, wherever it lies", async () => {
    const [from, to] = [await image("att/moved"), await image("att/moved-to")];
    await attest("--format=legacy", "--predicate", file("custom.json"), from);
    const [layer] = await layersOf(from);
    const blob = await fetch(`http://${registry.host}/v2/att/moved/blobs/${layer?.digest}`);
    const content = new Uint8Array(await blob.arrayBuffer());
    await putAttestations(to, [content]);
    const { code, stderr } = await verify(to);
    expect(code).toBe(12);
    expect(stderr).toContain("no matching subject digest found");
    expect((await verify("--check-claims=false", to)).code).toBe(0);
  });

  test("what lies there and is no attestation is refused, and never printed raw", async () => {
    const pinned = await image("att/garbage");
    const envelope = (payloadType: string) =>
      JSON.stringify({ payloadType, payload: "e30=", signatures: [{ sig: "AAAA" }] });
    const texts = ["", "null", "[]", "{", "\u001b[31m{}", envelope("text/\u001b[31m"), "{}"];
    await putAttestations(
      pinned,
      texts.map((text) => new TextEncoder().encode(text)),
    );
    const { code, stdout, stderr } = await verify(pinned);
    expect([code, stdout]).toEqual([12, ""]);
    expect(stderr).not.toContain("\u001b");
  });

  test("an absent image is no image without attestations", async () => {
    const absent = `${registry.host}/att/absent@sha256:${"00".repeat(32)}`;
    expect((await verify(absent)).code).toBe(11);
  });

  test("several images with one predicate from standard input are each attested", async () => {
    const pinned = [await image("att/several-1"), await image("att/several-2")];
    const main = join(import.meta.dir, "../../../../main.ts");
    const argv = ["attest", "--key", file("cosign.key"), NO_LOG, "--predicate=-", ...pinned];
    const child = Bun.spawn([process.execPath, main, ...argv], {
      stdin: new Blob(["from a pipe"]),
      stderr: "pipe",
      env: { ...PASSWORD, PATH: process.env["PATH"] ?? "" },
    });
    const [stderr, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining("Using payload from: standard input\n"),
    ]);
    for (const each of pinned) {
      const { stdout } = await verify(each);
      expect(statementIn(stdout).predicate.Data).toBe("from a pipe");
    }
  });
});

describe("attest-blob and verify-blob-attestation", () => {
  const about = ["--type=slsaprovenance"];
  const digest = createHash("sha256").update(readVector("files/blob.txt")).digest("hex");

  test("--hash stands for the file, which is not read", async () => {
    const bundle = file("hash.bundle.json");
    const predicate = ["--predicate", file("slsa.json"), "--bundle", bundle, ...about];
    const made = await attestBlob("--hash", digest.toUpperCase(), ...predicate);
    expect([made.code, made.stdout]).toEqual([0, ""]);
    const { dsseEnvelope } = JSON.parse(readFileSync(bundle, "utf8"));
    const [subject] = statementIn(JSON.stringify(dsseEnvelope)).subject;
    expect(subject).toEqual({ name: ".", digest: { sha256: digest } });
    expect((await verifyBlob("--bundle", bundle, ...about, file("blob.txt"))).code).toBe(0);
    expect((await verifyBlob("--bundle", bundle, ...about, file("blob.bin"))).stderr).toContain(
      "code: CLAIM_MISMATCH\n",
    );
    const named = ["--digest", digest, "--digestAlg", "sha256"];
    expect((await verifyBlob("--bundle", bundle, ...about, ...named)).code).toBe(0);
    const off = ["--check-claims=false", file("blob.bin")];
    expect((await verifyBlob("--bundle", bundle, ...about, ...off)).code).toBe(0);
  });

  test("--hash that is no SHA-256 is refused", async () => {
    const { code, stderr } = await attestBlob(
      "--hash=abc",
      "--bundle=x",
      "--predicate",
      file("slsa.json"),
    );
    expect([code, stderr]).toEqual([2, expect.stringContaining("expected 64 hexadecimal digits")]);
    expect(existsSync("x")).toBe(false);
  });

  test("3 needs --bundle in the new format; the old one prints the envelope", async () => {
    const predicate = ["--predicate", file("slsa.json"), ...about, file("blob.txt")];
    const without = await attestBlob(...predicate);
    expect(without.code).toBe(2);
    expect(without.stderr).toContain("must specify --bundle with --new-bundle-format");
    const old = await attestBlob("--new-bundle-format=false", ...predicate);
    expect(old.code).toBe(0);
    expect(statementIn(old.stdout).subject[0].name).toBe("blob.txt");
    const first = await attestBlob("--compat=1", ...predicate);
    const [envelope = "", statement = ""] = first.stdout.split("\n");
    const decoded = Buffer.from(envelope, "base64").toString();
    expect(statementIn(decoded)).toEqual(JSON.parse(statement));
    writeFileSync(file("first.sig"), envelope);
    const checked = await verifyBlob("--signature", file("first.sig"), ...about, file("blob.txt"));
    expect(checked.code).toBe(0);
  });

  test("T1: a key that an old bundle brings along never takes the place of --key", async () => {
    const bundle = file("brought.json");
    const argv = [
      "--new-bundle-format=false",
      "--bundle",
      bundle,
      "--predicate",
      file("slsa.json"),
    ];
    const other = ["attest-blob", "--key", file("other.key"), NO_LOG, ...argv, ...about];
    expect((await cli([...other, file("blob.txt")], PASSWORD)).code).toBe(0);
    const check = ["--bundle", bundle, ...about, file("blob.txt")];
    const refused = await verifyBlob(...check);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("code: BUNDLE_INVALID\n");
    const { base64Signature } = JSON.parse(readFileSync(bundle, "utf8"));
    const ours = readFileSync(file("cosign.pub")).toString("base64");
    for (const cert of [ours, undefined]) {
      writeFileSync(bundle, JSON.stringify({ base64Signature, ...(cert && { cert }) }));
      expect((await verifyBlob(...check)).stderr).toContain("code: SIGNATURE_INVALID\n");
    }
    const theirs = ["verify-blob-attestation", "--key", file("other.pub"), IGNORE_LOG];
    expect((await cli([...theirs, ...check])).code).toBe(0);
  });

  test("CVE-2026-39395: a malformed statement and another predicate type fail in both formats", async () => {
    for (const format of ["--new-bundle-format=false", "--new-bundle-format"]) {
      const bundle = file("type.json");
      const argv = [format, "--bundle", bundle, "--predicate", file("slsa.json"), ...about];
      expect((await attestBlob(...argv, file("blob.txt"))).code).toBe(0);
      const { code, stderr } = await verifyBlob("--bundle", bundle, file("blob.txt"));
      expect([format, code]).toEqual([format, 1]);
      expect(stderr).toContain(
        "invalid predicate type, expected custom got https://slsa.dev/provenance/v0.2",
      );
    }
    writeFileSync(file("bad-statement.json"), '{"_type":"https://in-toto.io/Statement/v1"}');
    const bad = await attestBlob(
      "--statement",
      file("bad-statement.json"),
      "--bundle",
      file("x.json"),
    );
    expect(bad.stderr).toContain("code: PREDICATE_INVALID\n");
  });

  test("a certificate of one's own authorities vouches for an attestation, and for nobody else", async () => {
    const root = makeAuthority("root");
    const leaf = makeLeaf(root, { more: [extension(FULCIO_ISSUER, ISSUER)] });
    const stranger = makeAuthority("stranger");
    writeFileSync(file("root.pem"), root.pem);
    writeFileSync(file("stranger.pem"), stranger.pem);
    writeFileSync(file("leaf.pem"), leaf.pem);
    const statement = Buffer.from(
      JSON.stringify({
        _type: "https://in-toto.io/Statement/v1",
        predicateType: CUSTOM,
        subject: [{ digest: { sha256: digest } }],
        predicate: {},
      }),
    );
    const payloadType = "application/vnd.in-toto+json";
    const sig = signBytes("sha256", encodePae(payloadType, statement), leaf.privateKey);
    const envelope = { payloadType, payload: statement.toString("base64") };
    const signatures = [{ sig: sig.toString("base64") }];
    writeFileSync(file("own.sig"), JSON.stringify({ ...envelope, signatures }));
    const check = (roots: string, identity: string) =>
      cli([
        "verify-blob-attestation",
        ...["--certificate", file("leaf.pem"), "--ca-roots", file(roots), IGNORE_LOG],
        ...["--certificate-identity", identity, "--certificate-oidc-issuer", ISSUER.toString()],
        ...["--insecure-ignore-sct", "--signature", file("own.sig"), file("blob.txt")],
      ]);
    const right = await check("root.pem", "mail@example.com");
    expect([right.code, right.stderr]).toEqual([0, expect.stringContaining("Verified OK\n")]);
    expect((await check("stranger.pem", "mail@example.com")).stderr).toContain(
      "code: CERTIFICATE_UNTRUSTED\n",
    );
    expect((await check("root.pem", "other@example.com")).stderr).toContain(
      "code: IDENTITY_MISMATCH\n",
    );
  });

  test("files that are no attestations are refused with a code", async () => {
    const check = async (text: string | Uint8Array, ...argv: string[]) => {
      writeFileSync(file("hostile.json"), text);
      const { code, stderr } = await verifyBlob(...argv, file("hostile.json"), file("blob.txt"));
      expect([String(text).slice(0, 40), code, stderr]).toEqual([
        String(text).slice(0, 40),
        1,
        expect.stringContaining("code: BUNDLE_INVALID\n"),
      ]);
    };
    const twice = '{"mediaType":"a","mediaType":"b"}';
    for (const text of ["null", "", "[]", "{}", '"x"', twice, new Uint8Array([0xff, 0xfe])]) {
      await check(text, "--bundle");
      await check(text, "--signature");
    }
    await check(readVector("files/blob.txt.key-v3.v3.new.bundle.json"), "--bundle");
    const { code, stderr } = await verifyBlob("--bundle", dir, file("blob.txt"));
    expect([code, stderr]).toEqual([1, expect.stringContaining("is a directory")]);
  });

  test("a statement about another name of the digest, or of none, is not about the file", async () => {
    const sha512 = createHash("sha512").update(readVector("files/blob.txt")).digest("hex");
    const statement = (named: object) =>
      JSON.stringify({
        _type: "https://in-toto.io/Statement/v1",
        predicateType: CUSTOM,
        subject: [{ name: "blob.txt", digest: named }],
        predicate: {},
      });
    const cases = [
      [{ sha512 }, 0],
      [{ sha512: digest }, 1],
      [{ md5: digest }, 1],
      [{}, 1],
    ] as const;
    for (const [named, expected] of cases) {
      writeFileSync(file("own.json"), statement(named));
      const bundle = file("own.bundle.json");
      await attestBlob("--statement", file("own.json"), "--bundle", bundle);
      const { code } = await verifyBlob("--bundle", bundle, file("blob.txt"));
      expect([named, code]).toEqual([named, expected]);
    }
  });
});

/** Writes an `.att` tag with these layers by plain HTTP. */
async function putAttestations(pinned: string, contents: readonly Uint8Array[]): Promise<void> {
  const [, repository = "", digest = ""] = /^[^/]+\/(.+)@(.+)$/.exec(pinned) ?? [];
  const base = `http://${registry.host}/v2/${repository}`;
  const descriptorOf = (content: Uint8Array, mediaType: string) => ({
    mediaType,
    size: content.length,
    digest: `sha256:${createHash("sha256").update(content).digest("hex")}`,
  });
  const config = new TextEncoder().encode("{}");
  const layers = contents.map((each) =>
    descriptorOf(each, "application/vnd.dsse.envelope.v1+json"),
  );
  for (const [at, each] of [config, ...contents].entries()) {
    await putBlob(
      base,
      at === 0 ? descriptorOf(config, "").digest : (layers[at - 1]?.digest ?? ""),
      each,
    );
  }
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: descriptorOf(config, "application/vnd.oci.image.config.v1+json"),
    layers: layers.map((layer) => ({
      ...layer,
      annotations: { "dev.cosignproject.cosign/signature": "" },
    })),
  };
  const bytes = new TextEncoder().encode(JSON.stringify(manifest));
  await putManifest(base, `${digest.replace(":", "-")}.att`, mediaType, bytes);
}
