import type { KeyObject } from "node:crypto";
import { openKeyBox } from "../crypto/key_box.ts";
import { type KeyPair, parsePrivateKey } from "../crypto/private_key.ts";
import { parsePublicKeyPem } from "../crypto/public_key.ts";
import { signMessage } from "../crypto/signature.ts";
import { COSIGN_KEY_PEM_TYPES, parseCosignKey } from "../formats/cosign_key.ts";
import { utf8 } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";
import type { PublicKey, Weakness } from "../model/key.ts";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";
import type { Signer } from "../plugin_host/contract.ts";
import type { KeyBackend, PluginWorld } from "../plugin_host/plugin_call.ts";
import type { HostedKey } from "./hosted.ts";
import { type KeyTextContext, keyScheme, readKeyText } from "./key_text.ts";

/** What opening a key may ask for. */
export interface KeyContext extends KeyTextContext {
  /** The password of an encrypted key: asked when such a key is opened, not before. */
  readonly password: () => Promise<Uint8Array>;
  /**
   * Who has the keys of a scheme; nothing for the engine's own schemes.
   *
   * @throws {CosignError} `PLUGIN_UNAVAILABLE`, `PLUGIN_UNKNOWN`.
   */
  readonly keyBackend: (scheme: string) => Promise<KeyBackend | undefined>;
  /** What plugins get: made when one is called, not before. */
  readonly pluginWorld: () => Promise<PluginWorld>;
  /** What is taken although it is weak, and who is told of each such key. Default: nothing is. */
  readonly weakKeys?: {
    readonly allowed: readonly Weakness[];
    readonly tell: (key: PublicKey) => void;
  };
}

/** A signer, with the private key when it lies in this program and may go to other threads. */
export interface OpenedSigner extends Signer {
  readonly privateKey?: KeyObject;
  /** What ECDSA and RSA signatures by it are over. */
  readonly digest: SignatureDigestAlgorithm;
  /** Signs a message of which only the digest is known. Absent where the whole message is needed. */
  readonly signDigest?: (digest: Uint8Array, signal?: AbortSignal) => Promise<Uint8Array>;
}

/**
 * Reads the public key that a URI names: a PEM file, `env://NAME`, `http(s)://…`, or a plugin's.
 *
 * @throws {CosignError} `KEY_NOT_FOUND`, `KEY_INVALID`, `KEY_UNSUPPORTED`, `KEY_WEAK`, `PLUGIN_…`.
 */
export async function readPublicKey(uri: string, context: KeyContext): Promise<PublicKey> {
  const text = await readKeyText(uri, context);
  if (text !== undefined) return parseAllowed(text, uri, context);
  const { readHostedPublicKey } = await import("./hosted.ts");
  return told(await readHostedPublicKey(await hostedKey(uri, context)), context.weakKeys);
}

/**
 * The public half of whatever key a URI names: also of an encrypted private one, for which the
 * password is asked.
 *
 * @throws {CosignError} as {@link readPublicKey}, and `KEY_PASSWORD`.
 */
export async function derivePublicKey(uri: string, context: KeyContext): Promise<PublicKey> {
  const text = await readKeyText(uri, context);
  if (text === undefined) return await readPublicKey(uri, context);
  return isPrivateKey(text)
    ? (await decryptKey(text, uri, context)).publicKey
    : parseAllowed(text, uri, context);
}

/**
 * Reads and decrypts the private key that a URI names.
 *
 * @throws {CosignError} `KEY_NOT_FOUND`, `KEY_INVALID`, `KEY_PASSWORD`, `KEY_UNSUPPORTED`, `KEY_WEAK`;
 * `KEY_UNSUPPORTED` too for a key that only signs where it lies: {@link openSigner}.
 */
export async function readPrivateKey(uri: string, context: KeyContext): Promise<KeyPair> {
  const text = await readKeyText(uri, context);
  if (text !== undefined) return await decryptKey(text, uri, context);
  const pair = await readStored(await hostedKey(uri, context), context);
  if (pair !== undefined) return pair;
  throw new CosignError(
    "KEY_UNSUPPORTED",
    `Cannot read private key "${uri}": keys of scheme "${keyScheme(uri)}" do not leave their place`,
  );
}

/**
 * Opens the signer that a URI names.
 *
 * @param digest What ECDSA and RSA sign; default SHA-256, which every generation of cosign verifies. A key
 * that lies elsewhere has its own.
 * @throws {CosignError} as {@link readPrivateKey}; `KEY_UNSUPPORTED` for a backend that cannot sign.
 */
