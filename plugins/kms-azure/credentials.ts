import type { HttpClient } from "@azure/core-rest-pipeline";
import type { TokenCredential } from "@azure/identity";
import type { PluginContext } from "../../engine/plugin_host/contract.ts";

/** Who gives tokens in the clouds that `AZURE_ENVIRONMENT` names; else it is `AZURE_AUTHORITY_HOST`, or the public one. */
const AUTHORITIES: Readonly<Record<string, string>> = {
  AZUREUSGOVERNMENT: "https://login.microsoftonline.us",
  AZUREUSGOVERNMENTCLOUD: "https://login.microsoftonline.us",
  AZURECHINACLOUD: "https://login.chinacloudapi.cn",
  AZURECLOUD: "https://login.microsoftonline.com",
  AZUREPUBLICCLOUD: "https://login.microsoftonline.com",
};

/**
 * Makes the SDK's chain of credentials: environment, workload identity, managed identity, the command-line
 * programs of Azure. `AZURE_AUTH_METHOD` (cosign's until 2.4) takes one of them: `environment` or `cli`.
 */
export async function makeCredential(
  httpClient: HttpClient,
  context: PluginContext,
): Promise<TokenCredential> {
  const identity = await import("@azure/identity");
  const { AZURE_ENVIRONMENT: cloud = "", AZURE_AUTH_METHOD: method } = context.env;
  const authorityHost = Object.hasOwn(AUTHORITIES, cloud) ? AUTHORITIES[cloud] : undefined;
  const options = {
    httpClient,
    retryOptions: { maxRetries: 0 }, // fetch has done it
    ...(authorityHost === undefined ? {} : { authorityHost }),
  };
  if (method === "environment") return new identity.EnvironmentCredential(options);
  if (method === "cli") return new identity.AzureCliCredential(options);
  return new identity.DefaultAzureCredential(options);
}
