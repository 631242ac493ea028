import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "../../../../engine/crypto/hash.ts";
import { encodePem } from "../../../../engine/crypto/pem.ts";
import { generatePrivateKey } from "../../../../engine/crypto/private_key.ts";
import { parsePublicKeyPem, publicKeyOf } from "../../../../engine/crypto/public_key.ts";
import { signMessage } from "../../../../engine/crypto/signature.ts";
import { parseDsse } from "../../../../engine/formats/dsse.ts";
import { utf8 } from "../../../../engine/model/bytes.ts";
import { requestCertificate } from "../../../../engine/transparency/fulcio.ts";
import { parseIdentityToken } from "../../../../engine/transparency/identity_token.ts";
import { type EntryProposal, uploadEntry } from "../../../../engine/transparency/rekor.ts";
import { startEmbeddedRegistry } from "../../../support/embedded_registry.ts";
import type { TestRegistry } from "../../../support/registries.ts";
import { type Sigstore, startSigstore } from "../../../support/sigstore_server.ts";
import { pushImage } from "../../../support/uploads.ts";
import { testContext } from "../../transparency/_context.ts";
import { cli } from "../_cli.ts";

setDefaultTimeout(60_000);
const folder = mkdtempSync(join(tmpdir(), "look-up-"));
const at = (name: string): string => join(folder, name);
const SIGNER = { COSIGN_PASSWORD: "x" };
const NO_LOG = "--tlog-upload=false";
const IDENTITY = "--certificate-identity=mail@example.com";
let registry: TestRegistry;
let sigstore: Sigstore;
/** Whose log is trusted. */
let env: Readonly<Record<string, string>>;

beforeAll(async () => {
  [registry, sigstore] = await Promise.all([startEmbeddedRegistry(), startSigstore()]);
  const logKey = sigstore.rekor.publicKey.export({ format: "pem", type: "spki" });
  writeFileSync(at("log.pub"), logKey);
  env = { SIGSTORE_REKOR_PUBLIC_KEY: at("log.pub") };
  for (const name of ["cosign", "other"]) {
    const argv = ["generate-key-pair", "--output-key-prefix", at(name)];
    expect((await cli(argv, SIGNER)).code).toBe(0);
  }
  writeFileSync(at("blob"), "a blob");
});
afterAll(async () => {
  await Promise.all([registry.close(), sigstore.close()]);
  rmSync(folder, { recursive: true });
});
afterEach(() => sigstore.heal());

const publicKey = () => parsePublicKeyPem(readFileSync(at("cosign.pub"), "utf8"), "cosign.pub");
const log = (proposal: EntryProposal) =>
  uploadEntry(proposal, { url: sigstore.rekorUrl, majorVersion: 1 }, testContext());
const logMessage = (message: Uint8Array, signature: Uint8Array, certificate?: Uint8Array) =>
  log({
    kind: "hashedrekord",
    digest: { algorithm: "sha256", digest: sha256(message) },
    signature,
    verifier: certificate === undefined ? { publicKey: publicKey() } : { certificate },
  });
const codeOf = (stderr: string) => /^code: (.*)$/m.exec(stderr)?.[1];

/** A new image; with a `.sig` tag that has a signature and no entry of a log. */
async function image(name: string, ...argv: readonly string[]): Promise<string> {
  const digest = await pushImage(registry.host, `look/${name}`, "1", name);
  const pinned = `${registry.host}/look/${name}@${digest}`;
  if (argv.length > 0) {
    const signing = ["sign", NO_LOG, "--key", at("cosign.key"), ...argv, pinned];
    expect((await cli(signing, SIGNER)).code).toBe(0);
  }
  return pinned;
}

/** What lies at the tag beside an image. */
async function layerOf(
  pinned: string,
  suffix: "sig" | "att",
): Promise<{ readonly content: Uint8Array; readonly signature: Uint8Array }> {
  const [, repository = "", hex = ""] = /\/(.+)@sha256:(.+)$/.exec(pinned) ?? [];
  const base = `http://${registry.host}/v2/${repository}`;
  const accept = "application/vnd.oci.image.manifest.v1+json";
  const found = await fetch(`${base}/manifests/sha256-${hex}.${suffix}`, { headers: { accept } });
  const { layers } = JSON.parse(await found.text());
  const content = await (await fetch(`${base}/blobs/${layers[0].digest}`)).bytes();
  const text = layers[0].annotations["dev.cosignproject.cosign/signature"];
  return { content, signature: new Uint8Array(Buffer.from(text, "base64")) };
}

