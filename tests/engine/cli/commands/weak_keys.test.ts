import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedRegistry } from "../../../support/embedded_registry.ts";
import type { TestRegistry } from "../../../support/registries.ts";
import { pushImage } from "../../../support/uploads.ts";
import { cli } from "../_cli.ts";

setDefaultTimeout(60_000); // stretching passwords on a busy machine

const folder = mkdtempSync(join(tmpdir(), "cosign-ts-weak-"));
const at = (name: string): string => join(folder, name);
const env = { COSIGN_PASSWORD: "secret" };
const BLOB = at("blob");
const WEAK = [
  ["ecdsa-p224", generateKeyPairSync("ec", { namedCurve: "P-224" })],
  ["rsa-1024", generateKeyPairSync("rsa", { modulusLength: 1024 })],
  ["rsa-1536", generateKeyPairSync("rsa", { modulusLength: 1536 })],
  ["rsa-exponent-3", generateKeyPairSync("rsa", { modulusLength: 2048, publicExponent: 3 })],
] as const;
let registry: TestRegistry;

beforeAll(async () => {
  registry = await startEmbeddedRegistry();
  writeFileSync(BLOB, "what was signed long ago");
  for (const [name, { privateKey, publicKey }] of WEAK) {
    writeFileSync(at(`${name}.pem`), privateKey.export({ format: "pem", type: "pkcs8" }));
    writeFileSync(at(`${name}.pub`), publicKey.export({ format: "pem", type: "spki" }));
  }
});
afterAll(async () => {
  await registry.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Verifies a signature by a weak key that somebody else's code made. */
const verifyBlob = (name: string, key: KeyObject, ...argv: readonly string[]) => {
  const signature = sign("sha256", readFileSync(BLOB), key).toString("base64");
  const named = ["--key", at(`${name}.pub`), "--signature", signature];
  return cli(["verify-blob", "--insecure-ignore-tlog", ...named, ...argv, BLOB]);
};

describe.each(WEAK)("a key that is weak by %s", (name, { privateKey }) => {
  test("is refused, with the name that allows it", async () => {
    const { code, stderr } = await verifyBlob(name, privateKey);
    expect(code).toBe(1);
    expect(stderr).toContain("code: KEY_WEAK");
    expect(stderr).toContain(`--allow-weak-key ${name}`);
    const others = WEAK.flatMap(([other]) => (other === name ? [] : [other])).join(",");
    expect((await verifyBlob(name, privateKey, "--allow-weak-key", others)).code).toBe(1);
  });

  test("verifies when it is allowed, with a warning", async () => {
    const { code, stderr } = await verifyBlob(name, privateKey, "--allow-weak-key", name);
    expect(stderr).toContain(`WARNING: Key "${at(`${name}.pub`)}" is weak (${name})`);
    expect(stderr).toContain("Verified OK");
    expect(code).toBe(0);
  });

  test("is imported, signs and verifies images where each command allows it", async () => {
    const key = at(`${name}-own`);
    const allow = ["--allow-weak-key", name];
    const imported = ["import-key-pair", "--key", at(`${name}.pem`), "-o", key];
    expect((await cli(imported, env)).stderr).toContain("code: KEY_WEAK");
    expect((await cli([...imported, ...allow], env)).code).toBe(0);
    expect(readFileSync(`${key}.pub`, "utf8")).toBe(readFileSync(at(`${name}.pub`), "utf8"));
    const digest = await pushImage(registry.host, `weak/${name}`, "1", name);
    const image = `${registry.host}/weak/${name}@${digest}`;
    const signing = ["sign", "--key", `${key}.key`, "--tlog-upload=false", image];
    expect((await cli(signing, env)).stderr).toContain("code: KEY_WEAK");
    expect((await cli([...signing, ...allow], env)).code).toBe(0);
    const verifying = ["verify", "--key", `${key}.pub`, "--insecure-ignore-tlog", image];
    expect((await cli(verifying)).stderr).toContain("code: KEY_WEAK");
    expect((await cli(verifying, { COSIGN_ALLOW_WEAK_KEY: name })).code).toBe(0);
  });
});

test("--allow-weak-key refuses names that it does not know", async () => {
  const { code, stderr } = await cli(["verify", "--key", "k", "--allow-weak-key", "any", "x"]);
  expect(code).toBe(2);
  expect(stderr).toContain("must be one of: ecdsa-p224, rsa-1024, rsa-1536, rsa-exponent-3");
});
