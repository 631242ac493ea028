import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  createHostedKey,
  openHostedSigner,
  readHostedPublicKey,
} from "../../../engine/keys/hosted.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import { derSignature } from "../../../plugins/kms-azure/ecdsa.ts";
import { type AzureServer, newAzureKey, startAzure } from "../../support/azure_vault_server.ts";
import { builtinKey } from "../../support/builtin_key.ts";
import { setEnvironment } from "../../support/environment.ts";

const MESSAGE = utf8("a message");
const CLIENT = "99999999-8888-7777-6666-555555555555";

let azure: AzureServer;
let restore = (): void => {};
let warnings: string[] = [];
let uri: string;

beforeEach(async () => {
  azure = await startAzure();
  azure.applications.set(CLIENT, "secret");
  azure.keys.set("release", [newAzureKey("EC", "P-256")]);
  uri = `azurekms://${azure.vaultHost}/release`;
  warnings = [];
  restore = setEnvironment("AZURE_", {
    AZURE_TENANT_ID: azure.tenant,
    AZURE_CLIENT_ID: CLIENT,
    AZURE_CLIENT_SECRET: "secret",
    AZURE_TOKEN_CREDENTIALS: "EnvironmentCredential",
  });
});
afterEach(async () => {
  restore();
  await azure[Symbol.asyncDispose]();
});

const keyOf = (name = uri) =>
  builtinKey(name, { env: { ...process.env, ...azure.env }, warn: (line) => warnings.push(line) });
const read = async (name?: string) => await readHostedPublicKey(await keyOf(name));
const asked = (): readonly string[] =>
  azure.requests.map(({ method, status }) => `${method} ${status}`);

describe("keys of Azure Key Vault", () => {
  test("a challenge, one token, one request for the key, and one for each signature", async () => {
    await using signer = await openHostedSigner(await keyOf());
    for (let i = 0; i < 3; i++) await signer.sign(MESSAGE);
    expect(asked()).toEqual([
      ...["getKey 401", "token 200", "getKey 200"],
      ...["sign 401", "sign 200", "sign 200", "sign 200"],
    ]);
  });

  test("a rotation on the way does not part a signature from the public key that was read", async () => {
    await using signer = await openHostedSigner(await keyOf());
    azure.keys.get("release")?.push(newAzureKey("EC", "P-256"));
    await signer.sign(MESSAGE); // checked with the public key
    expect((await read()).spki).not.toEqual(signer.publicKey.spki);
  });

  test("a new key is as cosign makes it", async () => {
    const bodies: string[] = [];
    azure.fault = async (method, request) => {
      const text = await request.clone().text();
      if (method === "createKey" && text !== "") bodies.push(text);
      return undefined;
    };
    expect((await createHostedKey(await keyOf(`${uri}-2`))).type).toBe("ecdsa-p256");
    expect(bodies.map((body) => JSON.parse(body))).toEqual([
      {
        kty: "EC",
        crv: "P-256",
        key_ops: ["sign", "verify"],
        attributes: { enabled: true },
        tags: { use: "sigstore" },
      },
    ]);
    expect((await createHostedKey(await keyOf(`${uri}-3`), "rsa-3072")).type).toBe("rsa-3072");
  });

  test("a key that is there is left as it is; Ed25519 is not to be had", async () => {
    const before = await read();
    expect((await createHostedKey(await keyOf())).spki).toEqual(before.spki);
    expect(warnings).toEqual([`Key "${uri}" exists already: it is left as it is`]);
    await expect(createHostedKey(await keyOf(`${uri}-2`), "ed25519")).rejects.toMatchObject({
      code: "KEY_UNSUPPORTED",
    });
    expect(azure.count("createKey")).toBe(0);
  });

  test("creations are not repeated, whatever the trouble", async () => {
    azure.fault = (method) =>
      method === "createKey"
        ? new Response("<html>Bad gateway</html>", { status: 502 })
        : undefined;
    await expect(createHostedKey(await keyOf(`${uri}-2`))).rejects.toMatchObject({
      code: "KEY_SERVICE_UNAVAILABLE",
    });
    expect(azure.count("createKey")).toBe(1);
  });

  test("faults of the vault are asked again, by us only", async () => {
    let left = 2;
    azure.fault = (method) =>
      method === "getKey" && left-- > 0 ? new Response(null, { status: 500 }) : undefined;
    expect((await read()).type).toBe("ecdsa-p256");
    left = 1000;
    const before = azure.count("getKey");
    await expect(read()).rejects.toMatchObject({ code: "KEY_SERVICE_UNAVAILABLE" });
    expect(azure.count("getKey") - before).toBe(6);
  });

  test("URIs are those that cosign takes", async () => {
    const [version] = azure.keys.get("release") ?? [];
    for (const end of ["", "/", `/${version?.id}`]) {
      expect((await read(`${uri}${end}`)).type).toBe("ecdsa-p256");
    }
    for (const name of [
      "azurekms://",
      "azurekms://vault.azure.net",
      "azurekms:///release",
      `${uri}/ABC`,
      `${uri}/a/b`,
      `${uri}?x=y`,
      "azurekms://user@release-keys.vault.azure.net/release",
      "azurekms://release-keys.vault.azure.net/..",
    ]) {
      await expect(read(name)).rejects.toMatchObject({
        code: "USAGE",
        message: expect.stringContaining("kms specification should be in the format azurekms://"),
      });
    }
  });
});

