import type { CryptographyClient, KeyClient, KeyVaultKey } from "@azure/keyvault-keys";
import type { CosignError, PluginContext } from "../../engine/plugin_host/contract.ts";
import { makeCredential } from "./credentials.ts";
import type { AzureKeyName } from "./key_uri.ts";
import { type Purpose, refusal } from "./refusal.ts";
import { sdkTransport } from "./transport.ts";

/** A vault, to somebody with credentials. */
export interface KeyVault {
  readonly client: KeyClient;
  /** Signs with one version of a key. */
  readonly signer: (key: KeyVaultKey) => CryptographyClient;
  /** What the SDK threw, as the engine says it. */
  readonly refusal: (error: unknown, purpose: Purpose) => CosignError;
}

/**
 * Makes a client for a vault. Nothing is asked of it yet. The vault says by a challenge whose tokens it takes
 * and for what: the SDK checks that this is the vault's own domain before it asks for one.
 */
export async function openKeyVault(
  { vaultUrl }: AzureKeyName,
  context: PluginContext,
): Promise<KeyVault> {
  const [keys, pipeline] = await Promise.all([
    import("@azure/keyvault-keys"),
    import("@azure/core-rest-pipeline"),
  ]);
  const { httpClient, lastFault } = sdkTransport(pipeline, context);
  const credential = await makeCredential(httpClient, context);
  const options = { httpClient, retryOptions: { maxRetries: 0 } }; // fetch has done it
  return {
    client: new keys.KeyClient(vaultUrl, credential, options),
    signer: (key) => new keys.CryptographyClient(key, credential, options),
    refusal: (error, purpose) => refusal(error, purpose, lastFault()),
  };
}
