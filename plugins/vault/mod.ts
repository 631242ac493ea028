import {
  type BackendKey,
  hasCode,
  type KeyProvider,
  type KeySession,
  type KeyType,
  type PluginContext,
  type PluginModule,
} from "../../engine/plugin_host/contract.ts";
import { openVault, type Vault } from "./client.ts";
import { backendKey, parseVaultUri, readKey, signWith, type TransitKey } from "./transit.ts";

async function publicKey(uri: string, context: PluginContext): Promise<BackendKey> {
  parseVaultUri(uri); // before credentials are looked for
  const vault = await openVault(context);
  const key = await readKey(vault, uri, context.signal);
  return backendKey(key, vault.settings.version ?? key.latestVersion);
}

async function open(uri: string, context: PluginContext): Promise<KeySession> {
  parseVaultUri(uri);
  const vault = await openVault(context);
  const key = await readKey(vault, uri, context.signal);
  const version = key.latestVersion;
  const sign: KeySession["signDigest"] = (input, signal) =>
    signWith(vault, key, version, input, signal);
  return {
    ...backendKey(key, version),
    ...(key.type === "ed25519" ? { signMessage: sign } : { signDigest: sign }),
  };
}

async function create(
  uri: string,
  type: KeyType | undefined,
  context: PluginContext,
): Promise<BackendKey> {
  const name = parseVaultUri(uri);
  const vault = await openVault(context);
  const existing = await readExisting(vault, uri, context.signal);
  if (existing !== undefined) {
    context.warn(`Key "${uri}" exists already: it is left as it is`);
    return backendKey(existing, existing.latestVersion);
  }
  await vault.call(
    {
      method: "POST",
      path: `${vault.settings.engine}/keys/${name}`,
      body: { type: type ?? "ecdsa-p256" },
      what: `create key "${uri}"`,
      capability: "update",
    },
    context.signal,
  );
  const key = await readKey(vault, uri, context.signal);
  return backendKey(key, key.latestVersion);
}

async function readExisting(
  vault: Vault,
  uri: string,
  signal: AbortSignal,
): Promise<TransitKey | undefined> {
  try {
    return await readKey(vault, uri, signal);
  } catch (error) {
    if (hasCode(error, "KEY_NOT_FOUND")) return undefined;
    throw error;
  }
}

const vault: KeyProvider = { publicKey, open, create };

/** Keys of the transit secrets engine of HashiCorp Vault and OpenBao. */
export const plugin: PluginModule = { keys: { hashivault: vault, openbao: vault } };