describe("what answers in Key Vault's place", () => {
  const answer = (method: string, value: unknown, status = 200): void => {
    azure.fault = (asked, request) =>
      asked === method && request.headers.has("authorization")
        ? Response.json(value, { status })
        : undefined;
  };

  test("no key", async () => {
    for (const value of [
      {},
      { key: { kid: `https://${azure.vaultHost}/keys/release/1`, kty: "EC", crv: "P-256" } },
      { key: { kid: `https://${azure.vaultHost}/keys/release/1`, kty: "RSA", n: "AA", e: "AQAB" } },
    ]) {
      answer("getKey", value);
      await expect(read()).rejects.toMatchObject({
        code: expect.stringMatching(
          /^(?:KEY_SERVICE_PROTOCOL|KEY_WEAK|KEY_INVALID|KEY_UNSUPPORTED)$/,
        ),
      });
    }
  });

  test("no signature", async () => {
    await using signer = await openHostedSigner(await keyOf());
    const kid = `https://${azure.vaultHost}/keys/release/1`;
    for (const value of ["", "AAAA", Buffer.alloc(63).toString("base64url")]) {
      answer("sign", { kid, value });
      await expect(signer.sign(MESSAGE)).rejects.toMatchObject({ code: "KEY_SERVICE_PROTOCOL" });
    }
    answer("sign", { kid, value: Buffer.alloc(64, 7).toString("base64url") });
    await expect(signer.sign(MESSAGE)).rejects.toMatchObject({ code: "KEY_SIGN_FAILED" });
  });

  test("a server that wants the token for another one gets none", async () => {
    azure.resource = "https://vault.example.com";
    await expect(read()).rejects.toMatchObject({
      code: "KEY_SERVICE_PROTOCOL",
      hint: expect.stringContaining("it gets none"),
    });
    expect(azure.count("token")).toBe(0);
  });
});

test("derSignature() encodes numbers without superfluous zeros, and positive", () => {
  const raw = (r: readonly number[], s: readonly number[]): Uint8Array => {
    const bytes = new Uint8Array(64);
    bytes.set(r, 32 - r.length);
    bytes.set(s, 64 - s.length);
    return bytes;
  };
  expect(derSignature(raw([1], [2]), 32).toHex()).toBe("3006020101020102");
  expect(derSignature(raw([0x80], [0x7f]), 32).toHex()).toBe("300702020080" + "02017f");
  expect(derSignature(raw([], []), 32).toHex()).toBe("3006020100020100");
  expect(() => derSignature(new Uint8Array(65), 32)).toThrow(SyntaxError);
  const full = derSignature(new Uint8Array(132).fill(0xff), 66);
  expect([...full.subarray(0, 6)]).toEqual([0x30, 0x81, 138, 0x02, 67, 0]);
});
