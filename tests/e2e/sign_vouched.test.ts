import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expectCode, makeKey, PASSWORD } from "../support/batch.ts";
import { type BinaryResult, buildBinary, runBinary } from "../support/binary.ts";
import { startEmbeddedRegistry } from "../support/embedded_registry.ts";
import type { TestRegistry } from "../support/registries.ts";
import { countSignatures } from "../support/signatures.ts";
import { type Sigstore, startSigstore } from "../support/sigstore_server.ts";
import { pushImage } from "../support/uploads.ts";

const LIMIT_MS = 300_000;
const TYPE = "https://example.com/built";
const folder = mkdtempSync(join(tmpdir(), "sign-vouched-"));
let registry: TestRegistry;
let sigstore: Sigstore;
let images = 0;

beforeAll(async () => {
  await buildBinary();
  await makeKey(folder, "cosign");
  registry = await startEmbeddedRegistry();
  sigstore = await startSigstore();
  writeFileSync(join(folder, "blob"), "a file\n");
  writeFileSync(join(folder, "predicate.json"), '{"built": true}');
}, LIMIT_MS);

afterAll(async () => {
  await sigstore.close();
  await registry.close();
  rmSync(folder, { recursive: true, force: true });
});

/** As whom the binary acts, and how it finds the services. */
interface Way {
  readonly name: string;
  readonly flags: readonly string[];
  readonly services: () => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const byName = () => [
  ...["--fulcio-url", sigstore.fulcioUrl, "--rekor-url", sigstore.rekorUrl],
  ...["--oidc-issuer", sigstore.issuerUrl, "--timestamp-server-url", sigstore.tsaUrl],
];
const WAYS: readonly Way[] = [
  {
    name: "cosign 3, a signing config with Rekor v2",
    flags: [],
    services: () => ["--signing-config", sigstore.signingConfigPath],
  },
  {
    name: "cosign 3, a signing config with Rekor v1",
    flags: [],
    services: () => ["--signing-config", sigstore.signingConfigV1Path],
  },
  { name: "cosign 3, old formats", flags: ["--new-bundle-format=false"], services: byName },
  { name: "cosign 2", flags: ["--compat=2"], services: byName },
  {
    name: "cosign 1",
    flags: ["--compat=1"],
    services: byName,
    env: { COSIGN_EXPERIMENTAL: "1" },
  },
];

async function run(argv: readonly string[], way: Way): Promise<BinaryResult> {
  const env = { COSIGN_PASSWORD: PASSWORD, ...way.env };
  return await runBinary(argv, { cwd: folder, env, timeoutMs: LIMIT_MS });
}

const newImage = async () => {
  const digest = await pushImage(registry.host, `vouched/${++images}`, "1", `image ${images}`);
  return `${registry.host}/vouched/${images}@${digest}`;
};

describe.each(WAYS.map((way) => [way.name, way] as const))("%s", (_name, way) => {
  const trust = () => ["--trusted-root", sigstore.trustedRootPath];
  /** Old bundles of files are verified by what the environment names; the other tests do that. */
  const isOld = way.services === byName;

  test.each(["key", "certificate"] as const)(
    "what a %s signs is verified online and offline",
    async (who) => {
      const signer = () => [
        ...way.flags,
        ...way.services(),
        ...trust(),
        "--yes",
        ...(who === "key" ? ["--key", "cosign.key"] : ["--identity-token", sigstore.oidcToken()]),
      ];
      const verifier = [
        ...way.flags,
        ...(isOld ? ["--rekor-url", sigstore.rekorUrl] : []),
        "--use-signed-timestamps",
        ...trust(),
        ...(who === "key"
          ? ["--key", "cosign.pub"]
          : [
              ...["--certificate-identity", "mail@example.com"],
              ...["--certificate-oidc-issuer", sigstore.issuerUrl],
            ]),
      ];
      const ok = async (...argv: readonly string[]) => expectCode(await run(argv, way), 0);
      const verified = async (command: string, ...argv: readonly string[]) => {
        await ok(command, ...verifier, ...argv);
        await ok(command, ...verifier, "--offline", ...argv);
      };

      const image = await newImage();
      await ok("sign", ...signer(), image);
      await verified("verify", image);
      await ok("attest", ...signer(), "--type", TYPE, "--predicate", "predicate.json", image);
      await verified("verify-attestation", "--type", TYPE, image);

      const predicate = ["--type", TYPE, "--predicate", "predicate.json"];
      const timestamps = isOld ? ["--rfc3161-timestamp-bundle", "blob.tsr"] : [];
      await ok("attest-blob", ...signer(), ...predicate, ...timestamps, "--bundle", "a", "blob");
      const stamped = isOld ? ["--rfc3161-timestamp", "blob.tsr"] : [];
      const attested = ["--type", TYPE, ...stamped, "--bundle", "a", "blob"];
      await verified("verify-blob-attestation", ...attested);
      const stamps = isOld ? ["--rfc3161-timestamp", "sig.tsr"] : [];
      await ok("sign-blob", ...signer(), ...stamps, "--bundle", "b", "blob");
      if (!isOld) await verified("verify-blob", "--bundle", "b", "blob");
    },
    LIMIT_MS,
  );
});

describe("who is asked before something is public for ever", () => {
  const [, , , second, oldest] = WAYS;
  const sign = async (way: Way | undefined, signer: readonly string[], stdin?: string) => {
    if (way === undefined) throw new TypeError("no such way");
    const image = await newImage();
    const env = { COSIGN_PASSWORD: PASSWORD, ...way.env };
    const argv = ["sign", ...way.flags, ...way.services(), ...signer];
    argv.push("--trusted-root", sigstore.trustedRootPath, image);
    const result = await runBinary(argv, {
      cwd: folder,
      env,
      timeoutMs: LIMIT_MS,
      ...(stdin === undefined ? {} : { stdin }),
    });
    return { ...result, count: await countSignatures(registry.host, image, "legacy") };
  };

  test(
    "cosign 2 asks, and signs nothing without a yes",
    async () => {
      const before = sigstore.requests.length;
      const signer = ["--key", "cosign.key"];
      for (const stdin of [undefined, "n\n", "perhaps\n"]) {
        const { stderr, count } = await sign(second, signer, stdin);
        expect(stderr).toContain("it will be part of an immutable record.\n");
        expect(stderr).toContain("Are you sure you would like to continue? [y/N] ");
        expect(stderr).toContain("code: PROMPT_DECLINED\n");
        expect(count).toBe(0);
      }
      expect(sigstore.requests.length).toBe(before);
      const agreed = await sign(second, signer, "y\n");
      expectCode(agreed, 0);
      expect(agreed.count).toBe(1);
    },
    LIMIT_MS,
  );

  test(
    "cosign 1 says so of certificates, and asks nobody with --yes",
    async () => {
      const signed = await sign(oldest, ["--yes", "--identity-token", sigstore.oidcToken()]);
      expectCode(signed, 0);
      expect(signed.stderr).toContain(
        "Note that there may be personally identifiable information associated with this signed artifact.",
      );
      expect(signed.stderr).toMatch(/^tlog entry created with index: \d+$/m);
      expect(signed.count).toBe(1);
    },
    LIMIT_MS,
  );
});
