import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedRegistry } from "../../../support/embedded_registry.ts";
import type { TestRegistry } from "../../../support/registries.ts";
import { type Sigstore, startSigstore } from "../../../support/sigstore_server.ts";
import { verifyIndependently } from "../../../support/sigstore_verify.ts";
import { pushImage } from "../../../support/uploads.ts";
import { cli } from "../_cli.ts";

setDefaultTimeout(120_000); // stretching passwords on a busy machine
const PASSWORD = { COSIGN_PASSWORD: "" };
const dir = mkdtempSync(join(tmpdir(), "cli-bundles-"));
const at = (name: string) => join(dir, name);
let sigstore: Sigstore;
let registry: TestRegistry;
let image: string;

beforeAll(async () => {
  sigstore = await startSigstore();
  registry = await startEmbeddedRegistry();
  image = `${registry.host}/a/b@${await pushImage(registry.host, "a/b", "1", "image")}`;
  writeFileSync(at("blob"), "a file\n");
  writeFileSync(at("predicate.json"), '{"built": true}');
  expect((await cli(["generate-key-pair", "--output-key-prefix", at("k")], PASSWORD)).code).toBe(0);
});

afterAll(async () => {
  await registry.close();
  await sigstore.close();
  rmSync(dir, { recursive: true });
});

/** How a bundle is made: by which log, and by whom. */
interface Way {
  readonly log: 1 | 2;
  readonly signer: "key" | "certificate";
}

const WAYS: readonly Way[] = [
  { log: 1, signer: "key" },
  { log: 1, signer: "certificate" },
  { log: 2, signer: "key" },
  { log: 2, signer: "certificate" },
];

const signerFlags = ({ signer }: Way) =>
  signer === "key" ? ["--key", at("k.key")] : ["--identity-token", sigstore.oidcToken()];
const serviceFlags = ({ log }: Way) => [
  "--signing-config",
  log === 1 ? sigstore.signingConfigV1Path : sigstore.signingConfigPath,
  "--trusted-root",
  sigstore.trustedRootPath,
];
const verifierFlags = ({ signer }: Way) => [
  "--trusted-root",
  sigstore.trustedRootPath,
  "--use-signed-timestamps",
  ...(signer === "key"
    ? ["--key", at("k.pub")]
    : [
        "--certificate-identity=mail@example.com",
        `--certificate-oidc-issuer=${sigstore.issuerUrl}`,
      ]),
];

async function ok(...argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cli(argv, PASSWORD);
  expect([argv[0], code, stderr]).toEqual([argv[0], 0, stderr]);
  return stdout + stderr;
}

/** What sigstore-js says of a bundle. It finds a log of v1 by the name in its checkpoints. */
function independently({ signer }: Way, path: string, artifact?: Uint8Array) {
  const root = sigstore.trustedRootJson.replace(sigstore.rekorUrl, "https://rekor.test");
  return verifyIndependently(readFileSync(path, "utf8"), root, {
    timestamps: 1,
    ...(artifact === undefined ? {} : { artifact }),
    ...(signer === "key" ? { keyPem: readFileSync(at("k.pub"), "utf8") } : {}),
  });
}

const named = WAYS.map((way) => [way.log, way.signer, way] as const);

describe.each(named)("with Rekor v%d and a %s", (_log, _signer, way) => {
  const name = way.signer === "key" ? undefined : "mail@example.com";

  test("sign makes bundles that verify, for images", async () => {
    await ok("sign", ...serviceFlags(way), ...signerFlags(way), "--bundle", at("i.json"), image);
    const said = await ok("verify", ...verifierFlags(way), image);
    expect(said).toContain("Existence of the claims in the transparency log was verified offline");
    // sigstore-js 4 does not know that v2 logs the hash of what was signed of an envelope.
    if (way.log === 1) expect(independently(way, at("i.json"))).toBe(name);
    const { verificationMaterial } = JSON.parse(readFileSync(at("i.json"), "utf8"));
    expect(verificationMaterial.tlogEntries[0].kindVersion).toEqual(
      way.log === 1
        ? { kind: "dsse", version: "0.0.1" }
        : { kind: "hashedrekord", version: "0.0.2" },
    );
  });

  test("attest makes bundles that verify, for images", async () => {
    const predicate = ["--type=https://example.com/built", "--predicate", at("predicate.json")];
    await ok("attest", ...serviceFlags(way), ...signerFlags(way), ...predicate, image);
    const type = "--type=https://example.com/built";
    await ok("verify-attestation", ...verifierFlags(way), type, image);
  });

  test("sign-blob makes bundles that verify, for files", async () => {
    const bundle = ["--bundle", at("b.json"), at("blob")];
    await ok("sign-blob", ...serviceFlags(way), ...signerFlags(way), ...bundle);
    expect(await ok("verify-blob", ...verifierFlags(way), ...bundle)).toContain("Verified OK");
    expect(independently(way, at("b.json"), readFileSync(at("blob")))).toBe(name);
  });

  test("attest-blob makes bundles that verify, for files", async () => {
    const bundle = ["--bundle", at("a.json"), at("blob")];
    const predicate = ["--predicate", at("predicate.json")];
    await ok("attest-blob", ...serviceFlags(way), ...signerFlags(way), ...predicate, ...bundle);
    await ok("verify-blob-attestation", ...verifierFlags(way), ...bundle);
    if (way.log === 1) expect(independently(way, at("a.json"))).toBe(name);
  });
});

describe("sign-blob", () => {
  test.each([
    "ecdsa-sha2-256-nistp256",
    "ecdsa-sha2-384-nistp384",
    "ecdsa-sha2-512-nistp521",
    "rsa-sign-pkcs1-2048-sha256",
  ])("gets certificates for keys of --signing-algorithm %p, over its digest", async (algorithm) => {
    for (const log of [1, 2] as const) {
      const way = { log, signer: "certificate" } as const;
      const bundle = ["--bundle", at("s.json"), at("blob")];
      const chosen = [`--signing-algorithm=${algorithm}`, ...bundle];
      await ok("sign-blob", ...serviceFlags(way), ...signerFlags(way), ...chosen);
      await ok("verify-blob", ...verifierFlags(way), ...bundle);
      expect(independently(way, at("s.json"), readFileSync(at("blob")))).toBe("mail@example.com");
    }
  });
});
