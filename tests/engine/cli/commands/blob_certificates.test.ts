import { afterAll, beforeAll, describe, expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requires } from "../../../support/requires.ts";
import { cli } from "../_cli.ts";

/** Certificates are made by openssl, as a private authority would make them. */
const test = requires("openssl");
const folder = mkdtempSync(join(tmpdir(), "cosign-ts-pki-"));
const at = (name: string): string => join(folder, name);
const env = { COSIGN_PASSWORD: "x" };
const ISSUER = "https://issuer.example";
const WHO = ["--certificate-identity=mail@example.com", `--certificate-oidc-issuer=${ISSUER}`];
const OWN = ["--insecure-ignore-tlog", "--insecure-ignore-sct"];
const BLOB = at("blob");

const AUTHORITY = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n";
const FULCIO_ISSUER = `1.3.6.1.4.1.57264.1.1=DER:${Buffer.from(ISSUER).toString("hex")}\n`;
const SIGNER =
  "keyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n" +
  `subjectAltName=critical,email:mail@example.com\n${FULCIO_ISSUER}`;

function openssl(...args: readonly string[]): void {
  const { status, stderr } = spawnSync("openssl", args, { cwd: folder, encoding: "utf8" });
  if (status !== 0) throw new Error(`openssl ${args.join(" ")}: ${stderr}`);
}

/** Makes `name.key`, `name.crt`; self-signed without an issuer. */
function issue(name: string, issuer: string | undefined, extensions: string, days = "30"): void {
  openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", `${name}.key`);
  openssl("req", "-new", "-key", `${name}.key`, "-subj", `/CN=${name}`, "-out", `${name}.csr`);
  writeFileSync(at(`${name}.ext`), extensions);
  const signer =
    issuer === undefined
      ? ["-signkey", `${name}.key`]
      : ["-CA", `${issuer}.crt`, "-CAkey", `${issuer}.key`, "-CAcreateserial"];
  const request = ["-req", "-in", `${name}.csr`, "-days", days, "-extfile", `${name}.ext`];
  openssl("x509", ...request, ...signer, "-sha256", "-out", `${name}.crt`);
}

function concatenate(target: string, ...names: readonly string[]): string {
  writeFileSync(at(target), names.map((name) => readFileSync(at(`${name}.crt`), "utf8")).join(""));
  return at(target);
}

