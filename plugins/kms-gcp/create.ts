import { CosignError, hasCode, type KeyType } from "../../engine/plugin_host/contract.ts";
import type { Kms, KmsCall } from "./client.ts";
import { type GcpKeyName, keyOf, keyRingOf } from "./key_uri.ts";
import { algorithmOf, knownTypes } from "./versions.ts";

/** Whether the key is there, whatever its state. @throws {CosignError} as `Kms.call`. */
export async function hasKey(
  kms: Kms,
  key: GcpKeyName,
  uri: string,
  signal: AbortSignal,
): Promise<boolean> {
  const permission = "cloudkms.cryptoKeys.get";
  return await exists(kms, { path: keyOf(key), what: `look for key "${uri}"`, permission }, signal);
}

/**
 * Makes a key, and its key ring when that is not there. Its first version comes a moment later.
 *
 * @throws {CosignError} as `Kms.call`; `KEY_UNSUPPORTED` for types that Cloud KMS has no algorithm for.
 */
export async function createKey(
  kms: Kms,
  key: GcpKeyName,
  uri: string,
  type: KeyType,
  signal: AbortSignal,
): Promise<void> {
  const algorithm = algorithmOf(type);
  if (algorithm === undefined) {
    throw new CosignError(
      "KEY_UNSUPPORTED",
      `Cannot create key "${uri}": Cloud KMS has no keys of type ${type}`,
      { hint: `Use one of ${knownTypes().join(", ")}` },
    );
  }
  const keyRing = keyRingOf(key);
  const ring = { what: `look for key ring "${keyRing}"`, permission: "cloudkms.keyRings.get" };
  if (!(await exists(kms, { path: keyRing, ...ring }, signal))) {
    await create(kms, signal, {
      path: `${key.location}/keyRings?${new URLSearchParams({ keyRingId: key.keyRingId })}`,
      body: {},
      what: `create key ring "${keyRing}"`,
      permission: "cloudkms.keyRings.create",
    });
  }
  await create(kms, signal, {
    path: `${keyRing}/cryptoKeys?${new URLSearchParams({ cryptoKeyId: key.keyId })}`,
    body: { purpose: "ASYMMETRIC_SIGN", versionTemplate: { algorithm } },
    what: `create key "${uri}"`,
    permission: "cloudkms.cryptoKeys.create",
  });
}

async function exists(kms: Kms, call: KmsCall, signal: AbortSignal): Promise<boolean> {
  try {
    await kms.call(call, signal);
    return true;
  } catch (error) {
    if (hasCode(error, "KEY_NOT_FOUND")) return false;
    throw error;
  }
}

async function create(kms: Kms, signal: AbortSignal, call: KmsCall): Promise<void> {
  await kms.call({ method: "POST", isCreation: true, ...call }, signal);
}
