import { createPublicKey } from "node:crypto";
import type { JsonWebKey, KeyClient, KeyVaultKey } from "@azure/keyvault-keys";
import {
  type BackendKey,
  CosignError,
  describeError,
  type KeyType,
  type SignatureDigestAlgorithm,
} from "../../engine/plugin_host/contract.ts";
import { derSignature } from "./ecdsa.ts";

/** How Key Vault signs with a kind of key. */
interface Scheme {
  readonly algorithm: "ES256" | "ES384" | "ES512" | "RS256";
  readonly digest: SignatureDigestAlgorithm;
  /** Bytes of each number in a signature on a curve. */
  readonly sizeBytes?: number;
}

const CURVES: Readonly<Record<string, Scheme>> = {
  "P-256": { algorithm: "ES256", digest: "sha256", sizeBytes: 32 },
  "P-384": { algorithm: "ES384", digest: "sha384", sizeBytes: 48 },
  "P-521": { algorithm: "ES512", digest: "sha512", sizeBytes: 66 },
};
/** RSA keys sign any digest: SHA-256 is what verifies everywhere. */
const RSA: Scheme = { algorithm: "RS256", digest: "sha256" };

/** What makes a key of a type. */
const KINDS: Readonly<
  Partial<
    Record<KeyType, { readonly kty: string; readonly curve?: string; readonly keySize?: number }>
  >
> = {
  "ecdsa-p256": { kty: "EC", curve: "P-256" },
  "ecdsa-p384": { kty: "EC", curve: "P-384" },
  "ecdsa-p521": { kty: "EC", curve: "P-521" },
  "rsa-2048": { kty: "RSA", keySize: 2048 },
  "rsa-3072": { kty: "RSA", keySize: 3072 },
  "rsa-4096": { kty: "RSA", keySize: 4096 },
};

/** A key whose public half was read. */
export interface AzureKey extends Required<BackendKey> {
  readonly scheme: Scheme;
  /** With its version. */
  readonly vaultKey: KeyVaultKey;
}

/**
 * Reads a key of Key Vault's into what the engine takes.
 *
 * @throws {CosignError} `KEY_UNSUPPORTED`, `KEY_DISABLED`, `KEY_SERVICE_PROTOCOL`.
 */
export function readAzureKey(vaultKey: KeyVaultKey, uri: string): AzureKey {
  const { key, properties } = vaultKey;
  if (key === undefined) throw garbled(uri, "there is no key in it");
  if (properties.enabled === false) {
    throw new CosignError("KEY_DISABLED", `Cannot use key "${uri}": it is disabled`, {
      hint: "Enable it: az keyvault key set-attributes --enabled true",
    });
  }
  const scheme = schemeOf(key, uri);
  return { vaultKey, scheme, digest: scheme.digest, publicKey: spkiOf(key, uri) };
}

function schemeOf({ kty = "", crv = "", keyOps }: JsonWebKey, uri: string): Scheme {
  const kind = kty.replace(/-HSM$/, "");
  const scheme =
    kind === "RSA" ? RSA : kind === "EC" && Object.hasOwn(CURVES, crv) ? CURVES[crv] : undefined;
  if (scheme === undefined) {
    throw new CosignError(
      "KEY_UNSUPPORTED",
      `Cannot use key "${uri}": it is of type ${[kty, crv].filter(Boolean).join(" ")}`,
      { hint: `Use an RSA key, or one on ${Object.keys(CURVES).join(", ")}` },
    );
  }
  if (keyOps !== undefined && !keyOps.includes("sign") && !keyOps.includes("verify")) {
    throw new CosignError(
      "KEY_UNSUPPORTED",
      `Cannot use key "${uri}": it is for ${keyOps.join(", ")}`,
      {
        hint: "Permit the operations sign and verify: az keyvault key set-attributes --ops",
      },
    );
  }
  return scheme;
}

/** Keys of hardware modules have a type of their own, which JOSE does not know. */
function spkiOf({ kty = "", crv, x, y, n, e }: JsonWebKey, uri: string): Uint8Array {
  const text = (bytes: Uint8Array | undefined): string | undefined =>
    bytes?.toBase64({ alphabet: "base64url", omitPadding: true });
  const members = {
    kty: kty.replace(/-HSM$/, ""),
    crv,
    x: text(x),
    y: text(y),
    n: text(n),
    e: text(e),
  };
  const jwk = Object.fromEntries(
    Object.entries(members).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value]],
    ),
  );
  try {
    const key = createPublicKey({ key: jwk, format: "jwk" });
    return new Uint8Array(key.export({ format: "der", type: "spki" }));
  } catch (error) {
    throw garbled(uri, describeError(error), error);
  }
}

/** Turns what Key Vault signs into what is verified everywhere. @throws {CosignError} `KEY_SERVICE_PROTOCOL`. */
export function readSignature(
  { scheme: { sizeBytes } }: AzureKey,
  signature: Uint8Array,
  uri: string,
): Uint8Array {
  if (sizeBytes === undefined) return signature;
  try {
    return derSignature(signature, sizeBytes);
  } catch (error) {
    throw new CosignError(
      "KEY_SERVICE_PROTOCOL",
      `Cannot sign with "${uri}": Key Vault answers ${describeError(error)}`,
      { cause: error },
    );
  }
}

/** Makes a key that signs and verifies, tagged as cosign tags its. @throws what the SDK throws; `KEY_UNSUPPORTED`. */
export async function createAzureKey(
  client: KeyClient,
  name: string,
  type: KeyType,
  uri: string,
  abortSignal: AbortSignal,
): Promise<KeyVaultKey> {
  const kind = KINDS[type];
  if (kind === undefined) {
    throw new CosignError(
      "KEY_UNSUPPORTED",
      `Cannot create key "${uri}": Key Vault has no ${type}`,
      {
        hint: `Use one of ${Object.keys(KINDS).join(", ")}`,
      },
    );
  }
  const { kty, ...shape } = kind;
  return await client.createKey(name, kty, {
    ...shape,
    enabled: true,
    keyOps: ["sign", "verify"],
    tags: { use: "sigstore" },
    abortSignal,
  });
}

function garbled(uri: string, why: string, cause?: unknown): CosignError {
  return new CosignError(
    "KEY_SERVICE_PROTOCOL",
    `Cannot read key "${uri}": the answer of Key Vault is none: ${why}`,
    { cause },
  );
}
