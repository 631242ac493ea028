import { generateKeyPair } from "../../engine/keys/generate.ts";
import type { KeyType } from "../../engine/model/key.ts";
import type { StoredKeyPair } from "../../engine/plugin_host/contract.ts";

/** A key pair as it lies in a store of secrets. */
export async function storedPair(type: KeyType, password: string): Promise<StoredKeyPair> {
  const pair = await generateKeyPair(type, new TextEncoder().encode(password), 3);
  return { ...pair, password };
}
