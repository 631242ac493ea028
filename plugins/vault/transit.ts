import * as v from "valibot";
import { type BackendKey, CosignError, type KeyType } from "../../engine/plugin_host/contract.ts";
import type { Vault } from "./client.ts";

/** A key of the transit secrets engine. */
export interface TransitKey {
  readonly uri: string;
  readonly name: string;
  readonly type: KeyType;
  readonly latestVersion: number;
  /** PEM, or in base64 the 32 bytes of an Ed25519 point, by version. */
  readonly publicKeys: ReadonlyMap<number, string>;
}

const TYPES: ReadonlySet<string> = new Set<KeyType>([
  "ecdsa-p256",
  "ecdsa-p384",
  "ecdsa-p521",
  "ed25519",
  "rsa-2048",
  "rsa-3072",
  "rsa-4096",
]);
/** What every generation of cosign verifies; Vault signs any digest with any of these keys. */
const DIGEST = "sha256";
/** SubjectPublicKeyInfo of an Ed25519 key up to its 32 bytes (RFC 8410 §4). */
const ED25519_SPKI_HEAD = Uint8Array.fromHex("302a300506032b6570032100");
const ED25519_KEY_BYTES = 32;

const keySchema = v.looseObject({
  type: v.string(),
  latest_version: v.pipe(v.number(), v.integer(), v.minValue(1)),
  soft_deleted: v.optional(v.boolean()),
  keys: v.record(v.string(), v.unknown()),
});
const versionSchema = v.looseObject({ public_key: v.string() });
const signatureSchema = v.looseObject({ signature: v.string() });

/**
 * The name of the key in `hashivault://KEY` or `openbao://KEY`.
 *
 * @throws {CosignError} `USAGE`.
 */
export function parseVaultUri(uri: string): string {
  const name = /^(?:hashivault|openbao):\/\/(\w(?:[\w.-]*\w)?)$/.exec(uri)?.[1];
  if (name !== undefined) return name;
  throw new CosignError(
    "USAGE",
    `Cannot use key "${uri.slice(0, 200)}": kms specification should be in the format hashivault://<key>`,
    {
      hint: "The key's name has letters, digits, _ and, not at its ends, - and . only; the path of the engine goes into TRANSIT_SECRET_ENGINE_PATH",
    },
  );
}

/** Reads a key. @throws {CosignError} as `Vault.call`; `KEY_UNSUPPORTED`, `KEY_DISABLED`, `KEY_SERVICE_PROTOCOL`. */
export async function readKey(vault: Vault, uri: string, signal: AbortSignal): Promise<TransitKey> {
  const name = parseVaultUri(uri);
  const what = `read key "${uri}"`;
  const path = `${vault.settings.engine}/keys/${name}`;
  const data = await vault.call({ method: "GET", path, what, capability: "read" }, signal);
  const parsed = v.safeParse(keySchema, data);
  if (!parsed.success) throw garbled(what, "the key");
  const { type, latest_version: latestVersion, soft_deleted: isDeleted, keys } = parsed.output;
  if (!isKeyType(type)) {
    throw new CosignError(
      "KEY_UNSUPPORTED",
      `Cannot use key "${uri}": its type is "${type.slice(0, 40)}"`,
      {
        hint: `Use a key of one of the types ${[...TYPES].join(", ")}`,
      },
    );
  }
  if (isDeleted === true) {
    throw new CosignError("KEY_DISABLED", `Cannot use key "${uri}": it is deleted`, {
      hint: "Restore it, or use another one",
    });
  }
  const publicKeys = new Map<number, string>();
  for (const [version, entry] of Object.entries(keys)) {
    const key = v.safeParse(versionSchema, entry);
    if (key.success) publicKeys.set(Number(version), key.output.public_key);
  }
  return { uri, name, type, latestVersion, publicKeys };
}

/** The public key of one version. @throws {CosignError} `KEY_NOT_FOUND`, `KEY_UNSUPPORTED`, `KEY_SERVICE_PROTOCOL`. */
export function backendKey(key: TransitKey, version: number): BackendKey {
  const text = key.publicKeys.get(version);
  if (text === undefined) {
    const known = [...key.publicKeys.keys()].join(", ");
    throw new CosignError(
      "KEY_NOT_FOUND",
      `Cannot use key "${key.uri}": it has no version ${version}`,
      {
        hint: `Its versions are: ${known}`,
      },
    );
  }
  if (key.type !== "ed25519") return { publicKey: text, digest: DIGEST };
  if (text === "") {
    throw new CosignError(
      "KEY_UNSUPPORTED",
      `Cannot use key "${key.uri}": it is derived from a context`,
      {
        hint: "Use a key that is made without derived=true",
      },
    );
  }
  return { publicKey: ed25519Spki(text, key.uri) };
}

/** Asks for the signature of a digest (ECDSA, RSA) or of a message (Ed25519), by one version of the key. */
export async function signWith(
  vault: Vault,
  { uri, name, type }: TransitKey,
  version: number,
  input: Uint8Array,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const isHashed = type !== "ed25519";
  const what = `sign with "${uri}"`;
  const data = await vault.call(
    {
      method: "POST",
      path: `${vault.settings.engine}/sign/${name}${isHashed ? "/sha2-256" : ""}`,
      // The version whose public key was read: a rotation on the way must not part the two.
      body: {
        input: input.toBase64(),
        prehashed: isHashed,
        key_version: version,
        ...(type.startsWith("rsa-") ? { signature_algorithm: "pkcs1v15" } : {}),
        ...(type.startsWith("ecdsa-") ? { marshaling_algorithm: "asn1" } : {}),
      },
      what,
      capability: "update",
    },
    signal,
  );
  const parsed = v.safeParse(signatureSchema, data);
  const [, by, base64] =
    /^vault:v(\d+):([A-Za-z0-9+/]+={0,2})$/.exec(parsed.success ? parsed.output.signature : "") ??
    [];
  if (base64 === undefined || base64.length % 4 !== 0) throw garbled(what, "the signature");
  if (Number(by) !== version) {
    throw garbled(what, `the signature, which is by version ${by} instead of ${version}`);
  }
  return Uint8Array.fromBase64(base64);
}

function isKeyType(type: string): type is KeyType {
  return TYPES.has(type);
}

function ed25519Spki(base64: string, uri: string): Uint8Array {
  const isBase64 = /^[A-Za-z0-9+/]{43}=$/.test(base64);
  const point = isBase64 ? Uint8Array.fromBase64(base64) : new Uint8Array();
  if (point.length !== ED25519_KEY_BYTES) throw garbled(`read key "${uri}"`, "the public key");
  const spki = new Uint8Array(ED25519_SPKI_HEAD.length + point.length);
  spki.set(ED25519_SPKI_HEAD);
  spki.set(point, ED25519_SPKI_HEAD.length);
  return spki;
}

function garbled(what: string, thing: string): CosignError {
  return new CosignError(
    "KEY_SERVICE_PROTOCOL",
    `Cannot ${what}: Vault's answer does not hold ${thing}`,
  );
}
