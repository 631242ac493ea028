import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCommands, unpackVectors } from "../../../support/vectors.ts";
import { cli } from "../_cli.ts";

const folder = mkdtempSync(join(tmpdir(), "cosign-ts-blobs-"));
const at = (name: string): string => join(folder, name);
const env = readCommands().find((record) => record.env["COSIGN_PASSWORD"])?.env ?? {};
const KEY = at("key-v3.key");
const PUB = at("key-v3.pub");
const OTHER = at("key-v2.pub");
const BLOB = at("blob.txt");
const NEW = at("blob.txt.key-v3.v3.new.bundle.json");
const OLD = at("blob.txt.key-v3.v3.old.bundle.json");
const DETACHED = at("blob.txt.key-v3.v3.sig");
const NO_LOG = "--tlog-upload=false";

beforeAll(() => unpackVectors("files/", folder));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sign = (...argv: string[]) => cli(["sign-blob", "--key", KEY, NO_LOG, ...argv], env);
const verify = (...argv: string[]) => cli(["verify-blob", "--insecure-ignore-tlog", ...argv], {});

/** Writes JSON that stands in the place of a bundle. */
function bundleFile(value: unknown): string {
  const path = at(`bundle-${crypto.randomUUID()}.json`);
  writeFileSync(path, typeof value === "string" ? value : JSON.stringify(value));
  return path;
}
const newBundle = () => JSON.parse(readFileSync(NEW, "utf8"));
const oldBundle = () => JSON.parse(readFileSync(OLD, "utf8"));

describe("sign-blob", () => {
  test("prints one signature a line for several files, which verify", async () => {
    const { code, stdout, stderr } = await sign("--new-bundle-format=false", BLOB, at("blob.bin"));
    expect(code).toBe(0);
    const [first = "", second = "", rest] = stdout.split("\n");
    expect(rest).toBe("");
    expect(stderr).toContain(
      `Using payload from: ${BLOB}\nUsing payload from: ${at("blob.bin")}\n`,
    );
    expect((await verify("--key", PUB, "--signature", first, BLOB)).code).toBe(0);
    expect((await verify("--key", PUB, "--signature", second, at("blob.bin"))).code).toBe(0);
    expect((await verify("--key", PUB, "--signature", second, BLOB)).code).toBe(1);
  });

  test("writes raw bytes with --b64=false, which verify", async () => {
    const { code } = await sign(
      "--new-bundle-format=false",
      "--b64=false",
      "--output-signature",
      at("raw.sig"),
      BLOB,
    );
    expect(code).toBe(0);
    expect(readFileSync(at("raw.sig"))[0]).toBe(0x30);
    expect((await verify("--key", PUB, "--signature", at("raw.sig"), BLOB)).code).toBe(0);
  });

  test("writes bundle and detached signature at once, both with mode 0600", async () => {
    const files = ["--bundle", at("both.json"), "--output-signature", at("both.sig")];
    expect((await sign(...files, BLOB)).stdout).toBe("");
    expect(statSync(at("both.json")).mode & 0o777).toBe(0o600);
    expect(statSync(at("both.sig")).mode & 0o777).toBe(0o600);
    const { messageSignature } = JSON.parse(readFileSync(at("both.json"), "utf8"));
    expect(readFileSync(at("both.sig"), "utf8")).toBe(messageSignature.signature);
  });

  test("says how each generation says it that a file was written", async () => {
    const old = await cli(
      ["sign-blob", "--compat=1", "--key", KEY, "--output", at("o.sig"), BLOB],
      env,
    );
    expect(old.stdout).toBe(`Signature wrote in the file ${at("o.sig")}\n`);
    const later = await sign("--compat=2", "--output-signature", at("o.sig"), BLOB);
    expect(later.stdout).toBe("");
    expect(later.stderr).toEndWith(`Wrote signature to file ${at("o.sig")}\n`);
  });

  test("names --bundle where a file of 1.x or 2.x is asked for with the defaults of 3.x", async () => {
    const { code, stderr } = await sign("--output-signature", at("none.sig"), BLOB);
    expect(code).toBe(2);
    expect(stderr).toContain("must specify --bundle with --new-bundle-format");
    expect(stderr).toContain("hint: Name the bundle's file with --bundle");
  });

  test("refuses one file for several signatures, and standard input twice", async () => {
    const one = await sign("--bundle", at("x.json"), BLOB, at("blob.bin"));
    expect(one.stderr).toContain("--bundle holds one blob's signature");
    const twice = await sign("--new-bundle-format=false", "-", "-");
    expect([one.code, twice.code]).toEqual([2, 2]);
  });

  test("names the file that could not be signed, and its reason", async () => {
    const { code, stderr } = await sign("--new-bundle-format=false", folder);
    expect(code).toBe(1);
    expect(stderr).toContain(`signing ${folder}: Cannot read file "${folder}": is a directory`);
    const url = await sign("--new-bundle-format=false", "https://example.com/blob");
    expect(url.stderr).toContain("download it first");
  });

  test("refuses signing algorithms that nobody knows, and timestamps that nobody would keep", async () => {
    const lost = await sign("--compat=2", "--timestamp-server-url=http://127.0.0.1:1", BLOB);
    expect(lost.stderr).toContain("must use protobuf bundle or set timestamp output path");
    const unknown = await sign("--signing-algorithm", "rot13", "--bundle", at("x.json"), BLOB);
    expect(unknown.stderr).toContain(
      "invalid signing algorithm: rot13. Supported algorithms are: ",
    );
    const nothing = await cli(["sign-blob", "--compat=1", BLOB]);
    expect(nothing.stderr).toContain("exactly one of: key reference (--key), or hardware token");
  });
});

