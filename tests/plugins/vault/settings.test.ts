import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readHostedPublicKey } from "../../../engine/keys/hosted.ts";
import type { PluginWorld } from "../../../engine/plugin_host/plugin_call.ts";
import { builtinKey } from "../../support/builtin_key.ts";
import { requires } from "../../support/requires.ts";
import { makeCertificates } from "../../support/tls_front.ts";
import { newVaultKey, startVault, type VaultServer } from "../../support/vault_server.ts";

let vault: VaultServer;
let home: string;
let warnings: string[];

beforeEach(() => {
  vault = startVault();
  vault.keys.set("/transit/release", newVaultKey("ecdsa-p256"));
  home = mkdtempSync(join(tmpdir(), "vault-home-"));
  warnings = [];
});
afterEach(async () => {
  await vault[Symbol.asyncDispose]();
  rmSync(home, { recursive: true });
});

const read = async (env: PluginWorld["env"]) => {
  const warn = (line: string): void => void warnings.push(line);
  const key = await builtinKey("hashivault://release", { env: { HOME: home, ...env }, warn });
  return await readHostedPublicKey(key);
};
const header = (name: string): string | null | undefined =>
  vault.requests.at(-1)?.headers.get(name);

describe("where Vault is", () => {
  test("must be said", async () => {
    await expect(read({ VAULT_TOKEN: "root" })).rejects.toMatchObject({
      code: "USAGE",
      message: expect.stringContaining("VAULT_ADDR or BAO_ADDR is not set"),
    });
    for (const address of ["vault:8200", "unix:///run/vault", "https://", "https://u:p@h/", "x"]) {
      await expect(read({ VAULT_ADDR: address, VAULT_TOKEN: "root" })).rejects.toMatchObject({
        code: "USAGE",
        message: expect.not.stringContaining("u:p"),
      });
    }
  });

  test("may have a path before Vault's own", async () => {
    vault.fault = (request) => {
      const { pathname } = new URL(request.url);
      return new Response(null, { status: pathname === "/in/v1/transit/keys/release" ? 418 : 500 });
    };
    await expect(
      read({ VAULT_ADDR: `${vault.url}/in/`, VAULT_TOKEN: "root" }),
    ).rejects.toMatchObject({ message: expect.stringContaining("418") });
  });

  test("VAULT_ goes before BAO_, as in cosign; what is empty is unset", async () => {
    const env = { VAULT_ADDR: vault.url, BAO_ADDR: "http://127.0.0.1:9", VAULT_TOKEN: "" };
    expect((await read({ ...env, BAO_TOKEN: "root" })).type).toBe("ecdsa-p256");
  });

  test("the namespace goes with every request", async () => {
    vault.namespaces.add("a/b");
    vault.engines.add("a/b/transit");
    vault.keys.set("a/b/transit/release", newVaultKey("ed25519"));
    const env = { VAULT_ADDR: vault.url, VAULT_TOKEN: "root", VAULT_NAMESPACE: "a/b" };
    expect((await read(env)).type).toBe("ed25519");
    expect(header("x-vault-namespace")).toBe("a/b");
    expect(header("x-vault-request")).toBe("true");
  });

  test("VAULT_CLIENT_TIMEOUT ends what takes longer", async () => {
    vault.fault = () => new Promise(() => {});
    const env = { VAULT_ADDR: vault.url, VAULT_TOKEN: "root" };
    await expect(read({ ...env, VAULT_CLIENT_TIMEOUT: "20ms" })).rejects.toMatchObject({
      code: "KEY_SERVICE_UNAVAILABLE",
      message: expect.stringContaining("20 ms"),
    });
    await expect(read({ ...env, VAULT_CLIENT_TIMEOUT: "soon" })).rejects.toMatchObject({
      code: "USAGE",
    });
  });
});

