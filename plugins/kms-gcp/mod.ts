import {
  type BackendKey,
  CosignError,
  type KeyProvider,
  type KeySession,
  type KeyType,
  type PluginContext,
  type PluginModule,
} from "../../engine/plugin_host/contract.ts";
import { openKms } from "./client.ts";
import { createKey, hasKey } from "./create.ts";
import { parseGcpUri } from "./key_uri.ts";
import { googleRegistries } from "./registries.ts";
import { readFirstVersion, readVersion, signWith } from "./versions.ts";

async function publicKey(uri: string, context: PluginContext): Promise<BackendKey> {
  const key = parseGcpUri(uri);
  return await readVersion(await openKms(key, context), key, uri, context.signal);
}

async function open(uri: string, context: PluginContext): Promise<KeySession> {
  const key = parseGcpUri(uri);
  const kms = await openKms(key, context);
  const { signal } = context;
  const version = await readVersion(kms, key, uri, signal);
  const { publicKey, digest } = version;
  const sign: KeySession["signDigest"] = (input, ends) => signWith(kms, version, uri, input, ends);
  return {
    publicKey,
    ...(digest === undefined ? { signMessage: sign } : { digest, signDigest: sign }),
  };
}

async function create(
  uri: string,
  type: KeyType | undefined,
  context: PluginContext,
): Promise<BackendKey> {
  const key = parseGcpUri(uri);
  if (key.version !== undefined) {
    throw new CosignError("USAGE", `Cannot create key "${uri}": its URI names a version`, {
      hint: "Cloud KMS numbers versions: leave it away",
    });
  }
  const kms = await openKms(key, context);
  if (await hasKey(kms, key, uri, context.signal)) {
    context.warn(`Key "${uri}" exists already: it is left as it is`);
    return await readVersion(kms, key, uri, context.signal);
  }
  await createKey(kms, key, uri, type ?? "ecdsa-p256", context.signal);
  return await readFirstVersion(kms, key, uri, context.signal);
}

const gcpkms: KeyProvider = { publicKey, open, create };

/** Keys of Google Cloud KMS. */
export const plugin: PluginModule = { keys: { gcpkms }, registries: googleRegistries };
