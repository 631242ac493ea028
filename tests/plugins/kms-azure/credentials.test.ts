import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readHostedPublicKey } from "../../../engine/keys/hosted.ts";
import { type AzureServer, newAzureKey, startAzure } from "../../support/azure_vault_server.ts";
import { builtinKey } from "../../support/builtin_key.ts";
import { setEnvironment } from "../../support/environment.ts";

const CLIENT = "99999999-8888-7777-6666-555555555555";

let azure: AzureServer;
let folder: string;
let restore = (): void => {};

beforeEach(async () => {
  await start();
});
afterEach(async () => {
  await stop();
});

async function start(authority?: string): Promise<void> {
  azure = await startAzure(authority);
  azure.applications.set(CLIENT, "secret");
  azure.keys.set("release", [newAzureKey("EC", "P-256")]);
  folder = mkdtempSync(join(tmpdir(), "azure-"));
  // Nobody looks for the metadata of this machine, nor for programs that it may have.
  restore = setEnvironment("AZURE_", {
    AZURE_TENANT_ID: azure.tenant,
    AZURE_TOKEN_CREDENTIALS: "EnvironmentCredential",
    PATH: `${folder}:/usr/bin:/bin`,
  });
}

async function stop(): Promise<void> {
  restore();
  rmSync(folder, { recursive: true });
  await azure[Symbol.asyncDispose]();
}

const read = async () =>
  await readHostedPublicKey(
    await builtinKey(`azurekms://${azure.vaultHost}/release`, {
      env: { ...process.env, ...azure.env },
    }),
  );

describe("the credentials for Azure Key Vault", () => {
  test("of an application, with its secret", async () => {
    Object.assign(process.env, { AZURE_CLIENT_ID: CLIENT, AZURE_CLIENT_SECRET: "secret" });
    expect((await read()).type).toBe("ecdsa-p256");
    expect(azure.asked).toContain("login.microsoftonline.com");
  });

  test("of an application in another cloud, by AZURE_ENVIRONMENT", async () => {
    await stop();
    await start("login.microsoftonline.us");
    Object.assign(process.env, { AZURE_CLIENT_ID: CLIENT, AZURE_CLIENT_SECRET: "secret" });
    process.env["AZURE_ENVIRONMENT"] = "AZUREUSGOVERNMENT";
    expect((await read()).type).toBe("ecdsa-p256");
    expect(azure.asked).toContain("login.microsoftonline.us");
    expect(azure.asked).not.toContain("login.microsoftonline.com");
  });

  test("of a workload: its token is read of the file and exchanged", async () => {
    const token = join(folder, "token");
    writeFileSync(token, "token-of-the-workload");
    azure.federated.add("token-of-the-workload");
    Object.assign(process.env, {
      AZURE_TOKEN_CREDENTIALS: "WorkloadIdentityCredential",
      AZURE_CLIENT_ID: CLIENT,
      AZURE_FEDERATED_TOKEN_FILE: token,
    });
    expect((await read()).type).toBe("ecdsa-p256");
  });

  test("of the machine: its metadata are asked through the engine too", async () => {
    const seen: string[] = [];
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request) => {
        const { pathname, searchParams } = new URL(request.url);
        seen.push(`${pathname} ${searchParams.get("resource")} ${request.headers.get("metadata")}`);
        return Response.json({
          access_token: azure.newToken(),
          expires_in: "3599",
          expires_on: `${Math.floor(Date.now() / 1000) + 3599}`,
          resource: searchParams.get("resource"),
          token_type: "Bearer",
        });
      },
    });
    Object.assign(process.env, {
      AZURE_TOKEN_CREDENTIALS: "ManagedIdentityCredential",
      AZURE_POD_IDENTITY_AUTHORITY_HOST: `http://127.0.0.1:${server.port}`,
    });
    try {
      expect((await read()).type).toBe("ecdsa-p256");
      expect(seen).toEqual([
        expect.stringMatching(
          /^\/metadata\/identity\/oauth2\/token\/? https:\/\/vault\.azure\.net true$/,
        ),
      ]);
    } finally {
      await server.stop(true);
    }
  });

  test("of a person who has logged in with az; AZURE_AUTH_METHOD=cli takes no other", async () => {
    const expires = new Date(Date.now() + 3_600_000);
    const answer = {
      accessToken: azure.newToken(),
      expiresOn: expires.toISOString(),
      expires_on: Math.floor(expires.getTime() / 1000),
      tenant: azure.tenant,
      tokenType: "Bearer",
    };
    const program = join(folder, "az");
    writeFileSync(
      program,
      `#!/bin/sh\necho "$@" >'${folder}/asked'\ncat <<END\n${JSON.stringify(answer)}\nEND\n`,
    );
    chmodSync(program, 0o755);
    process.env["AZURE_AUTH_METHOD"] = "cli";
    expect((await read()).type).toBe("ecdsa-p256");
    expect(await Bun.file(join(folder, "asked")).text()).toContain("https://vault.azure.net");
    expect(azure.count("token")).toBe(0);
  });

  test("of nowhere: the error names the ways to log in", async () => {
    for (const method of ["environment", "cli", ""]) {
      process.env["AZURE_AUTH_METHOD"] = method;
      await expect(read()).rejects.toMatchObject({
        code: "KEY_SERVICE_AUTH",
        hint: expect.stringContaining("az login"),
      });
    }
  });

  test("are asked for again where the trouble may pass; that nobody gives them is said", async () => {
    Object.assign(process.env, { AZURE_CLIENT_ID: CLIENT, AZURE_CLIENT_SECRET: "secret" });
    let left = 2;
    azure.fault = (method) =>
      method === "token" && left-- > 0 ? new Response(null, { status: 503 }) : undefined;
    expect((await read()).type).toBe("ecdsa-p256");
    left = 1000;
    await expect(read()).rejects.toMatchObject({
      code: "KEY_SERVICE_UNAVAILABLE",
      message: expect.stringMatching(/"login\.microsoftonline\.com": it answers HTTP 503/),
    });
  });
});
