import { CosignError } from "../../engine/plugin_host/contract.ts";

/** What `azurekms://VAULT.vault.azure.net/KEY[/VERSION]` names. */
export interface AzureKeyName {
  /** `https://VAULT.vault.azure.net/` */
  readonly vaultUrl: string;
  readonly name: string;
  /** The current one when absent. */
  readonly version?: string;
}

/**
 * Reads a key's URI, in the forms that cosign takes.
 *
 * @throws {CosignError} `USAGE`.
 */
export function parseAzureUri(uri: string): AzureKeyName {
  const [, host, name, version] =
    /^azurekms:\/\/([^/?#@\\\s]+)\/([\w-]+)(?:\/([a-z0-9]*))?$/.exec(uri) ?? [];
  if (host === undefined || name === undefined || !URL.canParse(`https://${host}/`)) {
    throw new CosignError(
      "USAGE",
      `Cannot use key "${uri.slice(0, 200)}": kms specification should be in the format azurekms://[VAULT_NAME][VAULT_URL]/[KEY_NAME]/[VERSION (optional)]`,
      { hint: "As azurekms://NAME.vault.azure.net/KEY" },
    );
  }
  return { vaultUrl: `https://${host}/`, name, ...(version ? { version } : {}) };
}
