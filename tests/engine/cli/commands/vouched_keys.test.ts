import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "../../../../engine/model/bytes.ts";
import { extension, makeAuthority, makeLeaf } from "../../../support/certificates.ts";
import { startEmbeddedRegistry } from "../../../support/embedded_registry.ts";
import type { TestRegistry } from "../../../support/registries.ts";
import { requires } from "../../../support/requires.ts";
import { type Sigstore, startSigstore } from "../../../support/sigstore_server.ts";
import { verifyIndependently } from "../../../support/sigstore_verify.ts";
import { makeCertificates } from "../../../support/tls_front.ts";
import { pushImage } from "../../../support/uploads.ts";
import { cli } from "../_cli.ts";

setDefaultTimeout(120_000); // stretching passwords on a busy machine
const PASSWORD = { COSIGN_PASSWORD: "" };
const FULCIO_ISSUER = "2b0601040183bf300101";
const ISSUER = "https://issuer.example";
const dir = mkdtempSync(join(tmpdir(), "cli-keys-"));
const at = (name: string) => join(dir, name);
let sigstore: Sigstore;
let registry: TestRegistry;
let images = 0;

beforeAll(async () => {
  sigstore = await startSigstore();
  registry = await startEmbeddedRegistry();
  writeFileSync(at("blob"), "a file\n");
  writeFileSync(at("predicate.json"), '{"built": true}');
});

afterAll(async () => {
  await registry.close();
  await sigstore.close();
  rmSync(dir, { recursive: true });
});

async function said(...argv: readonly string[]): Promise<string> {
  const { code, stderr } = await cli(argv, PASSWORD);
  expect([argv[0], code, stderr]).toEqual([argv[0], 0, stderr]);
  return stderr;
}

async function ok(...argv: readonly string[]): Promise<void> {
  await said(...argv);
}

/** What a signer is told of those who verify with cosign. */
const warningIn = (stderr: string) =>
  /^WARNING: (cosign-ts alone|cosign verifies this signature with \S+)/m.exec(stderr)?.[1];

const newImage = async () => {
  const digest = await pushImage(registry.host, `keys/${++images}`, "1", `image ${images}`);
  return `${registry.host}/keys/${images}@${digest}`;
};

/** Makes `NAME.key` and `NAME.pub` of a key, as somebody who brings one does. */
async function importKey(name: string, key: KeyObject): Promise<void> {
  writeFileSync(at(`${name}.pem`), key.export({ format: "pem", type: "pkcs8" }));
  const words = ["--key", at(`${name}.pem`), "--output-key-prefix", at(name)];
  await ok("import-key-pair", ...words);
}

const trust = () => ["--trusted-root", sigstore.trustedRootPath];
const LOGS = ["v1", "v2"] as const;
const config = (log: (typeof LOGS)[number]) => [
  ...["--signing-config", log === "v1" ? sigstore.signingConfigV1Path : sigstore.signingConfigPath],
  ...trust(),
];
const identity = (name: string, issuer: string) => [
  ...["--certificate-identity", name, "--certificate-oidc-issuer", issuer],
];

const KEYS: readonly (readonly [string, () => KeyObject])[] = [
  ["P-256", () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey],
  ["P-384", () => generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey],
  ["P-521", () => generateKeyPairSync("ec", { namedCurve: "P-521" }).privateKey],
  ["RSA-3072", () => generateKeyPairSync("rsa", { modulusLength: 3072 }).privateKey],
  ["Ed25519", () => generateKeyPairSync("ed25519").privateKey],
];

const withDigest = (digest: string) => {
  const flag = `cosign verifies this signature with --signature-digest-algorithm=${digest}`;
  return { usual: flag, tiled: flag, old: "cosign-ts alone" };
};
/** As cosign 3.1.2 and 2.6.4 do verify them: files, all in a log of v2, and the old format. */
const TOLD: Readonly<Record<string, ReturnType<typeof withDigest>>> = {
  "P-384": withDigest("sha384"),
  "P-521": withDigest("sha512"),
  Ed25519: { usual: "cosign-ts alone", tiled: "cosign-ts alone", old: "cosign-ts alone" },
};

