import {
  type BackendKey,
  CosignError,
  hasCode,
  type KeyProvider,
  type KeySession,
  type KeyType,
  type PluginContext,
  type PluginModule,
} from "../../engine/plugin_host/contract.ts";
import { type Kms, openKms } from "./client.ts";
import { parseAwsUri } from "./key_uri.ts";
import { type AwsKey, createKey, readKey, signDigest } from "./keys.ts";
import { ecr } from "./registries.ts";

async function publicKey(uri: string, context: PluginContext): Promise<BackendKey> {
  const name = parseAwsUri(uri);
  return await readKey(await openKms(name, context), name.keyId, uri, context.signal);
}

async function open(uri: string, context: PluginContext): Promise<KeySession> {
  const name = parseAwsUri(uri);
  const kms = await openKms(name, context);
  const key = await readKey(kms, name.keyId, uri, context.signal);
  return {
    publicKey: key.publicKey,
    digest: key.digest,
    signDigest: (digest, signal) => signDigest(kms, name.keyId, uri, key, digest, signal),
    [Symbol.asyncDispose]: async () => kms.client.destroy(),
  };
}

async function create(
  uri: string,
  type: KeyType | undefined,
  context: PluginContext,
): Promise<BackendKey> {
  const { alias, keyId, ...place } = parseAwsUri(uri);
  if (alias === undefined) {
    throw new CosignError("USAGE", `Cannot create key "${uri}": must use alias key format`, {
      hint: "KMS chooses the ids of keys: name the new one as awskms:///alias/NAME",
    });
  }
  const kms = await openKms({ keyId, ...place }, context);
  const existing = await readExisting(kms, keyId, uri, context.signal);
  if (existing === undefined) {
    await createKey(kms, alias, uri, type ?? "ecdsa-p256", context.signal);
    return await readKey(kms, keyId, uri, context.signal);
  }
  context.warn(`Key "${uri}" exists already: it is left as it is`);
  return existing;
}

async function readExisting(
  kms: Kms,
  keyId: string,
  uri: string,
  signal: AbortSignal,
): Promise<AwsKey | undefined> {
  try {
    return await readKey(kms, keyId, uri, signal);
  } catch (error) {
    if (hasCode(error, "KEY_NOT_FOUND")) return undefined;
    throw error;
  }
}

const awskms: KeyProvider = { publicKey, open, create };

/** Keys of the AWS Key Management Service. */
export const plugin: PluginModule = { keys: { awskms }, registries: ecr };