describe("the token", () => {
  const env = (): Record<string, string> => ({ VAULT_ADDR: vault.url });

  test("must be somewhere", async () => {
    await expect(read(env())).rejects.toMatchObject({
      code: "KEY_SERVICE_AUTH",
      hint: expect.stringContaining("VAULT_TOKEN"),
    });
    expect(vault.requests).toEqual([]);
  });

  test("may lie in ~/.vault-token, without the end of its line", async () => {
    writeFileSync(join(home, ".vault-token"), "root\n");
    expect((await read(env())).type).toBe("ecdsa-p256");
    writeFileSync(join(home, "other"), "root");
    writeFileSync(join(home, ".vault-token"), "wrong");
    expect((await read({ ...env(), BAO_TOKEN_PATH: join(home, "other") })).type).toBe("ecdsa-p256");
  });

  test("of the environment goes before the file", async () => {
    writeFileSync(join(home, ".vault-token"), "root");
    vault.tokens.set("mine", {});
    await read({ ...env(), VAULT_TOKEN: "mine" });
    expect(header("x-vault-token")).toBe("mine");
  });

  test("may come from a token helper, which goes before the file", async () => {
    const helper = join(home, "helper");
    writeFileSync(helper, '#!/bin/sh\n[ "$1" = get ] && printf root\n');
    chmodSync(helper, 0o755);
    writeFileSync(join(home, ".vault"), `# mine\ntoken_helper = "${helper}"\n`);
    writeFileSync(join(home, ".vault-token"), "wrong");
    expect((await read(env())).type).toBe("ecdsa-p256");
    writeFileSync(helper, "#!/bin/sh\necho 'locked' >&2; exit 3\n");
    await expect(read(env())).rejects.toMatchObject({
      code: "KEY_SERVICE_AUTH",
      message: expect.stringContaining("token helper"),
    });
  });

  test("that could break a header is refused before it is sent", async () => {
    await expect(read({ ...env(), VAULT_TOKEN: "a\r\nX-Evil: 1" })).rejects.toMatchObject({
      code: "KEY_SERVICE_AUTH",
      message: expect.not.stringContaining("X-Evil"),
    });
    expect(vault.requests).toEqual([]);
  });
});

describe("certificates", () => {
  const testTls = requires("openssl");

  testTls("are trusted by VAULT_CACERT, VAULT_CACERT_BYTES and VAULT_CAPATH", async () => {
    const files = makeCertificates(home);
    await using secure = startVault({
      tls: {
        cert: await readFile(files.certificate, "utf8"),
        key: await readFile(files.key, "utf8"),
      },
    });
    secure.keys.set("/transit/release", newVaultKey("ecdsa-p256"));
    const env = { VAULT_ADDR: secure.url, VAULT_TOKEN: "root" };
    await expect(read(env)).rejects.toMatchObject({ code: "KEY_SERVICE_UNAVAILABLE" });
    const authority = await readFile(files.ca, "utf8");
    const folder = join(home, "authorities");
    mkdirSync(folder);
    writeFileSync(join(folder, "ca.pem"), authority);
    writeFileSync(join(folder, "README"), "no certificate");
    for (const how of [
      { VAULT_CACERT: files.ca },
      { VAULT_CACERT_BYTES: authority },
      { BAO_CAPATH: folder },
    ]) {
      expect((await read({ ...env, ...how })).type).toBe("ecdsa-p256");
    }
    expect(warnings).toEqual([]);
    expect((await read({ ...env, VAULT_SKIP_VERIFY: "true" })).type).toBe("ecdsa-p256");
    expect(warnings).toEqual(["VAULT_SKIP_VERIFY: the certificate of the server is not checked"]);
    await expect(read({ ...env, VAULT_SKIP_VERIFY: "false" })).rejects.toMatchObject({
      code: "KEY_SERVICE_UNAVAILABLE",
    });
  });

  test("that cannot be read", async () => {
    const env = { VAULT_ADDR: vault.url, VAULT_TOKEN: "root" };
    for (const how of [{ VAULT_CACERT: "/nowhere/ca.pem" }, { VAULT_CAPATH: "/nowhere" }]) {
      await expect(read({ ...env, ...how })).rejects.toMatchObject({ code: "FILE_READ" });
    }
  });
});