describe.each(KEYS)("a key of %s", (name, make) => {
  test("signs for every log and format, and what it signs verifies", async () => {
    await importKey(name, make());
    const key = ["--key", at(`${name}.key`)];
    const pub = [...trust(), "--key", at(`${name}.pub`)];
    const keyPem = readFileSync(at(`${name}.pub`), "utf8");
    // sigstore-js finds a log of v1 by the name in its checkpoints.
    const root = sigstore.trustedRootJson.replace(sigstore.rekorUrl, "https://rekor.test");
    const { usual, tiled, old } = TOLD[name] ?? {};
    for (const log of LOGS) {
      const told = log === "v2" ? tiled : undefined;
      const image = await newImage();
      expect(warningIn(await said("sign", ...config(log), ...key, image))).toBe(told);
      await ok("verify", ...pub, "--use-signed-timestamps", image);

      const bundle = ["--bundle", at("bundle.json"), at("blob")];
      const blob = await said("sign-blob", ...config(log), ...key, ...bundle);
      expect(warningIn(blob)).toBe(usual);
      await ok("verify-blob", ...pub, "--use-signed-timestamps", ...bundle);
      const artifact = readFileSync(at("blob"));
      const written = readFileSync(at("bundle.json"), "utf8");
      // It knows no Ed25519ph.
      if (name !== "Ed25519")
        verifyIndependently(written, root, { keyPem, artifact, timestamps: 1 });

      const predicate = ["--predicate", at("predicate.json"), "--type=https://example.com/built"];
      const attested = await said("attest-blob", ...config(log), ...key, ...predicate, ...bundle);
      expect(warningIn(attested)).toBe(told);
      const type = ["--type=https://example.com/built", "--use-signed-timestamps"];
      await ok("verify-blob-attestation", ...pub, ...type, ...bundle);
    }
    const legacy = await newImage();
    const flags = ["--new-bundle-format=false", "--rekor-url", sigstore.rekorUrl, "--yes"];
    expect(warningIn(await said("sign", ...flags, ...trust(), ...key, legacy))).toBe(old);
    await ok("verify", "--new-bundle-format=false", ...pub, legacy);
  });
});

