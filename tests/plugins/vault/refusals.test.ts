import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { generateKeyPairSync, sign } from "node:crypto";
import {
  createHostedKey,
  openHostedSigner,
  readHostedPublicKey,
} from "../../../engine/keys/hosted.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import type { PluginWorld } from "../../../engine/plugin_host/plugin_call.ts";
import { builtinKey } from "../../support/builtin_key.ts";
import { newVaultKey, startVault, type VaultServer } from "../../support/vault_server.ts";

const URI = "hashivault://release";
const MESSAGE = utf8("a message");
const SECRET = "hvs.CAESIJ-secret-token";

let vault: VaultServer;

beforeEach(() => {
  vault = startVault();
  vault.tokens.set(SECRET, {});
  vault.keys.set("/transit/release", newVaultKey("ecdsa-p256"));
});
afterEach(async () => {
  await vault[Symbol.asyncDispose]();
});

const keyOf = (env: PluginWorld["env"] = {}) =>
  builtinKey(URI, {
    env: { VAULT_ADDR: vault.url, VAULT_TOKEN: SECRET, HOME: "/nowhere", ...env },
  });
const read = async (env?: PluginWorld["env"]) => await readHostedPublicKey(await keyOf(env));
const signOnce = async (env?: PluginWorld["env"]) => {
  await using signer = await openHostedSigner(await keyOf(env));
  return await signer.sign(MESSAGE);
};

describe("what Vault refuses", () => {
  test("a token that may not sign: the error names the path and the capability", async () => {
    vault.tokens.set(SECRET, { allows: (_, capability) => capability === "read" });
    await expect(signOnce()).rejects.toMatchObject({
      code: "KEY_DENIED",
      message: `Cannot sign with "${URI}": Vault denies it: permission denied`,
      hint: expect.stringContaining(
        'path "transit/sign/release/sha2-256" { capabilities = ["update"] }',
      ),
    });
    vault.keys.delete("/transit/release");
    await expect(createHostedKey(await keyOf())).rejects.toMatchObject({
      code: "KEY_DENIED",
      hint: expect.stringContaining('path "transit/keys/release" { capabilities = ["update"] }'),
    });
  });

  test("a token that may not read: the same for the key", async () => {
    vault.tokens.set(SECRET, { allows: () => false });
    await expect(read()).rejects.toMatchObject({
      code: "KEY_DENIED",
      hint: expect.stringContaining('path "transit/keys/release" { capabilities = ["read"] }'),
    });
  });

  test("a token that expired or never was", async () => {
    vault.tokens.delete(SECRET);
    await expect(read()).rejects.toMatchObject({
      code: "KEY_SERVICE_AUTH",
      message: expect.not.stringContaining("secret"),
      hint: expect.stringContaining("log in again"),
    });
  });

  test("another namespace than the token's", async () => {
    vault.namespaces.add("team");
    vault.engines.add("team/transit");
    vault.tokens.set(SECRET, { namespace: "other" });
    await expect(read({ VAULT_NAMESPACE: "team" })).rejects.toMatchObject({ code: "KEY_DENIED" });
  });

  test("a namespace without the engine, and none: the error names both", async () => {
    await expect(read({ VAULT_NAMESPACE: "team" })).rejects.toMatchObject({
      code: "KEY_NOT_FOUND",
      message: expect.stringContaining("there is no such namespace"),
      hint: 'VAULT_NAMESPACE is "team"',
    });
    vault.namespaces.add("team");
    await expect(read({ VAULT_NAMESPACE: "team" })).rejects.toMatchObject({
      code: "KEY_NOT_FOUND",
      message: expect.stringContaining('no secrets engine at "transit" in namespace "team"'),
      hint: expect.stringContaining("TRANSIT_SECRET_ENGINE_PATH"),
    });
  });

  test("a key that is not there", async () => {
    vault.keys.clear();
    await expect(read()).rejects.toMatchObject({
      code: "KEY_NOT_FOUND",
      message: `Cannot read key "${URI}": there is no such key: HTTP 404`,
    });
  });

  test("a key that was deleted", async () => {
    vault.keys.set("/transit/release", { ...newVaultKey("ecdsa-p256"), deleted: true });
    await expect(read()).rejects.toMatchObject({ code: "KEY_DISABLED" });
  });

  test("a key that was deleted meanwhile, and a version that may no longer sign", async () => {
    const key = newVaultKey("ecdsa-p256");
    vault.keys.set("/transit/release", key);
    await using signer = await openHostedSigner(await keyOf());
    key.deleted = true;
    await expect(signer.sign(MESSAGE)).rejects.toMatchObject({ code: "KEY_DISABLED" });
    key.deleted = false;
    vault.rotate("/transit/release");
    key.minEncryptionVersion = 2;
    await expect(signer.sign(MESSAGE)).rejects.toMatchObject({
      code: "KEY_SIGN_FAILED",
      message: expect.stringContaining("less than the minimum encryption key version"),
    });
  });

  test("a key that encrypts, and one that is derived from a context", async () => {
    vault.keys.set("/transit/release", newVaultKey("aes256-gcm96"));
    await expect(read()).rejects.toMatchObject({
      code: "KEY_UNSUPPORTED",
      message: expect.stringContaining("aes256-gcm96"),
    });
    vault.keys.set("/transit/release", { ...newVaultKey("ed25519"), derived: true });
    await expect(read()).rejects.toMatchObject({ code: "KEY_UNSUPPORTED" });
  });

  test("everything, while it is sealed: asked again, then said", async () => {
    vault.isSealed = true;
    await expect(read()).rejects.toMatchObject({
      code: "KEY_SERVICE_UNAVAILABLE",
      message: expect.stringContaining("Vault is sealed"),
      hint: expect.stringContaining("Unseal it"),
    });
    expect(vault.requests.length).toBeGreaterThan(1);
  });

  test("nothing any more, once it is unsealed", async () => {
    let left = 2;
    vault.fault = () =>
      left-- > 0 ? Response.json({ errors: ["Vault is sealed"] }, { status: 503 }) : undefined;
    expect((await read()).type).toBe("ecdsa-p256");
  });

  test("requests over its quota are asked again; in the end it is said", async () => {
    let left = 3;
    vault.fault = () =>
      left-- > 0
        ? Response.json({ errors: ["request path: rate limit quota exceeded"] }, { status: 429 })
        : undefined;
    expect(await signOnce()).toBeInstanceOf(Uint8Array);
    left = 1000;
    await expect(read()).rejects.toMatchObject({ code: "KEY_SERVICE_RATE_LIMITED" });
  });
});

