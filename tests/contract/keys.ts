import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KeyAbility, KeyProvider } from "../../engine/plugin_host/contract.ts";
import { parsePluginManifest, parseUserPlugins } from "../../engine/plugin_host/manifest.ts";
import { makePluginTable } from "../../engine/plugin_host/table.ts";
import { LINKS, MANIFEST } from "../../plugins/builtin.ts";
import { type CliResult, cli } from "../engine/cli/_cli.ts";
import { startEmbeddedRegistry } from "../support/embedded_registry.ts";
import { paeOf, verifyByOpenssl } from "../support/openssl.ts";
import type { TestRegistry } from "../support/registries.ts";
import { countSignatures } from "../support/signatures.ts";
import { pushImage } from "../support/uploads.ts";
import type { Fault, FixtureKey, KeyFixture, RunningBackend } from "./fixture.ts";

/** Larger than what `sign-blob` keeps in memory: backends that can sign digests get a digest. */
const LARGE_BYTES = 3 * 1024 * 1024;
const NO_LOG = "--tlog-upload=false";
const IGNORE_LOG = "--insecure-ignore-tlog";
const IN_TOTO = "application/vnd.in-toto+json";

/**
 * The tests that every key backend passes: each ability that it declares is used by the commands that need
 * it, each that it lacks is refused with its reason; every signature is checked by OpenSSL; requests are
 * counted; what goes wrong is told, without a secret.
 */
