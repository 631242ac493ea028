import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cloudRegistry, DIGEST, readFrom } from "../../support/cloud_registry.ts";
import { type FarHost, startFarHosts } from "../../support/far_hosts.ts";

const HOST = "myteam.azurecr.io";
const TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const CLIENT = "11111111-2222-3333-4444-555555555555";
const SECRET = "secret-of-the-principal";
const ENTRA_TOKEN = "eyJ0eXAi.entra";
const REFRESH_TOKEN = "eyJhbGci.refresh";
const NOBODY_AT_HOME = { AZURE_POD_IDENTITY_AUTHORITY_HOST: "http://127.0.0.1:1" };
const principal = { AZURE_TENANT_ID: TENANT, AZURE_CLIENT_ID: CLIENT, AZURE_CLIENT_SECRET: SECRET };

/** Entra ID as its v2.0 endpoint answers ("OAuth 2.0 client credentials flow"). */
const entra =
  (
    proof: Readonly<Record<string, string>>,
    scope = "https://management.azure.com/.default",
  ): FarHost =>
  async (request) => {
    const form = Object.fromEntries(new URLSearchParams(await request.text()));
    const wanted = { grant_type: "client_credentials", client_id: CLIENT, scope, ...proof };
    const isKnown = Bun.deepEquals(form, wanted);
    if (new URL(request.url).pathname !== `/${TENANT}/oauth2/v2.0/token` || !isKnown) {
      return Response.json(
        {
          error: "invalid_client",
          error_description: "AADSTS7000215: Invalid client secret provided.\r\nTrace",
        },
        { status: 401 },
      );
    }
    return Response.json({ token_type: "Bearer", expires_in: 3599, access_token: ENTRA_TOKEN });
  };

/** ACR as "Authenticate with Azure Container Registry" has it: `/oauth2/exchange`, then `/oauth2/token`. */
function acr(name = HOST) {
  const registry = cloudRegistry(name, "bearer", { refreshToken: REFRESH_TOKEN });
  const exchanges: Record<string, string>[] = [];
  const host: FarHost = async (request) => {
    if (new URL(request.url).pathname !== "/oauth2/exchange") return await registry.host(request);
    const form = Object.fromEntries(new URLSearchParams(await request.text()));
    exchanges.push(form);
    const { grant_type: grant, service, access_token: token } = form;
    return grant === "access_token" && service === name && token === ENTRA_TOKEN
      ? Response.json({ refresh_token: REFRESH_TOKEN })
      : Response.json({ errors: [{ code: "UNAUTHORIZED" }] }, { status: 401 });
  };
  return { host, exchanges, shown: registry.shown };
}

describe("the log-in to ACR", () => {
  test("exchanges the token of a service principal", async () => {
    const { host, exchanges } = acr();
    const login = entra({ client_secret: SECRET });
    await using far = await startFarHosts({ [HOST]: host, "login.microsoftonline.com": login });
    expect(await readFrom(HOST, { ...far.env, ...principal })).toBe(DIGEST);
    expect(exchanges).toEqual([
      { grant_type: "access_token", service: HOST, tenant: TENANT, access_token: ENTRA_TOKEN },
    ]);
  });

  test("exchanges the token of a workload identity, in another cloud too", async () => {
    const folder = mkdtempSync(join(tmpdir(), "azure-"));
    writeFileSync(join(folder, "token"), "eyJ.assertion\n");
    const name = "myteam.azurecr.cn";
    const { host } = acr(name);
    const proof = {
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: "eyJ.assertion",
    };
    const login = entra(proof, "https://management.chinacloudapi.cn/.default");
    await using far = await startFarHosts({ [name]: host, "login.chinacloudapi.cn": login });
    const env = {
      ...principal,
      AZURE_CLIENT_SECRET: undefined,
      AZURE_FEDERATED_TOKEN_FILE: join(folder, "token"),
      AZURE_AUTHORITY_HOST: "https://login.chinacloudapi.cn/",
    };
    expect(await readFrom(name, { ...far.env, ...env })).toBe(DIGEST);
    rmSync(folder, { recursive: true });
  });

  test("exchanges the token of a managed identity: of a machine, of App Service", async () => {
    const asked: string[] = [];
    const machine = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: ({ url, headers }) => {
        const { pathname, searchParams } = new URL(url);
        const isMachine = headers.get("metadata") === "true";
        if (!isMachine && headers.get("x-identity-header") !== "header-of-the-app") {
          return Response.json({ error: "invalid_request" }, { status: 400 });
        }
        asked.push(
          `${pathname} ${searchParams.get("api-version")} ${searchParams.get("resource")}`,
        );
        return Response.json({ access_token: ENTRA_TOKEN, token_type: "Bearer" });
      },
    });
    const { host } = acr();
    await using far = await startFarHosts({ [HOST]: host });
    const at = `http://127.0.0.1:${machine.port}`;
    for (const env of [
      { AZURE_POD_IDENTITY_AUTHORITY_HOST: at },
      { IDENTITY_ENDPOINT: `${at}/msi/token`, IDENTITY_HEADER: "header-of-the-app" },
    ]) {
      expect(await readFrom(HOST, { ...far.env, ...env })).toBe(DIGEST);
    }
    await machine.stop(true);
    expect(asked).toEqual([
      "/metadata/identity/oauth2/token 2018-02-01 https://management.azure.com/",
      "/msi/token 2019-08-01 https://management.azure.com/",
    ]);
  });

  test("is none outside of Azure", async () => {
    const { host, exchanges, shown } = acr();
    await using far = await startFarHosts({ [HOST]: host });
    await expect(readFrom(HOST, { ...far.env, ...NOBODY_AT_HOME })).rejects.toMatchObject({
      code: "REGISTRY_AUTH",
    });
    expect([exchanges, shown.filter((authorization) => authorization !== "")]).toEqual([[], []]);
  });

  test("happens nowhere else", async () => {
    const name = "myteam.azurecr.io.evil.example";
    const { host, exchanges } = acr(name);
    const login = entra({ client_secret: SECRET });
    await using far = await startFarHosts({ [name]: host, "login.microsoftonline.com": login });
    await expect(readFrom(name, { ...far.env, ...principal })).rejects.toMatchObject({
      code: "REGISTRY_AUTH",
    });
    expect(exchanges).toEqual([]);
    expect(far.asked).not.toContain("login.microsoftonline.com");
  });

  test("that is refused says by whom, and shows no secret", async () => {
    const { host } = acr();
    const login = entra({ client_secret: "another" });
    await using far = await startFarHosts({ [HOST]: host, "login.microsoftonline.com": login });
    const error = await readFrom(HOST, { ...far.env, ...principal }).catch((thrown) => thrown);
    expect(error).toMatchObject({
      code: "CREDENTIALS_INVALID",
      message: expect.stringContaining("AADSTS7000215"),
      hint: expect.stringContaining("AZURE_CLIENT_ID"),
    });
    expect(String(error)).not.toContain(SECRET);
  });
});
