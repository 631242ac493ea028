import type { KeyVaultKey } from "@azure/keyvault-keys";
import {
  type BackendKey,
  hasCode,
  type KeyProvider,
  type KeySession,
  type KeyType,
  type PluginContext,
  type PluginModule,
} from "../../engine/plugin_host/contract.ts";
import { type KeyVault, openKeyVault } from "./client.ts";
import { type AzureKeyName, parseAzureUri } from "./key_uri.ts";
import { createAzureKey, readAzureKey, readSignature } from "./keys.ts";

async function publicKey(uri: string, context: PluginContext): Promise<BackendKey> {
  const name = parseAzureUri(uri);
  const vault = await openKeyVault(name, context);
  return readAzureKey(await getKey(vault, name, uri, context.signal), uri);
}

async function open(uri: string, context: PluginContext): Promise<KeySession> {
  const name = parseAzureUri(uri);
  const vault = await openKeyVault(name, context);
  const key = readAzureKey(await getKey(vault, name, uri, context.signal), uri);
  // By the version that was read: a rotation on the way must not part signature and public key.
  const signer = vault.signer(key.vaultKey);
  const { algorithm } = key.scheme;
  return {
    publicKey: key.publicKey,
    digest: key.digest,
    signDigest: async (digest, signal) => {
      const { result } = await signer
        .sign(algorithm, digest, { abortSignal: signal })
        .catch((error: unknown) => {
          throw vault.refusal(error, { what: `sign with "${uri}"`, permission: "sign" });
        });
      return readSignature(key, result, uri);
    },
  };
}

async function create(
  uri: string,
  type: KeyType | undefined,
  context: PluginContext,
): Promise<BackendKey> {
  const name = parseAzureUri(uri);
  const vault = await openKeyVault(name, context);
  const existing = await findKey(vault, name, uri, context.signal);
  if (existing !== undefined) {
    context.warn(`Key "${uri}" exists already: it is left as it is`);
    return readAzureKey(existing, uri);
  }
  try {
    const { signal } = context;
    return readAzureKey(
      await createAzureKey(vault.client, name.name, type ?? "ecdsa-p256", uri, signal),
      uri,
    );
  } catch (error) {
    throw vault.refusal(error, { what: `create key "${uri}"`, permission: "create" });
  }
}

async function getKey(
  { client, refusal }: KeyVault,
  { name, version }: AzureKeyName,
  uri: string,
  abortSignal: AbortSignal,
): Promise<KeyVaultKey> {
  try {
    return await client.getKey(name, {
      abortSignal,
      ...(version === undefined ? {} : { version }),
    });
  } catch (error) {
    throw refusal(error, { what: `read key "${uri}"`, permission: "get" });
  }
}

async function findKey(
  vault: KeyVault,
  name: AzureKeyName,
  uri: string,
  signal: AbortSignal,
): Promise<KeyVaultKey | undefined> {
  try {
    return await getKey(vault, name, uri, signal);
  } catch (error) {
    if (hasCode(error, "KEY_NOT_FOUND")) return undefined;
    throw error;
  }
}

const azurekms: KeyProvider = { publicKey, open, create };

/** Keys of Azure Key Vault. */
export const plugin: PluginModule = { keys: { azurekms } };