export function testKeyBackend(fixture: KeyFixture): void {
  setDefaultTimeout(120_000); // retries pause for seconds, on a busy machine
  const dir = mkdtempSync(join(tmpdir(), "contract-keys-"));
  const outputs: string[] = [];
  let backend: RunningBackend;
  let registry: TestRegistry;
  let files = 0;

  beforeAll(async () => {
    registry = await startEmbeddedRegistry();
    backend = await fixture.start();
  });
  afterAll(async () => {
    await backend.close();
    await registry.close();
    rmSync(dir, { recursive: true });
  });

  const file = (name: string): string => {
    files += 1;
    return join(dir, `${files}-${name}`);
  };
  const run = async (
    argv: readonly string[],
    env: Readonly<Record<string, string | undefined>> = {},
  ): Promise<CliResult> => {
    const all = { PATH: process.env["PATH"] ?? "", HOME: dir, ...backend.env, ...env };
    const defined = Object.entries(all).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value] as const],
    );
    const result = await cli([...argv, ...(backend.argv ?? [])], Object.fromEntries(defined));
    outputs.push(result.stdout, result.stderr);
    return result;
  };
  const succeed = async (...argv: readonly string[]): Promise<CliResult> => {
    const result = await run(argv);
    if (result.code !== 0) throw new Error(`${argv.join(" ")}: ${result.stderr}`);
    return result;
  };
  const publicPem = async ({ uri }: Pick<FixtureKey, "uri">): Promise<string> =>
    (await succeed("public-key", "--key", uri)).stdout;
  const pemFile = async (key: FixtureKey): Promise<string> => {
    const path = file("key.pub");
    writeFileSync(path, await publicPem(key));
    return path;
  };
  const image = async (): Promise<string> => {
    const repository = `contract/${++files}`;
    const digest = await pushImage(registry.host, repository, "1", repository);
    return `${registry.host}/${repository}@${digest}`;
  };
  const firstKey = (): FixtureKey => {
    const [key] = backend.keys;
    if (key === undefined) throw new Error("The fixture has no key");
    return key;
  };
  const signBlob = async (key: FixtureKey, content: Uint8Array) => {
    const [blob, output, bundle] = [file("blob"), file("signature"), file("bundle.json")];
    writeFileSync(blob, content);
    const argv = ["sign-blob", NO_LOG, "--key", key.uri, "--output-signature", output];
    const result = await run([...argv, "--bundle", bundle, blob]);
    return { ...result, blob, bundle, output };
  };
  const expectSigned = async (key: FixtureKey, message: Uint8Array, base64: string) =>
    verifyByOpenssl({
      publicPem: await publicPem(key),
      message,
      signature: Uint8Array.fromBase64(base64.trim()),
      digest: key.digest,
    });
  const provider = async (): Promise<KeyProvider> => {
    const at = backend.argv?.indexOf("--plugins") ?? -1;
    const path = backend.argv?.[at + 1];
    const declared =
      at < 0 || path === undefined
        ? []
        : [
            {
              where: path,
              declarations: parseUserPlugins(JSON.parse(readFileSync(path, "utf8")), path),
            },
          ];
    const table = makePluginTable(parsePluginManifest(MANIFEST), LINKS, {
      declared,
      path: backend.env["PATH"] ?? process.env["PATH"] ?? "",
    });
    const found = await table.keyBackend(fixture.scheme);
    if (found === undefined) throw new Error(`No plugin has keys of scheme ${fixture.scheme}`);
    return found.provider;
  };

  describe(`${fixture.name} (${fixture.scheme}://)`, () => {
    test("declares what its fixture can, and why it lacks the rest", async () => {
      const { publicKey, open, readPair, create, store, lacks = {} } = await provider();
      const can: Readonly<Record<KeyAbility, boolean>> = {
        publicKey: publicKey !== undefined,
        sign: open !== undefined || readPair !== undefined,
        create: create !== undefined || store !== undefined,
      };
      expect(can.sign).toBe(backend.keys.length > 0);
      expect(can.create).toBe(backend.newKey !== undefined);
      for (const ability of ["publicKey", "sign", "create"] as const) {
        expect([ability, can[ability], lacks[ability] !== undefined]).toEqual([
          ability,
          can[ability],
          !can[ability],
        ]);
      }
    });

    test("makes a key pair, and writes its public half", async () => {
      const key = backend.newKey;
      const prefix = file("made");
      const argv = ["generate-key-pair", "--output-key-prefix", prefix];
      if (key === undefined) {
        const { lacks } = await provider();
        const { code, stderr } = await run([...argv, `${fixture.scheme}://anything`]);
        expect(code).not.toBe(0);
        expect(stderr).toContain(lacks?.create ?? "?");
        expect(stderr).toContain("code: KEY_UNSUPPORTED");
        return;
      }
      const { store } = await provider();
      const { stderr } = await succeed(...argv, ...(store === undefined ? ["--kms"] : []), key.uri);
      expect(stderr).toContain(`Public key written to ${prefix}.pub`);
      const pem = readFileSync(`${prefix}.pub`, "utf8");
      expect(pem).toStartWith("-----BEGIN PUBLIC KEY-----\n");
      if ((await provider()).publicKey !== undefined) expect(await publicPem(key)).toBe(pem);
      if (backend.keys.length > 0) {
        const content = new TextEncoder().encode("signed by a new key");
        const { code, output } = await signBlob(key, content);
        expect(code).toBe(0);
        await expectSigned(key, content, readFileSync(output, "utf8"));
      }
    });

    test("says why it cannot sign, or show a public key", async () => {
      const { lacks = {} } = await provider();
      const uri = backend.newKey?.uri ?? firstKey().uri;
      for (const [ability, argv] of [
        ["sign", ["sign-blob", NO_LOG, "--bundle", file("b"), "--key", uri, import.meta.path]],
        ["publicKey", ["public-key", "--key", uri]],
      ] as const) {
        const why = lacks[ability];
        if (why === undefined) continue;
        const { code, stderr } = await run(argv);
        expect(code).not.toBe(0);
        expect(stderr).toContain(why);
        expect(stderr).toContain("code: KEY_UNSUPPORTED");
      }
    });

    test("signs files of all sizes with every type of key", async () => {
      for (const key of backend.keys) {
        for (const content of [
          new Uint8Array(key.digest === undefined ? 1 : 0), // OpenSSL's tool reads no empty message
          new TextEncoder().encode(`a file for ${key.type}\n`),
          new Uint8Array(LARGE_BYTES).fill(0x2a),
        ]) {
          const { code, stderr, blob, bundle, output } = await signBlob(key, content);
          if (content.length > (key.limitBytes ?? Infinity)) {
            expect(stderr).toContain("code: KEY_SIGN_FAILED");
            expect(stderr).toContain(`${key.limitBytes} bytes`);
            continue;
          }
          expect([key.uri, code, stderr]).toEqual([key.uri, 0, stderr]);
          await expectSigned(key, content, readFileSync(output, "utf8"));
          for (const verifier of [key.uri, await pemFile(key)]) {
            const argv = ["verify-blob", IGNORE_LOG, "--key", verifier];
            // The PEM does not say that the key's place signs over another digest.
            const other = key.type.startsWith("rsa") && key.digest !== "sha256";
            const named = other && verifier !== key.uri ? key.digest : undefined;
            const digest = named === undefined ? [] : ["--signature-digest-algorithm", named];
            await succeed(...argv, ...digest, "--bundle", bundle, blob);
          }
        }
      }
    });

    test("signs images in both formats, asked for the public key once and for each signature once", async () => {
      for (const key of backend.keys) {
        const [pinned, signature, payload] = [await image(), file("sig"), file("payload")];
        const pem = await publicPem(key);
        const legacy = ["--format=legacy", "--output-signature", signature];
        backend.takeCounts();
        await succeed(
          ...["sign", NO_LOG, "--key", key.uri, ...legacy, "--output-payload", payload, pinned],
        );
        if (fixture.isHosted !== false) {
          expect(backend.takeCounts()).toMatchObject({ publicKey: 1, sign: 1 });
        }
        verifyByOpenssl({
          publicPem: pem,
          message: readFileSync(payload),
          signature: Uint8Array.fromBase64(readFileSync(signature, "utf8").trim()),
          digest: key.digest,
        });
        const bundled = await image();
        await succeed("sign", NO_LOG, "--key", key.uri, "--format=bundle", bundled);
        expect(await countSignatures(registry.host, pinned, "legacy")).toBe(1);
        expect(await countSignatures(registry.host, bundled, "bundle")).toBe(1);
        backend.takeCounts();
        await succeed("verify", IGNORE_LOG, "--key", key.uri, pinned);
        await succeed("verify", IGNORE_LOG, "--key", key.uri, bundled);
        // Verification is ours: nobody is asked for it.
        expect(backend.takeCounts()).toMatchObject({ publicKey: 2, sign: 0 });
      }
    });

    test("signs nothing twice", async () => {
      if (backend.keys.length === 0) return;
      const [key, pinned] = [firstKey(), await image()];
      const argv = ["sign", NO_LOG, "--skip-signed", "--format=both", "--key", key.uri, pinned];
      await succeed(...argv);
      backend.takeCounts();
      await succeed(...argv);
      expect(backend.takeCounts().sign).toBe(0);
      expect(await countSignatures(registry.host, pinned, "legacy")).toBe(1);
      expect(await countSignatures(registry.host, pinned, "bundle")).toBe(1);
    });

    test("attests images and files", async () => {
      for (const key of backend.keys) {
        const [pinned, predicate] = [await image(), file("predicate.json")];
        writeFileSync(predicate, '{"tested":true}');
        const what = ["--type", "custom", "--predicate", predicate, "--key", key.uri, NO_LOG];
        await succeed("attest", ...what, pinned);
        const argv = ["verify-attestation", IGNORE_LOG, "--type", "custom", "--key"];
        await succeed(...argv, key.uri, pinned);
        const [bundle, attested] = [file("att.json"), file("attested")];
        writeFileSync(attested, "attested");
        await succeed("attest-blob", ...what, "--bundle", bundle, attested);
        const { dsseEnvelope } = JSON.parse(readFileSync(bundle, "utf8"));
        await expectSigned(
          key,
          paeOf(IN_TOTO, Uint8Array.fromBase64(dsseEnvelope.payload)),
          dsseEnvelope.signatures[0].sig,
        );
        const check = ["verify-blob-attestation", IGNORE_LOG, "--type", "custom"];
        await succeed(...check, "--key", key.uri, "--bundle", bundle, attested);
      }
    });

    test("tells the versions of a key apart", async () => {
      if (backend.versions === undefined) return;
      const [old, current] = backend.versions;
      expect(await publicPem(old)).not.toBe(await publicPem(current));
      for (const key of backend.versions) {
        const content = new TextEncoder().encode(`by ${key.uri}`);
        const { code, stderr, output } = await signBlob(key, content);
        expect([key.uri, code, stderr]).toEqual([key.uri, 0, stderr]);
        await expectSigned(key, content, readFileSync(output, "utf8"));
      }
    });

    test("comes back when it is asked to, and makes one signature", async () => {
      if (backend.keys.length === 0) return;
      const key = firstKey();
      backend.takeCounts();
      await signBlob(key, new Uint8Array([1]));
      const calm = backend.takeCounts();
      backend.trouble("throttle-once");
      const { code, stderr } = await signBlob(key, new Uint8Array([1]));
      backend.trouble(undefined);
      expect([code, stderr]).toEqual([0, stderr]);
      const { sign, attempts } = backend.takeCounts();
      expect([sign, attempts]).toEqual([calm.sign, calm.attempts + 1]);
    });

    test("gives up when it is asked to come back again and again", async () => {
      backend.trouble("throttle");
      const uri = backend.keys[0]?.uri ?? backend.newKey?.uri ?? "";
      const command = backend.keys.length === 0 ? "generate-key-pair" : "public-key";
      backend.takeCounts();
      const { code, stderr } = await failing({ name: "", uri, command, code: "", says: /./ });
      backend.trouble(undefined);
      expect(stderr).toContain("code: KEY_SERVICE_RATE_LIMITED");
      expect(code).toBeGreaterThan(0);
      const { attempts } = backend.takeCounts();
      expect(attempts).toBeGreaterThan(2);
      expect(attempts).toBeLessThan(12);
    });

    test("does not wait for ever", async () => {
      backend.trouble("silence");
      const uri = backend.keys[0]?.uri ?? backend.newKey?.uri ?? "";
      const command = backend.keys.length === 0 ? "generate-key-pair" : "public-key";
      const { code, stderr } = await failing(
        { name: "", uri, command, code: "", says: /./ },
        "--timeout=2s",
      );
      backend.trouble(undefined);
      expect(stderr).toMatch(/code: (?:KEY_SERVICE_UNAVAILABLE|DEADLINE_EXCEEDED|PLUGIN_FAILED)\n/);
      expect(code).toBeGreaterThan(0);
    });

    test("lets out no signature that its public key does not verify", async () => {
      if (backend.keys.length === 0 || fixture.isHosted === false) return;
      const [key, pinned] = [firstKey(), await image()];
      backend.trouble("lie");
      const blob = await signBlob(key, new Uint8Array([1]));
      const large = await signBlob(key, new Uint8Array(LARGE_BYTES));
      const signed = await run(["sign", NO_LOG, "--key", key.uri, "--format=both", pinned]);
      backend.trouble(undefined);
      for (const { code, stderr } of [blob, large, signed]) {
        expect(stderr).toContain("code: KEY_SIGN_FAILED");
        expect(code).toBeGreaterThan(0);
      }
      expect(() => readFileSync(blob.bundle)).toThrow();
      expect(await countSignatures(registry.host, pinned, "legacy")).toBe(0);
      expect(await countSignatures(registry.host, pinned, "bundle")).toBe(0);
    });

    test("says that nobody answers", async () => {
      if (backend.unreachable === undefined) return;
      const { uri, env = {} } = backend.unreachable;
      const { code, stderr } = await run(["public-key", "--key", uri], env);
      expect(stderr).toContain("code: KEY_SERVICE_UNAVAILABLE");
      expect(stderr).toContain("hint: ");
      expect(code).toBeGreaterThan(0);
    });

    test("says what is wrong, by its code and with words that help", async () => {
      expect(backend.faults.length).toBeGreaterThan(0);
      for (const fault of backend.faults) {
        const undo = await fault.arrange?.();
        const { code, stderr } = await failing(fault);
        await undo?.();
        expect([fault.name, stderr]).toEqual([fault.name, expect.stringMatching(fault.says)]);
        expect([fault.name, /^code: (\w+)$/m.exec(stderr)?.[1]]).toEqual([fault.name, fault.code]);
        expect([fault.name, code > 0]).toEqual([fault.name, true]);
      }
    });

    test("shows no secret, whatever happened", () => {
      expect(outputs.length).toBeGreaterThan(0);
      for (const secret of backend.secrets) {
        expect(secret.length).toBeGreaterThan(3);
        for (const output of outputs) expect(output).not.toContain(secret);
      }
    });

    async function failing(fault: Fault, ...more: readonly string[]): Promise<CliResult> {
      const { uri, command = "public-key", env = {} } = fault;
      const isStore = (await provider()).store !== undefined;
      const argv = {
        "public-key": ["public-key", "--key", uri],
        "sign-blob": [
          ...["sign-blob", NO_LOG, "--bundle", file("b"), "--key", uri],
          import.meta.path,
        ],
        "generate-key-pair": [
          ...["generate-key-pair", "--output-key-prefix", file("none")],
          ...(isStore ? [uri] : ["--kms", uri]),
        ],
      }[command];
      return await run([...argv, ...more], env);
    }
  });
}