describe("--issue-certificate", () => {
  test("gets a certificate for the key that is given", async () => {
    await importKey("issued", generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
    const who = identity("mail@example.com", sigstore.issuerUrl);
    const key = ["--key", at("issued.key"), "--issue-certificate"];
    key.push("--identity-token", sigstore.oidcToken());
    const bundle = ["--bundle", at("issued.json"), at("blob")];
    await ok("sign-blob", ...config("v2"), ...key, ...bundle);
    await ok("verify-blob", ...trust(), ...who, ...bundle);
    const { verificationMaterial } = JSON.parse(readFileSync(at("issued.json"), "utf8"));
    const der = Buffer.from(verificationMaterial.certificate.rawBytes, "base64");
    const own = createPublicKey(readFileSync(at("issued.pub")));
    expect(new X509Certificate(der).publicKey.equals(own)).toBe(true);

    const image = await newImage();
    await ok("sign", ...config("v2"), ...key, image);
    await ok("verify", ...trust(), ...who, image);
    const predicate = ["--predicate", at("predicate.json"), "--type=https://example.com/built"];
    await ok("attest", ...config("v2"), ...key, ...predicate, image);
    await ok("verify-attestation", ...trust(), ...who, "--type=https://example.com/built", image);
  });
});

describe("a certificate of one's own", () => {
  test("stands beside the signature, and vouches for it", async () => {
    const root = makeAuthority("own root");
    const leaf = makeLeaf(root, { more: [extension(FULCIO_ISSUER, utf8(ISSUER))] });
    await importKey("own", leaf.privateKey);
    writeFileSync(at("leaf.pem"), leaf.pem);
    writeFileSync(at("root.pem"), root.pem);
    const key = ["--key", at("own.key"), "--certificate", at("leaf.pem")];
    key.push("--certificate-chain", at("root.pem"));
    const who = identity("mail@example.com", ISSUER);
    const own = ["--ca-roots", at("root.pem"), "--insecure-ignore-sct"];
    const image = await newImage();
    const legacy = ["--new-bundle-format=false", "--rekor-url", sigstore.rekorUrl, "--yes"];
    await ok("sign", ...legacy, ...trust(), ...key, image);
    const verified = await cli(["verify", "--new-bundle-format=false", ...own, ...who, image], {
      SIGSTORE_REKOR_PUBLIC_KEY: rekorKey(),
    });
    expect([verified.code, verified.stderr]).toEqual([0, verified.stderr]);
    const [, repository = "", digest = ""] = /^[^/]+\/(.+)@(.+)$/.exec(image) ?? [];
    const tag = `${digest.replace(":", "-")}.sig`;
    const manifest = await fetch(`http://${registry.host}/v2/${repository}/manifests/${tag}`, {
      headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
    });
    const { layers } = (await manifest.json()) as {
      readonly layers: readonly { readonly annotations: Record<string, string> }[];
    };
    expect(layers[0]?.annotations["dev.sigstore.cosign/certificate"]).toBe(leaf.pem);
    expect(layers[0]?.annotations["dev.sigstore.cosign/chain"]).toBe(root.pem);

    const attested = await newImage();
    const predicate = ["--predicate", at("predicate.json"), "--type=https://example.com/built"];
    await ok("attest", ...legacy, ...trust(), ...key, ...predicate, attested);
    const type = ["--type=https://example.com/built", "--new-bundle-format=false"];
    const checked = await cli(["verify-attestation", ...type, ...own, ...who, attested], {
      SIGSTORE_REKOR_PUBLIC_KEY: rekorKey(),
    });
    expect([checked.code, checked.stderr]).toEqual([0, checked.stderr]);
  });

  test("of another key, or of another authority than it says, signs nothing", async () => {
    const root = makeAuthority("right root");
    const leaf = makeLeaf(root);
    await importKey("right", leaf.privateKey);
    writeFileSync(at("right.crt"), leaf.pem);
    writeFileSync(at("wrong.crt"), makeLeaf(root).pem);
    writeFileSync(at("wrong-root.crt"), makeAuthority("wrong root").pem);
    const key = ["sign", "--key", at("right.key"), "--tlog-upload=false", "--certificate"];
    const image = await newImage();
    for (const [flags, code] of [
      [[at("wrong.crt")], "CERTIFICATE_INVALID"],
      [[at("right.crt"), "--certificate-chain", at("wrong-root.crt")], "CERTIFICATE_UNTRUSTED"],
    ] as const) {
      const { stderr } = await cli([...key, ...flags, image], PASSWORD);
      expect(stderr).toContain(`code: ${code}\n`);
    }
  });
});

/** A file with the log's key, as `SIGSTORE_REKOR_PUBLIC_KEY` names it. */
function rekorKey(): string {
  writeFileSync(at("rekor.pub"), sigstore.rekor.publicKey.export({ format: "pem", type: "spki" }));
  return at("rekor.pub");
}

describe("--timestamp-client-*", () => {
  requires("openssl")("show a client's certificate to an authority that asks for one", async () => {
    const { ca, certificate, key } = makeCertificates(dir);
    const [cert, certKey, trusted] = [certificate, key, ca].map((path) => readFileSync(path));
    const seen: string[] = [];
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: {
        ...{ cert: cert ?? "", key: certKey ?? "", ca: trusted ?? "" },
        ...{ requestCert: true, rejectUnauthorized: true },
      },
      fetch: async (request) => {
        seen.push(request.method);
        const { method, headers } = request;
        return await fetch(sigstore.tsaUrl, { method, headers, body: await request.bytes() });
      },
    });
    await importKey("mtls", generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
    const words = [
      ...["sign-blob", "--key", at("mtls.key"), "--tlog-upload=false", ...trust()],
      ...["--timestamp-server-url", `https://127.0.0.1:${server.port}/api/v1/timestamp`],
      ...["--timestamp-client-cacert", ca, "--bundle", at("mtls.json"), at("blob")],
    ];
    try {
      const without = await cli(words, PASSWORD);
      expect(without.stderr).toContain("code: SERVICE_UNAVAILABLE\n");
      expect(seen).toEqual([]);
      await ok(...words, "--timestamp-client-cert", certificate, "--timestamp-client-key", key);
      expect(seen).toEqual(["POST"]);
    } finally {
      await server.stop(true);
    }
    const checked = ["--use-signed-timestamps", "--insecure-ignore-tlog", ...trust()];
    const bundle = ["--bundle", at("mtls.json"), at("blob")];
    await ok("verify-blob", "--key", at("mtls.pub"), ...checked, ...bundle);
  });
});