const verify = (pinned: string, ...argv: readonly string[]) =>
  cli(
    ["verify", "--key", at("cosign.pub"), "--rekor-url", sigstore.rekorUrl, ...argv, pinned],
    env,
  );

describe("verify of a signature without its log entry", () => {
  test("looks the entry up in the log, and says so in cosign's words", async () => {
    const pinned = await image("logged", "--format=legacy");
    const { content, signature } = await layerOf(pinned, "sig");
    await logMessage(content, signature);
    const { code, stdout, stderr } = await verify(pinned);
    expect(code).toBe(0);
    expect(stderr).toEndWith(
      `\nVerification for ${pinned} --\n` +
        "The following checks were performed on each of these signatures:\n" +
        "  - The cosign claims were validated\n" +
        "  - The claims were present in the transparency log\n" +
        "  - The signatures were verified against the specified public key\n",
    );
    expect(stdout).not.toContain("Bundle");
    expect((await verify(pinned, "--compat=2")).code).toBe(0);
  });

  test("asks with COSIGN_EXPERIMENTAL=1 in generation 1, and not without", async () => {
    const pinned = await image("experimental", "--format=legacy");
    const { content, signature } = await layerOf(pinned, "sig");
    const argv = ["verify", "--compat=1", "--key", at("cosign.pub"), "--rekor-url"];
    const one = [...argv, sigstore.rekorUrl, pinned];
    const before = sigstore.count("rekor");
    expect((await cli(one, env)).code).toBe(0);
    expect(sigstore.count("rekor")).toBe(before);
    const experimental = { ...env, COSIGN_EXPERIMENTAL: "1" };
    expect((await cli(one, experimental)).stderr).toContain("signature not found in transparency");
    await logMessage(content, signature);
    expect((await cli(one, experimental)).code).toBe(0);
  });

  test("answers 12 where the log has none", async () => {
    const { code, stderr } = await verify(await image("unlogged", "--format=legacy"));
    expect(code).toBe(12);
    expect(stderr).toContain("no matching signatures: signature not found in transparency log");
    expect(stderr).toMatch(/^hint: .*--insecure-ignore-tlog/m);
  });

  test("answers 20 where the log is down: nobody knows whether it has one", async () => {
    const pinned = await image("down", "--format=legacy");
    const { code, stderr } = await verify(pinned, "--rekor-url=http://127.0.0.1:1");
    expect([code, codeOf(stderr)]).toEqual([20, "SERVICE_UNAVAILABLE"]);
    sigstore.fail("rekor", { kind: "status", status: 400, body: '{"message":"no such kind"}' });
    const refused = await verify(pinned);
    expect([refused.code, codeOf(refused.stderr)]).toEqual([20, "LOG_REFUSED"]);
    expect(refused.stderr).toContain("no such kind");
  });

  test("refuses the entry of a log that nobody trusts (CVE-2023-47122)", async () => {
    const pinned = await image("foreign", "--format=legacy");
    const { content, signature } = await layerOf(pinned, "sig");
    await logMessage(content, signature);
    const foreign = await startSigstore();
    writeFileSync(
      at("foreign.pub"),
      foreign.rekor.publicKey.export({ format: "pem", type: "spki" }),
    );
    await foreign.close();
    const argv = ["verify", "--key", at("cosign.pub"), "--rekor-url", sigstore.rekorUrl, pinned];
    const { code, stderr } = await cli(argv, { SIGSTORE_REKOR_PUBLIC_KEY: at("foreign.pub") });
    expect(code).toBe(12);
    expect(stderr).toContain("rekor log public key not found");
  });

  test("refuses an entry whose promise does not hold (CVE-2026-22703)", async () => {
    const pinned = await image("forged", "--format=legacy");
    const { content, signature } = await layerOf(pinned, "sig");
    await logMessage(content, signature);
    const change = async (answer: Response) =>
      new Response((await answer.text()).replace(/"integratedTime":\d+/, '"integratedTime":1'));
    sigstore.fail("rekor", { kind: "answer", change });
    const { code, stderr } = await verify(pinned);
    expect(code).toBe(12);
    expect(stderr).toContain("its signed entry timestamp is not by the log");
  });

  test("refuses a promise without a proof of inclusion: the log that was asked must have the entry", async () => {
    const pinned = await image("unproved", "--format=legacy");
    const { content, signature } = await layerOf(pinned, "sig");
    await logMessage(content, signature);
    const change = async (answer: Response) =>
      new Response((await answer.text()).replace(/"inclusionProof":\{[^}]*\},/, ""));
    sigstore.fail("rekor", { kind: "answer", change });
    const { code, stderr } = await verify(pinned);
    expect(code).toBe(12);
    expect(stderr).toContain("it has no inclusion proof");
  });

  test("asks nobody about signatures by others", async () => {
    const pinned = await image("others", "--format=legacy");
    const before = sigstore.count("rekor");
    const argv = ["verify", "--key", at("other.pub"), "--rekor-url", sigstore.rekorUrl, pinned];
    expect((await cli(argv, env)).code).toBe(12);
    expect(sigstore.count("rekor")).toBe(before);
  });

  test("asks nobody about bundles, nor where nothing is demanded or something else is enough", async () => {
    const before = sigstore.count("rekor");
    const bundle = await verify(await image("bundle", "--format=bundle"));
    expect(bundle.code).toBe(12);
    expect(bundle.stderr).toContain("not enough verified log entries");
    const pinned = await image("ignored", "--format=legacy");
    expect((await verify(pinned, "--insecure-ignore-tlog")).code).toBe(0);
    expect(sigstore.count("rekor")).toBe(before);
  });

  test("with --offline, or an empty --rekor-url, connects to nobody", async () => {
    const pinned = await image("offline", "--format=legacy");
    const { content, signature } = await layerOf(pinned, "sig");
    await logMessage(content, signature);
    const before = sigstore.count("rekor");
    for (const argv of [["--offline"], ["--rekor-url="]]) {
      const { code, stderr } = await verify(pinned, ...argv);
      expect(code).toBe(12);
      expect(stderr).toContain("offline verification failed");
    }
    expect(sigstore.count("rekor")).toBe(before);
  });

  test("asks Sigstore's own log when none is named, and with --offline not even for a connection", async () => {
    const pinned = await image("default", "--format=legacy");
    const seen: string[] = [];
    const proxy = createServer();
    proxy.on("connect", ({ url }, socket) => {
      seen.push(url ?? "");
      socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const { port } = proxy.address() as AddressInfo;
    const proxied = {
      ...env,
      HTTPS_PROXY: `http://127.0.0.1:${port}`,
      NO_PROXY: "127.0.0.1",
    };
    const argv = ["verify", "--key", at("cosign.pub"), pinned];
    expect((await cli([...argv, "--offline"], proxied)).code).toBe(12);
    expect(seen).toEqual([]);
    expect((await cli(argv, proxied)).code).toBe(20);
    expect(new Set(seen)).toEqual(new Set(["rekor.sigstore.dev:443"]));
    proxy.close();
  });
});

/** A key and a certificate of Fulcio's for `mail@example.com`. */
async function certified() {
  const privateKey = generatePrivateKey("ecdsa-p256");
  const token = parseIdentityToken(sigstore.oidcToken());
  const proof = signMessage(privateKey, "ecdsa-p256", utf8(token.proofSubject));
  const publicKey = publicKeyOf(privateKey, "ephemeral");
  const request = { token, publicKey, proof };
  const issued = await requestCertificate(request, sigstore.fulcioUrl, testContext());
  return { ...issued, sign: (bytes: Uint8Array) => signMessage(privateKey, "ecdsa-p256", bytes) };
}

test("verify looks up what a certificate has signed, at the time that the log states", async () => {
  const pinned = await image("keyless");
  const { certificate, chain, sign } = await certified();
  const payload = utf8(
    JSON.stringify({
      critical: {
        identity: { "docker-reference": pinned.split("@")[0] },
        image: { "docker-manifest-digest": pinned.split("@")[1] },
        type: "cosign container image signature",
      },
      optional: null,
    }),
  );
  const signature = sign(payload);
  writeFileSync(at("payload"), payload);
  writeFileSync(at("signature"), signature.toBase64());
  writeFileSync(at("leaf.pem"), encodePem("CERTIFICATE", certificate.der));
  writeFileSync(at("chain.pem"), chain.map(({ der }) => encodePem("CERTIFICATE", der)).join(""));
  const attach = ["attach", "signature", "--signature", at("signature"), "--payload"];
  const files = [at("payload"), "--certificate", at("leaf.pem"), "--certificate-chain"];
  expect((await cli([...attach, ...files, at("chain.pem"), pinned])).code).toBe(0);
  const argv = [
    "verify",
    "--trusted-root",
    sigstore.trustedRootPath,
    "--rekor-url",
    sigstore.rekorUrl,
    `--certificate-oidc-issuer=${sigstore.issuerUrl}`,
    pinned,
  ];
  const missing = await cli([...argv, IDENTITY]);
  expect(missing.stderr).toContain("signature not found in transparency log");
  const before = sigstore.count("rekor");
  const other = await cli([...argv, "--certificate-identity=other@example.com"]);
  expect(other.code).toBe(12);
  expect(sigstore.count("rekor")).toBe(before);
  await logMessage(payload, signature, certificate.der);
  const { code, stderr } = await cli([...argv, IDENTITY]);
  expect(code).toBe(0);
  expect(stderr).toContain(
    "  - The claims were present in the transparency log\n" +
      "  - The signatures were integrated into the transparency log when the certificate was valid\n",
  );
});

test.each(["dsse", "intoto"] as const)(
  "verify-attestation looks up entries of the type %s",
  async (kind) => {
    const pinned = await image(`attested-${kind}`);
    writeFileSync(at("predicate.json"), `{"kind":"${kind}"}`);
    const attest = ["attest", NO_LOG, "--key", at("cosign.key"), "--format=legacy"];
    const about = ["--type=custom", "--predicate", at("predicate.json"), pinned];
    expect((await cli([...attest, ...about], SIGNER)).code).toBe(0);
    const check = (...argv: readonly string[]) => {
      const by = ["--key", at("cosign.pub"), "--rekor-url", sigstore.rekorUrl];
      return cli(["verify-attestation", "--type=custom", ...by, ...argv, pinned], env);
    };
    expect((await check()).stderr).toContain("signature not found in transparency log");
    const before = sigstore.count("rekor");
    expect((await check("--offline")).stderr).toContain("offline verification failed");
    expect(sigstore.count("rekor")).toBe(before);
    const text = new TextDecoder().decode((await layerOf(pinned, "att")).content);
    const verifier = { publicKey: publicKey() };
    await log({ kind, envelope: parseDsse(JSON.parse(text)), text, verifier });
    const { code, stderr } = await check();
    expect(code).toBe(0);
    expect(stderr).toContain("  - The claims were present in the transparency log\n");
    sigstore.fail("rekor", { kind: "status", status: 503, retryAfter: "0" });
    expect(codeOf((await check("--rekor-url=http://127.0.0.1:1")).stderr)).toBe(
      "SERVICE_UNAVAILABLE",
    );
  },
);

test("verify-blob and verify-blob-attestation look entries up, and not with --offline", async () => {
  const blob = ["--key", at("cosign.key"), NO_LOG, "--new-bundle-format=false"];
  const signed = await cli(["sign-blob", ...blob, at("blob")], SIGNER);
  expect(signed.code).toBe(0);
  writeFileSync(at("blob.sig"), signed.stdout.trim());
  const check = (command: string, ...argv: readonly string[]) => {
    const by = ["--key", at("cosign.pub"), "--rekor-url", sigstore.rekorUrl];
    return cli([command, ...by, ...argv, at("blob")], env);
  };
  const one = ["--signature", at("blob.sig")];
  expect((await check("verify-blob", ...one)).stderr).toContain("not found in transparency log");
  const before = sigstore.count("rekor");
  const offline = await check("verify-blob", "--offline", ...one);
  expect([codeOf(offline.stderr), sigstore.count("rekor")]).toEqual(["LOG_ENTRY_MISSING", before]);
  const signature = new Uint8Array(Buffer.from(signed.stdout, "base64"));
  await logMessage(utf8("a blob"), signature);
  expect((await check("verify-blob", ...one)).code).toBe(0);
  const down = await check("verify-blob", "--rekor-url=http://127.0.0.1:1", ...one);
  expect([down.code, codeOf(down.stderr)]).toEqual([20, "SERVICE_UNAVAILABLE"]);

  writeFileSync(at("blob-predicate.json"), '{"of":"a blob"}');
  const attest = ["attest-blob", ...blob, "--type=custom", "--predicate"];
  const made = await cli([...attest, at("blob-predicate.json"), at("blob")], SIGNER);
  expect(made.code).toBe(0);
  writeFileSync(at("blob.att"), made.stdout);
  const two = ["--type=custom", "--signature", at("blob.att")];
  const missing = await check("verify-blob-attestation", ...two);
  expect(missing.stderr).toContain("not found in transparency log");
  const text = made.stdout.trim();
  const verifier = { publicKey: publicKey() };
  await log({ kind: "dsse", envelope: parseDsse(JSON.parse(text)), text, verifier });
  expect((await check("verify-blob-attestation", ...two)).code).toBe(0);
});

describe("verify-blob with COSIGN_EXPERIMENTAL=1 in generation 1, and no word of who has signed", () => {
  const verifyBlob = (blob: string, signature: Uint8Array, ...argv: readonly string[]) => {
    writeFileSync(at("experimental"), blob);
    const chain = sigstore.fulcio.chain.map(({ pem }) => pem).join("\n");
    writeFileSync(at("roots.pem"), chain);
    const named = ["--rekor-url", sigstore.rekorUrl, "--signature", signature.toBase64()];
    return cli(["verify-blob", "--compat=1", ...named, ...argv, at("experimental")], {
      ...env,
      COSIGN_EXPERIMENTAL: "1",
      SIGSTORE_ROOT_FILE: at("roots.pem"),
    });
  };

  test("asks the log, and believes the one whom the flags want", async () => {
    const { certificate, sign } = await certified();
    const signature = sign(utf8("experimental 1"));
    const none = await verifyBlob("experimental 1", signature);
    expect(none.stderr).toContain("could not find a tlog entry for provided blob");
    await logMessage(utf8("experimental 1"), signature, certificate.der);
    const { code, stderr } = await verifyBlob("experimental 1", signature, IDENTITY);
    expect(code).toBe(0);
    expect(stderr).toEndWith("Verified OK\n");
    const other = await verifyBlob(
      "experimental 1",
      signature,
      "--certificate-identity=other@example.com",
    );
    expect(codeOf(other.stderr)).toBe("IDENTITY_MISMATCH");
  });

  test("CVE-2024-51746: of many entries about the file only that of the very signature counts", async () => {
    const content = utf8("experimental 2");
    for (let i = 0; i < 12; i++) {
      const { certificate, sign } = await certified();
      await logMessage(content, sign(content), certificate.der);
    }
    const mine = await certified();
    const signature = mine.sign(content);
    const foreign = await verifyBlob("experimental 2", signature);
    expect(codeOf(foreign.stderr)).toBe("LOG_ENTRY_MISSING");
    await logMessage(content, signature, mine.certificate.der);
    expect((await verifyBlob("experimental 2", signature)).code).toBe(0);
  });

  test("never believes a bare key that the log names", async () => {
    const privateKey = generatePrivateKey("ecdsa-p256");
    const content = utf8("experimental 3");
    const signature = signMessage(privateKey, "ecdsa-p256", content);
    const digest = { algorithm: "sha256", digest: sha256(content) } as const;
    const verifier = { publicKey: publicKeyOf(privateKey, "anybody") };
    await log({ kind: "hashedrekord", digest, signature, verifier });
    const { code, stderr } = await verifyBlob("experimental 3", signature);
    expect([code, codeOf(stderr)]).toEqual([1, "LOG_ENTRY_MISSING"]);
  });

  test("gives up where the log has too many entries to look at, and on what is no UUID", async () => {
    const answer = (uuids: readonly string[]) =>
      sigstore.fail("rekor", { kind: "answer", change: () => Response.json(uuids) });
    answer(Array.from({ length: 501 }, (_, i) => i.toString(16).padStart(64, "0")));
    const many = await verifyBlob("experimental 4", new Uint8Array(70));
    expect([many.code, codeOf(many.stderr)]).toEqual([1, "LIMIT_EXCEEDED"]);
    answer(["../../etc/passwd"]);
    const path = await verifyBlob("experimental 4", new Uint8Array(70));
    expect([path.code, codeOf(path.stderr)]).toEqual([1, "SERVICE_PROTOCOL"]);
  });

  test("asks nobody with --offline", async () => {
    const before = sigstore.count("rekor");
    const { code, stderr } = await verifyBlob("experimental 5", new Uint8Array(70), "--offline");
    expect(code).toBe(1);
    expect(stderr).toContain("bundle does not contain cert for verification");
    expect(sigstore.count("rekor")).toBe(before);
  });
});