describe("what answers in Vault's place", () => {
  const answer = (body: string | object, status = 200) => {
    vault.fault = (request) =>
      request.method === "GET" && typeof body === "string"
        ? new Response(body, { status })
        : request.method === "GET"
          ? Response.json(body, { status })
          : undefined;
  };

  test("a page", async () => {
    answer("<html>Log in, please</html>");
    await expect(read()).rejects.toMatchObject({ code: "KEY_SERVICE_PROTOCOL" });
    answer("<html>Nothing here</html>", 404);
    await expect(read()).rejects.toMatchObject({ code: "KEY_NOT_FOUND" });
  });

  test("a key without what keys have", async () => {
    const { versions } = newVaultKey("ecdsa-p256");
    for (const data of [
      null,
      {},
      { type: "ecdsa-p256", latest_version: 1 },
      { type: "ecdsa-p256", latest_version: "1", keys: {} },
      { type: "ecdsa-p256", latest_version: 0, keys: {} },
      { type: "ed25519", latest_version: 1, keys: { 1: { public_key: "AAAA" } } },
    ]) {
      answer({ data });
      await expect(read()).rejects.toMatchObject({ code: "KEY_SERVICE_PROTOCOL" });
    }
    answer({ data: { type: "ecdsa-p256", latest_version: 2, keys: {} } });
    await expect(read()).rejects.toMatchObject({ code: "KEY_NOT_FOUND" });
    answer({
      data: { type: "ecdsa-p256", latest_version: 1, keys: { 1: { public_key: "no PEM" } } },
    });
    await expect(read()).rejects.toMatchObject({ code: "KEY_INVALID" });
    expect(versions).toHaveLength(1);
  });

  test("no signature, or none by this key and version", async () => {
    const foreign = sign(
      "sha256",
      MESSAGE,
      generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
    );
    await using signer = await openHostedSigner(await keyOf());
    for (const [signature, code] of [
      [undefined, "KEY_SERVICE_PROTOCOL"],
      [7, "KEY_SERVICE_PROTOCOL"],
      [foreign.toString("base64"), "KEY_SERVICE_PROTOCOL"],
      ["vault:v1:", "KEY_SERVICE_PROTOCOL"],
      ["vault:v1:A", "KEY_SERVICE_PROTOCOL"],
      [`vault:v2:${foreign.toString("base64")}`, "KEY_SERVICE_PROTOCOL"],
      [`vault:v1:${foreign.toString("base64")}`, "KEY_SIGN_FAILED"],
    ] as const) {
      vault.fault = () => Response.json({ data: { signature } });
      await expect(signer.sign(MESSAGE)).rejects.toMatchObject({ code });
    }
  });

  test("errors with the token in them: it is not shown", async () => {
    vault.fault = () =>
      Response.json({ errors: [`token ${SECRET} is not welcome`] }, { status: 403 });
    await expect(read()).rejects.toMatchObject({
      message: expect.stringContaining("token REDACTED is not welcome"),
    });
  });

  test("the active node, named by a standby", async () => {
    await using active = startVault();
    active.tokens.set(SECRET, {});
    active.keys.set("/transit/release", newVaultKey("rsa-2048"));
    vault.fault = (request) => {
      const { pathname } = new URL(request.url);
      return new Response(null, { status: 307, headers: { location: active.url + pathname } });
    };
    expect((await read()).type).toBe("rsa-2048");
    // Once: a circle ends.
    active.fault = vault.fault;
    await expect(read()).rejects.toMatchObject({ code: "KEY_SERVICE_PROTOCOL" });
  });

  test("nothing", async () => {
    await vault[Symbol.asyncDispose]();
    await expect(read()).rejects.toMatchObject({ code: "KEY_SERVICE_UNAVAILABLE" });
  });
});
