import * as v from "valibot";
import {
  CosignError,
  type PluginContext,
  type PluginModule,
  type RegistryLogin,
} from "../../engine/plugin_host/contract.ts";
import { entraToken } from "./entra.ts";

/** The clouds of Azure by the ends of their registries' names: what a token must be for. */
const RESOURCES: Readonly<Record<string, string>> = {
  "azurecr.io": "https://management.azure.com/",
  "azurecr.cn": "https://management.chinacloudapi.cn/",
  "azurecr.us": "https://management.usgovcloudapi.net/",
};
const HOST = /^[a-z0-9]{5,50}(?:-[a-z0-9]+)?\.(azurecr\.(?:io|cn|us))$/;
/** Refresh tokens hold three hours. */
const KEPT_MS = 2 * 60 * 60_000;
const answerSchema = v.looseObject({ refresh_token: v.pipe(v.string(), v.minLength(1)) });

/** Logs in to ACR: a token of Entra ID is exchanged for a refresh token of the registry. */
const acr: RegistryLogin = {
  logIn: async (host, context) => {
    const resource = RESOURCES[HOST.exec(host)?.[1] ?? ""];
    if (resource === undefined) return undefined;
    const token = await entraToken(resource, context);
    if (token === undefined) return undefined;
    const refreshToken = await exchange(host, token, context);
    context.secret(refreshToken);
    return {
      credentials: { kind: "identity", token: refreshToken },
      expiresAtMs: Date.now() + KEPT_MS,
    };
  },
};

async function exchange(host: string, token: string, context: PluginContext): Promise<string> {
  const { AZURE_TENANT_ID: tenant } = context.env;
  const response = await context.fetch(`https://${host}/oauth2/exchange`, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({
      grant_type: "access_token",
      service: host,
      ...(tenant ? { tenant } : {}),
      access_token: token,
    }).toString(),
  });
  const text = await response.text();
  if (!response.ok) {
    const code = response.status >= 500 ? "KEY_SERVICE_UNAVAILABLE" : "KEY_DENIED";
    throw new CosignError(code, `The registry answers HTTP ${response.status} to our token`, {
      hint: "The identity needs the role AcrPull (AcrPush for signatures) on the registry",
    });
  }
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), answerSchema), text);
  if (parsed.success) return parsed.output.refresh_token;
  throw new CosignError("KEY_SERVICE_PROTOCOL", "The registry's answer holds no refresh token");
}

/** The registries of Azure. */
export const plugin: PluginModule = { registries: acr };