export async function openSigner(
  uri: string,
  context: KeyContext,
  digest: SignatureDigestAlgorithm = "sha256",
): Promise<OpenedSigner> {
  const text = await readKeyText(uri, context);
  if (text !== undefined) {
    return localSigner(await decryptKey(text, uri, context), digest);
  }
  const key = await hostedKey(uri, context);
  const pair = await readStored(key, context);
  if (pair !== undefined) return localSigner(pair, digest);
  const signer = await (await import("./hosted.ts")).openHostedSigner(key);
  told(signer.publicKey, context.weakKeys);
  return signer;
}

/**
 * A key that lies elsewhere, and the plugin that is asked for it.
 *
 * @throws {CosignError} `PLUGIN_UNAVAILABLE`, `PLUGIN_UNKNOWN`.
 */
export async function hostedKey(uri: string, context: KeyContext): Promise<HostedKey> {
  const scheme = keyScheme(uri) ?? "file";
  const backend = await context.keyBackend(scheme);
  if (backend === undefined) {
    throw new CosignError("PLUGIN_UNKNOWN", `Cannot read key: unrecognized scheme: ${scheme}://`);
  }
  const { pluginCaller } = await import("../plugin_host/plugin_call.ts");
  const caller = pluginCaller(backend, await context.pluginWorld());
  const { signal, weakKeys } = context;
  return { uri, backend, caller, signal, ...(weakKeys && { allowed: weakKeys.allowed }) };
}

/** The private key out of a store of secrets; nothing where keys do not leave their place. */
async function readStored(key: HostedKey, { weakKeys }: KeyContext): Promise<KeyPair | undefined> {
  const pair = await (await import("./hosted.ts")).readStoredPair(key);
  return (
    pair &&
    (await decryptKey(pair.privatePem, key.uri, {
      password: async () => utf8(pair.password),
      ...(weakKeys && { weakKeys }),
    }))
  );
}

/** The signer of a key that lies in this program. */
export function localSigner(
  { privateKey, publicKey }: KeyPair,
  digest: SignatureDigestAlgorithm,
): OpenedSigner {
  const { type } = publicKey;
  return {
    publicKey,
    privateKey,
    digest,
    sign: async (message) => signMessage(privateKey, type, message, digest),
    ...(type === "ed25519"
      ? {}
      : {
          // Loaded here, when the memory that the key's password cost is free again.
          signDigest: async (hashed: Uint8Array) =>
            (await import("../crypto/digest_signature.ts")).signDigest(
              privateKey,
              type,
              hashed,
              digest,
            ),
        }),
    [Symbol.asyncDispose]: () => Promise.resolve(), // the key goes with the object
  };
}

function parseAllowed(pem: string, uri: string, { weakKeys }: KeyContext): PublicKey {
  return told(parsePublicKeyPem(pem, uri, weakKeys?.allowed), weakKeys);
}

function told(key: PublicKey, weakKeys: KeyContext["weakKeys"]): PublicKey {
  if (key.weaknesses !== undefined) weakKeys?.tell(key);
  return key;
}

async function decryptKey(
  text: string,
  uri: string,
  { password, weakKeys }: Pick<KeyContext, "password" | "weakKeys">,
): Promise<KeyPair> {
  const box = readBox(text, uri);
  const pkcs8 = await openKeyBox(box, await password(), uri);
  try {
    const pair = parsePrivateKey(pkcs8, "pkcs8", uri, weakKeys?.allowed);
    told(pair.publicKey, weakKeys);
    return pair;
  } finally {
    pkcs8.fill(0);
  }
}

function readBox(text: string, uri: string): ReturnType<typeof parseCosignKey> {
  try {
    return parseCosignKey(text);
  } catch (error) {
    const why = describeError(error);
    const hint = /unsupported pem type: (?:RSA )?PUBLIC KEY/.test(why)
      ? "This is a public key: signing needs the private one, the .key file"
      : /unsupported pem type: (?:.* )?PRIVATE KEY/.test(why)
        ? 'Private keys are kept encrypted: make one of this with "import-key-pair --key"'
        : undefined;
    throw new CosignError("KEY_INVALID", `Cannot read private key "${uri}": ${why}`, {
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

function isPrivateKey(text: string): boolean {
  return Object.values(COSIGN_KEY_PEM_TYPES).some((type) =>
    text.includes(`-----BEGIN ${type}-----`),
  );
}