beforeAll(async () => {
  if (Bun.which("openssl") === null) return;
  writeFileSync(BLOB, "a blob");
  issue("root", undefined, AUTHORITY);
  issue("middle", "root", AUTHORITY);
  issue("leaf", "middle", SIGNER);
  issue("other", "middle", SIGNER);
  issue("stranger-root", undefined, AUTHORITY);
  issue("stranger", "stranger-root", SIGNER);
  issue("old-middle", "root", AUTHORITY, "-1");
  issue("old-leaf", "old-middle", SIGNER);
  issue("web", "middle", SIGNER.replace("codeSigning", "serverAuth"));
  concatenate("chain.pem", "middle", "root");
  concatenate("stranger-chain.pem", "stranger-root");
  concatenate("old-chain.pem", "old-middle", "root");
  for (const name of ["leaf", "other", "stranger", "old-leaf", "web"]) {
    openssl("dgst", "-sha256", "-sign", `${name}.key`, "-out", `${name}.sig`, "blob");
  }
  for (const name of ["leaf", "other"]) {
    const files = ["--key", at(`${name}.key`), "--output-key-prefix", at(`c-${name}`)];
    expect((await cli(["import-key-pair", ...files, "--yes"], env)).code).toBe(0);
  }
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Signs with a key and its certificate. */
function sign(name: string, ...argv: readonly string[]) {
  const key = ["--key", at(`c-${name}.key`), "--certificate", at(`${name}.crt`)];
  return cli(["sign-blob", "--tlog-upload=false", ...key, ...argv, BLOB], env);
}
const verify = (...argv: readonly string[]) => cli(["verify-blob", ...argv, BLOB], {});
const detached = (name: string) => [
  "--certificate",
  at(`${name}.crt`),
  "--signature",
  at(`${name}.sig`),
];
const CHAIN = ["--certificate-chain", at("chain.pem")];

describe("verify-blob with certificates", () => {
  test("takes what openssl signed, by --certificate-chain or by --ca-roots and --ca-intermediates", async () => {
    const pools = ["--ca-roots", at("root.crt"), "--ca-intermediates", at("middle.crt")];
    for (const trust of [CHAIN, pools]) {
      const { code, stderr } = await verify(...OWN, ...WHO, ...trust, ...detached("leaf"));
      expect({ code, stderr: stderr.slice(-12) }).toEqual({ code: 0, stderr: "Verified OK\n" });
    }
    const patterns = [
      "--certificate-identity-regexp=^mail@example\\.com$",
      "--certificate-oidc-issuer-regexp=issuer",
    ];
    const { code, stderr } = await verify(...OWN, ...patterns, ...CHAIN, ...detached("leaf"));
    expect(code).toBe(0);
    expect(stderr).toContain("WARNING: --certificate-oidc-issuer-regexp may match in the middle");
    expect(stderr).not.toContain("WARNING: --certificate-identity-regexp");
  });

  test("with --compat 1 needs neither identity nor a word about the log", async () => {
    expect((await verify("--compat=1", ...CHAIN, ...detached("leaf"))).code).toBe(0);
    const wrong = ["--certificate-email=x@example.com", ...CHAIN, ...detached("leaf")];
    expect((await verify("--compat=1", ...wrong)).stderr).toContain("code: IDENTITY_MISMATCH");
  });

  test("judges a certificate by the present only where the user said that there is no log", async () => {
    const all = [...WHO, ...CHAIN, ...detached("leaf")];
    expect((await verify("--insecure-ignore-sct", "--offline", ...all)).stderr).toContain(
      "code: LOG_ENTRY_MISSING",
    );
    expect((await verify("--private-infrastructure", "--insecure-ignore-sct", ...all)).code).toBe(
      0,
    );
    const transparency = await verify("--insecure-ignore-tlog", ...all);
    expect(transparency.stderr).toContain("or verify without: --insecure-ignore-sct");
    const fulcio = await verify(...OWN, ...WHO, ...detached("leaf"));
    expect(fulcio.stderr).toContain("code: TIME_UNKNOWN");
    expect(fulcio.stderr).toMatch(/^hint: .*--verify-time now/m);
    const now = await verify(...OWN, ...WHO, "--verify-time=now", ...detached("leaf"));
    expect(now.stderr).toContain("code: CERTIFICATE_UNTRUSTED");
  });

  test("refuses other identities, issuers, authorities and uses", async () => {
    const run = (who: readonly string[], trust: readonly string[], name: string) =>
      verify(...OWN, ...who, ...trust, ...detached(name));
    const [identity = "", issuer = ""] = WHO;
    const cases = [
      [[`${identity}.org`, issuer], CHAIN, "leaf", "IDENTITY_MISMATCH"],
      [[identity, `${issuer}/x`], CHAIN, "leaf", "IDENTITY_MISMATCH"],
      [WHO, CHAIN, "stranger", "CERTIFICATE_UNTRUSTED"],
      [WHO, ["--ca-roots", at("root.crt")], "leaf", "CERTIFICATE_UNTRUSTED"],
      [
        WHO,
        ["--ca-roots", at("middle.crt"), "--ca-intermediates", at("root.crt")],
        "stranger",
        "CERTIFICATE_UNTRUSTED",
      ],
      [WHO, CHAIN, "web", "CERTIFICATE_INVALID"],
    ] as const;
    for (const [who, trust, name, code] of cases) {
      expect((await run(who, trust, name)).stderr).toContain(`code: ${code}\n`);
    }
  });

  test("CVE-2026-24122: refuses a chain whose intermediate has expired, with and without a log", async () => {
    const trust = ["--certificate-chain", at("old-chain.pem")];
    const { code, stderr } = await verify(...OWN, ...WHO, ...trust, ...detached("old-leaf"));
    expect(code).toBe(1);
    expect(stderr).toContain("the certificate of an authority has expired");
    const old = await verify("--compat=1", ...trust, ...detached("old-leaf"));
    expect(old.stderr).toContain("the certificate of an authority has expired");
  });

  test("CVE-2022-36056: certificate, bundle and key must be one and the same", async () => {
    const files = [
      { format: "old", more: ["--new-bundle-format=false"] },
      { format: "new", more: [] },
    ] as const;
    for (const { format, more } of files) {
      const bundle = at(`leaf.${format}.json`);
      expect((await sign("leaf", ...more, "--bundle", bundle)).code).toBe(0);
      const run = (...argv: readonly string[]) => verify(...OWN, ...argv, "--bundle", bundle);
      const certificate = (name: string) => [...WHO, ...CHAIN, "--certificate", at(`${name}.crt`)];
      expect((await run(...WHO, ...CHAIN)).code).toBe(0);
      expect((await run(...certificate("leaf"))).code).toBe(0);
      expect((await run(...certificate("other"))).stderr).toContain(
        "cert passed in does not match",
      );
      expect((await run("--key", at("c-other.pub"))).stderr).toContain("code: BUNDLE_INVALID");
      const own = await run("--key", at("c-leaf.pub"));
      expect(own.code).toBe(format === "old" ? 0 : 1);
      if (format === "new") expect(own.stderr).toContain("expected key signature, not certificate");
      const wrongRoot = ["--certificate-chain", at("stranger-chain.pem")];
      expect((await run(...WHO, ...wrongRoot)).stderr).toContain("code: CERTIFICATE_UNTRUSTED");
    }
  });

  test("CVE-2022-36056: a certificate of the bundle does not vouch for another's signature", async () => {
    await sign("leaf", "--new-bundle-format=false", "--bundle", at("x.json"));
    const bundle = JSON.parse(readFileSync(at("x.json"), "utf8"));
    bundle.cert = Buffer.from(readFileSync(at("other.crt"))).toString("base64");
    writeFileSync(at("swapped.json"), JSON.stringify(bundle));
    const swapped = await verify(...OWN, ...WHO, ...CHAIN, "--bundle", at("swapped.json"));
    expect(swapped.stderr).toContain("code: SIGNATURE_INVALID");
    bundle.cert = Buffer.from(readFileSync(at("c-leaf.pub"))).toString("base64");
    writeFileSync(at("bare.json"), JSON.stringify(bundle));
    const bare = await verify(...OWN, ...WHO, ...CHAIN, "--bundle", at("bare.json"));
    expect(bare.stderr).toContain("bundle does not contain cert for verification");
    const other = ["--certificate", at("other.crt"), "--bundle", at("bare.json")];
    const beside = await verify(...OWN, ...WHO, ...CHAIN, ...other);
    expect(beside.stderr).toContain("does not match the public key in the provided bundle");
  });

  test("takes base64 of PEM as a certificate, and refuses flags that exclude each other", async () => {
    writeFileSync(at("leaf.b64"), readFileSync(at("leaf.crt")).toString("base64"));
    const files = ["--certificate", at("leaf.b64"), "--signature", at("leaf.sig")];
    expect((await verify(...OWN, ...WHO, ...CHAIN, ...files)).code).toBe(0);
    const both = await verify(...OWN, ...WHO, ...CHAIN, "--ca-roots", at("root.crt"), ...files);
    expect(both.stderr).toContain("[ca-roots certificate-chain] were all set");
    const alone = await verify(...OWN, ...WHO, "--ca-intermediates", at("middle.crt"), ...files);
    expect(alone.stderr).toContain("--ca-intermediates needs --ca-roots");
    const pattern = ["--certificate-identity-regexp=(?=x)", `--certificate-oidc-issuer=${ISSUER}`];
    const wrong = await verify(...OWN, ...pattern, ...CHAIN, ...files);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain("invalid or unsupported Perl syntax");
  });
});

describe("sign-blob with a certificate", () => {
  test("writes it into bundles and files, after checking that it is the key's", async () => {
    const files = ["--bundle", at("signed.json"), "--output-certificate", at("out.crt")];
    expect((await sign("leaf", ...CHAIN, ...files, "--b64=false")).code).toBe(0);
    expect(readFileSync(at("out.crt"), "utf8")).toBe(readFileSync(at("leaf.crt"), "utf8"));
    const { verificationMaterial } = JSON.parse(readFileSync(at("signed.json"), "utf8"));
    expect(Object.keys(verificationMaterial)).toEqual(["certificate"]);
  });

  test("refuses another key's certificate, and one that its chain does not vouch for", async () => {
    const key = ["--key", at("c-leaf.key"), "--tlog-upload=false", "--bundle", at("none.json")];
    const other = ["sign-blob", ...key, "--certificate", at("other.crt"), BLOB];
    expect((await cli(other, env)).stderr).toContain("public key in certificate does not match");
    const chain = ["--certificate-chain", at("stranger-chain.pem"), "--bundle", at("none.json")];
    const { stderr } = await sign("leaf", ...chain);
    expect(stderr).toContain("unable to validate certificate chain: cert verification failed");
  });
});