describe("verify-blob", () => {
  test("takes old and new bundles and detached signatures, whatever the flags expect", async () => {
    for (const flags of [["--new-bundle-format=false"], ["--new-bundle-format=true"], []]) {
      for (const signature of [
        ["--bundle", NEW],
        ["--bundle", OLD],
        ["--signature", DETACHED],
        ["--signature", readFileSync(DETACHED, "utf8")],
      ]) {
        const { code, stderr } = await verify("--key", PUB, ...flags, ...signature, BLOB);
        expect({ code, signature, end: stderr.slice(-12) }).toMatchObject({
          code: 0,
          end: "Verified OK\n",
        });
      }
    }
  });

  test("takes a digest in the place of the file, for every format", async () => {
    const digest = `sha256:${new Bun.CryptoHasher("sha256").update(readFileSync(BLOB)).digest("hex")}`;
    for (const signature of [
      ["--bundle", NEW],
      ["--bundle", OLD],
      ["--signature", DETACHED],
    ]) {
      expect((await verify("--key", PUB, ...signature, digest)).code).toBe(0);
      const other = digest.replace(/.$/, (c) => (c === "0" ? "1" : "0"));
      expect((await verify("--key", PUB, ...signature, other)).code).toBe(1);
      const short = await verify("--key", PUB, ...signature, digest.slice(0, -2));
      expect(short.stderr).toContain("code: FILE_READ");
    }
    const plain = at("blob.txt.import-ed25519-v3.v3.sig");
    const ed25519 = await verify(
      "--key",
      at("import-ed25519-v3.pub"),
      "--signature",
      plain,
      digest,
    );
    expect(ed25519.stderr).toContain("it needs the sha512");
  });

  test("takes base64 in either alphabet, without padding, and with line breaks", async () => {
    const text = readFileSync(DETACHED, "utf8");
    const variants = [
      `${text}\n`,
      text.replaceAll("+", "-").replaceAll("/", "_"),
      text.replace(/=+$/, ""),
      text.replaceAll(/.{40}/g, "$&\r\n"),
    ];
    for (const variant of variants) {
      writeFileSync(at("variant.sig"), variant);
      expect((await verify("--key", PUB, "--signature", at("variant.sig"), BLOB)).code).toBe(0);
      const bundle = newBundle();
      bundle.messageSignature.signature = variant.replaceAll(/\s/g, "");
      expect((await verify("--key", PUB, "--bundle", bundleFile(bundle), BLOB)).code).toBe(0);
    }
  });

  test("refuses another key, another blob, and a digest in the bundle that is another blob's", async () => {
    expect((await verify("--key", OTHER, "--bundle", NEW, BLOB)).stderr).toContain(
      "SIGNATURE_INVALID",
    );
    const wrong = await verify("--key", PUB, "--bundle", NEW, at("slsa.json"));
    expect(wrong.stderr).toContain("the bundle is about sha256:");
    const bundle = newBundle();
    bundle.messageSignature.messageDigest.digest = Buffer.alloc(32).toString("base64");
    const lying = await verify("--key", PUB, "--bundle", bundleFile(bundle), BLOB);
    expect(lying.stderr).toContain("code: CLAIM_MISMATCH");
  });

  test("T1, CVE-2022-36056: a key that a bundle brings along never takes the place of --key", async () => {
    const swapped = { ...oldBundle(), cert: readFileSync(OTHER).toString("base64") };
    const refused = await verify("--key", PUB, "--bundle", bundleFile(swapped), BLOB);
    expect(refused.stderr).toContain("does not match the public key in the provided bundle");
    const attacker = await verify("--key", OTHER, "--bundle", OLD, BLOB);
    expect(attacker.code).toBe(1);
    expect(attacker.stderr).not.toContain("Verified OK");
  });

  test("T1: a bare key in a bundle is no certificate: without --key it verifies nothing", async () => {
    const identity = [
      "--certificate-identity=a",
      "--certificate-oidc-issuer=b",
      "--insecure-ignore-sct",
    ];
    const roots = at("root.pem");
    const { makeAuthority } = await import("../../../support/certificates.ts");
    writeFileSync(roots, makeAuthority("root").pem);
    for (const bundle of [OLD, NEW]) {
      const { stderr } = await verify(...identity, "--ca-roots", roots, "--bundle", bundle, BLOB);
      expect(stderr).toContain("bundle does not contain cert for verification");
    }
  });

  test("CVE-2022-36056: a signature beside a bundle with another one is refused", async () => {
    const other = at("blob.bin.key-v3.v3.sig");
    const { stderr } = await verify("--key", PUB, "--signature", other, "--bundle", OLD, BLOB);
    expect(stderr).toContain("the signature passed in does not match");
    const both = await verify("--key", PUB, "--signature", DETACHED, "--bundle", NEW, BLOB);
    expect(both.stderr).toContain("signature may not be provided using --signature");
  });

  test("refuses an attestation, unless --allow-dsse lets it count", async () => {
    const bundle = at("attest-blob.v3.new.bundle.json");
    const refused = await verify("--key", PUB, "--bundle", bundle, BLOB);
    expect(refused.stderr).toContain("hint: Use verify-blob-attestation");
    expect((await verify("--key", PUB, "--bundle", bundle, "--allow-dsse", BLOB)).code).toBe(0);
    const other = await verify("--key", PUB, "--bundle", bundle, "--allow-dsse", at("slsa.json"));
    expect(other.stderr).toContain("code: CLAIM_MISMATCH");
    const key = await verify("--key", OTHER, "--bundle", bundle, "--allow-dsse", BLOB);
    expect(key.stderr).toContain("code: SIGNATURE_INVALID");
  });

  test("refuses files that are no bundles, each with a code", async () => {
    const twice = readFileSync(NEW, "utf8").replace(
      '"signature":',
      '"signature":"AAAA","signature":',
    );
    const two = { ...newBundle(), dsseEnvelope: { payload: "", payloadType: "", signatures: [] } };
    const many = newBundle();
    many.mediaType = "application/vnd.dev.sigstore.bundle+json;version=0.2";
    many.verificationMaterial = {
      x509CertificateChain: { certificates: Array(11).fill({ rawBytes: "AA" }) },
    };
    const cases: readonly unknown[] = [
      "null",
      "",
      "[]",
      "{}",
      "true",
      "\u0000",
      "{",
      '{"mediaType":null}',
      '{"__proto__":{"base64Signature":"AAAA"}}',
      { base64Signature: 5 },
      { base64Signature: "" },
      { base64Signature: "****" },
      { base64Signature: "AAAA", cert: {} },
      { base64Signature: "AAAA", cert: "bm90aGluZw==" },
      two,
      twice,
      many,
      "[".repeat(100_000),
    ];
    for (const value of cases) {
      const { code, stderr } = await verify("--key", PUB, "--bundle", bundleFile(value), BLOB);
      expect({ value, code }).toEqual({ value, code: 1 });
      expect(stderr).toMatch(/code: (BUNDLE_INVALID|ENVELOPE_INVALID)\n$/);
    }
  });

  test("refuses a bundle of 600 MB at once", async () => {
    writeFileSync(at("huge.json"), "{");
    truncateSync(at("huge.json"), 600 * 1024 * 1024);
    const startedMs = performance.now();
    const { stderr } = await verify("--key", PUB, "--bundle", at("huge.json"), BLOB);
    expect(stderr).toContain("code: LIMIT_EXCEEDED");
    expect(performance.now() - startedMs).toBeLessThan(5000);
  });

  test("refuses directories and devices in the place of every file", async () => {
    for (const path of [folder, "/dev/zero"]) {
      const runs = [
        await verify("--key", PUB, "--bundle", path, BLOB),
        await verify("--key", PUB, "--signature", path, BLOB),
        await verify("--key", PUB, "--bundle", NEW, path),
      ];
      for (const { code, stderr } of runs) {
        expect(code).toBeGreaterThan(0);
        expect(stderr).toMatch(/code: (FILE_READ|LIMIT_EXCEEDED)\n$/);
      }
    }
  });

  test("says in cosign's words what is missing, in cosign's order", async () => {
    const words = async (...argv: string[]) => (await verify(...argv, BLOB)).stderr;
    expect(await words()).toContain("provide a key with --key or --sk, a certificate");
    expect(await words("--key", PUB)).toContain("missing flag '--signature'");
    expect(await words("--key", PUB, "--certificate-identity=x")).toContain("exactly one of: key");
    expect(await words("--key", PUB, "--certificate", "x")).toContain(
      "certificate (--cert) or hardware",
    );
    expect(await words("--bundle", NEW)).toContain(
      "--certificate-identity or --certificate-identity",
    );
    expect(await words("--bundle", NEW, "--certificate-identity=x")).toContain(
      "--certificate-oidc-issuer or",
    );
    const root = at("empty-root.json");
    writeFileSync(
      root,
      '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}',
    );
    expect(await words("--key", PUB, "--signature", DETACHED, "--trusted-root", root)).toContain(
      "--trusted-root only supported with --new-bundle-format",
    );
    expect(await words("--compat=1")).toContain(
      "exactly one of: key reference (--key), certificate",
    );
    const log = await cli(["verify-blob", "--key", PUB, "--bundle", NEW, BLOB]);
    expect(log.stderr).toContain("code: LOG_ENTRY_MISSING");
    expect(log.stderr).toMatch(/^hint: .*--insecure-ignore-tlog/m);
  });

  test("takes only the digest that --signature-digest-algorithm names", async () => {
    const curve = [
      "--key",
      at("import-p384-v3.pub"),
      "--signature",
      at("blob.txt.import-p384-v3.v3.sig"),
    ];
    expect((await verify(...curve, BLOB)).code).toBe(0);
    expect((await verify(...curve, "--signature-digest-algorithm=sha384", BLOB)).code).toBe(0);
    expect((await verify(...curve, "--signature-digest-algorithm=sha256", BLOB)).code).toBe(1);
  });
});
