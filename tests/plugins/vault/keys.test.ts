import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { encodePublicKey } from "../../../engine/keys/generate.ts";
import {
  createHostedKey,
  openHostedSigner,
  readHostedPublicKey,
} from "../../../engine/keys/hosted.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import type { PluginWorld } from "../../../engine/plugin_host/plugin_call.ts";
import { builtinKey } from "../../support/builtin_key.ts";
import { verifyByOpenssl } from "../../support/openssl.ts";
import { requires } from "../../support/requires.ts";
import { newVaultKey, startVault, type VaultServer } from "../../support/vault_server.ts";

setDefaultTimeout(60_000); // making RSA keys takes its time on a busy machine

const MESSAGE = utf8("a message");
const TYPES = [
  "ecdsa-p256",
  "ecdsa-p384",
  "ecdsa-p521",
  "ed25519",
  "rsa-2048",
  "rsa-3072",
  "rsa-4096",
] as const;

let vault: VaultServer;
let warnings: string[];

beforeEach(() => {
  vault = startVault();
  warnings = [];
});
afterEach(async () => {
  await vault[Symbol.asyncDispose]();
});

const keyOf = (uri: string, env: PluginWorld["env"] = {}) =>
  builtinKey(uri, {
    env: { VAULT_ADDR: vault.url, VAULT_TOKEN: "root", HOME: "/nowhere", ...env },
    warn: (line) => warnings.push(line),
  });

describe("keys of Vault", () => {
  for (const type of TYPES) {
    requires("openssl")(`a key of type ${type} signs what OpenSSL verifies`, async () => {
      vault.keys.set("/transit/release", newVaultKey(type));
      await using signer = await openHostedSigner(await keyOf("hashivault://release"));
      expect(signer.publicKey.type).toBe(type);
      expect(signer.digest).toBe("sha256");
      const signature = await signer.sign(MESSAGE);
      const digest = type === "ed25519" ? undefined : "sha256";
      const question = { publicPem: encodePublicKey(signer.publicKey), signature, digest } as const;
      verifyByOpenssl({ ...question, message: MESSAGE });
      expect(() => verifyByOpenssl({ ...question, message: utf8("another") })).toThrow();
    });
  }

  test("the public key is read once, and a signature is one request", async () => {
    vault.keys.set("/transit/release", newVaultKey("ecdsa-p256"));
    await using signer = await openHostedSigner(await keyOf("hashivault://release"));
    for (let i = 0; i < 5; i++) await signer.sign(MESSAGE);
    expect(vault.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "GET transit/keys/release",
      ...Array.from({ length: 5 }, () => "POST transit/sign/release/sha2-256"),
    ]);
    expect(vault.requests.at(-1)?.body).toEqual({
      input: expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/),
      prehashed: true,
      key_version: 1,
      marshaling_algorithm: "asn1",
    });
  });

  test("a rotation on the way does not part a signature from the public key that was read", async () => {
    vault.keys.set("/transit/release", newVaultKey("ecdsa-p256"));
    await using before = await openHostedSigner(await keyOf("hashivault://release"));
    vault.rotate("/transit/release");
    await before.sign(MESSAGE);
    expect(vault.requests.at(-1)?.body["key_version"]).toBe(1);
    await using after = await openHostedSigner(await keyOf("hashivault://release"));
    await after.sign(MESSAGE);
    expect(vault.requests.at(-1)?.body["key_version"]).toBe(2);
    expect(after.publicKey.spki).not.toEqual(before.publicKey.spki);
  });

  test("the public key is the latest one, or of the version in VAULT_KEY_PREFIX", async () => {
    vault.keys.set("/transit/release", newVaultKey("ecdsa-p256"));
    vault.rotate("/transit/release");
    const latest = await readHostedPublicKey(await keyOf("hashivault://release"));
    const read = async (prefix: string) =>
      await readHostedPublicKey(await keyOf("hashivault://release", { VAULT_KEY_PREFIX: prefix }));
    expect((await read("vault:v2:")).spki).toEqual(latest.spki);
    expect((await read("vault:v1:")).spki).not.toEqual(latest.spki);
    await expect(read("vault:v3:")).rejects.toMatchObject({ code: "KEY_NOT_FOUND" });
    await expect(read("v1")).rejects.toMatchObject({ code: "USAGE" });
  });

  test("openbao:// and the variables of OpenBao do the same", async () => {
    vault.keys.set("team/signing/release", newVaultKey("ed25519"));
    vault.namespaces.add("team");
    vault.engines.add("team/signing");
    const env = {
      VAULT_ADDR: undefined,
      VAULT_TOKEN: undefined,
      BAO_ADDR: `${vault.url}/`,
      BAO_TOKEN: "root",
      BAO_NAMESPACE: "team",
      TRANSIT_SECRET_ENGINE_PATH: "signing",
    };
    await using signer = await openHostedSigner(await keyOf("openbao://release", env));
    expect(await signer.sign(MESSAGE)).toHaveLength(64);
    expect(vault.requests.at(-1)?.path).toBe("signing/sign/release");
    expect(vault.requests.at(-1)?.body["prehashed"]).toBe(false);
  });

  test("an Ed25519 key has no digest to sign: it needs the message", async () => {
    vault.keys.set("/transit/release", newVaultKey("ed25519"));
    await using signer = await openHostedSigner(await keyOf("hashivault://release"));
    expect(signer.signDigest).toBeUndefined();
  });

  for (const type of [undefined, ...TYPES]) {
    test(`a new key is of ${type ?? "P-256 when nothing is said"}`, async () => {
      const key = await createHostedKey(await keyOf("hashivault://new"), type);
      expect(key.type).toBe(type ?? "ecdsa-p256");
      expect(vault.keys.get("/transit/new")?.type).toBe(type ?? "ecdsa-p256");
      expect(warnings).toEqual([]);
    });
  }

  test("a key that is there is left as it is, and one of another type is refused", async () => {
    const first = await createHostedKey(await keyOf("hashivault://new"));
    const again = await createHostedKey(await keyOf("hashivault://new"));
    expect(again.spki).toEqual(first.spki);
    expect(warnings).toEqual(['Key "hashivault://new" exists already: it is left as it is']);
    await expect(
      createHostedKey(await keyOf("hashivault://new"), "rsa-2048"),
    ).rejects.toMatchObject({
      code: "KEY_EXISTS",
    });
    expect(vault.requests.filter(({ method }) => method === "POST")).toHaveLength(1);
  });

  test("URIs are those that cosign takes", async () => {
    vault.keys.set("/transit/a", newVaultKey("ecdsa-p256"));
    vault.keys.set("/transit/Team_1.release-key", newVaultKey("ecdsa-p256"));
    for (const uri of ["hashivault://a", "openbao://a", "hashivault://Team_1.release-key"]) {
      expect((await readHostedPublicKey(await keyOf(uri))).type).toBe("ecdsa-p256");
    }
    for (const uri of [
      "hashivault://",
      "hashivault:///a",
      "hashivault://a/b",
      "hashivault://-a",
      "hashivault://a.",
      "hashivault://../keys/a",
      "hashivault://a?b",
      "hashivault://ä",
      "hashivault://a\nb",
    ]) {
      await expect(readHostedPublicKey(await keyOf(uri))).rejects.toMatchObject({
        code: "USAGE",
        message: expect.stringContaining(
          "kms specification should be in the format hashivault://<key>",
        ),
      });
    }
    expect(vault.requests).toHaveLength(3);
  });
});
