import type { KeyObject } from "node:crypto";
import { openKeyBox } from "../crypto/key_box.ts";
import { type KeyPair, parsePrivateKey } from "../crypto/private_key.ts";
import { parsePublicKeyPem } from "../crypto/public_key.ts";
import { signMessage } from "../crypto/signature.ts";
import { COSIGN_KEY_PEM_TYPES, parseCosignKey } from "../formats/cosign_key.ts";
import { CosignError, describeError } from "../model/errors.ts";
import type { PublicKey } from "../model/key.ts";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";
import type { KeyProvider, PluginContext, Signer } from "../plugin_host/contract.ts";
import { keyScheme, readKeyText } from "./key_text.ts";

/** What opening a key may ask for. */
export interface KeyContext extends PluginContext {
  /** The password of an encrypted key: asked when such a key is opened, not before. */
  readonly password: () => Promise<Uint8Array>;
  /**
   * Who has the keys of a scheme; nothing for the engine's own schemes.
   *
   * @throws {CosignError} `PLUGIN_UNAVAILABLE`, `PLUGIN_UNKNOWN`.
   */
  readonly keyProvider: (scheme: string) => Promise<KeyProvider | undefined>;
}

/** A signer, with the private key when it lies in this program and may go to other threads. */
export interface OpenedSigner extends Signer {
  readonly privateKey?: KeyObject;
}

/**
 * Reads the public key that a URI names: a PEM file, `env://NAME`, `http(s)://…`, or a plugin's.
 *
 * @throws {CosignError} `KEY_NOT_FOUND`, `KEY_INVALID`, `KEY_UNSUPPORTED`, `KEY_WEAK`, `PLUGIN_…`.
 */
export async function readPublicKey(uri: string, context: KeyContext): Promise<PublicKey> {
  const text = await readKeyText(uri, context);
  if (text !== undefined) return parsePublicKeyPem(text, uri);
  return await (await providerOf(uri, context)).publicKey(uri, context);
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
    : parsePublicKeyPem(text, uri);
}

/**
 * Reads and decrypts the private key that a URI names.
 *
 * @throws {CosignError} `KEY_NOT_FOUND`, `KEY_INVALID`, `KEY_PASSWORD`, `KEY_UNSUPPORTED`, `KEY_WEAK`;
 * `KEY_UNSUPPORTED` too for a plugin's key, which only signs where it lies: {@link openSigner}.
 */
export async function readPrivateKey(uri: string, context: KeyContext): Promise<KeyPair> {
  const text = await readKeyText(uri, context);
  if (text !== undefined) return await decryptKey(text, uri, context);
  await providerOf(uri, context);
  throw new CosignError(
    "KEY_UNSUPPORTED",
    `Cannot read private key "${uri}": keys of scheme "${keyScheme(uri)}" do not leave their place`,
  );
}

/**
 * Opens the signer that a URI names.
 *
 * @param digest What ECDSA and RSA sign; default SHA-256, which every generation of cosign verifies.
 * @throws {CosignError} as {@link readPrivateKey}; `KEY_UNSUPPORTED` for a backend that cannot sign.
 */
export async function openSigner(
  uri: string,
  context: KeyContext,
  digest: SignatureDigestAlgorithm = "sha256",
): Promise<OpenedSigner> {
  const text = await readKeyText(uri, context);
  if (text === undefined) {
    const provider = await providerOf(uri, context);
    if (provider.open !== undefined) return await provider.open(uri, context);
    throw new CosignError(
      "KEY_UNSUPPORTED",
      `Cannot sign with "${uri}": its backend only verifies`,
    );
  }
  const { privateKey, publicKey } = await decryptKey(text, uri, context);
  return {
    publicKey,
    privateKey,
    sign: async (message) => signMessage(privateKey, publicKey.type, message, digest),
    [Symbol.asyncDispose]: () => Promise.resolve(), // the key goes with the object
  };
}

async function providerOf(uri: string, context: KeyContext): Promise<KeyProvider> {
  const scheme = keyScheme(uri) ?? "file";
  const provider = await context.keyProvider(scheme);
  if (provider !== undefined) return provider;
  throw new CosignError("PLUGIN_UNKNOWN", `Cannot read key: unrecognized scheme: ${scheme}://`);
}

async function decryptKey(text: string, uri: string, context: KeyContext): Promise<KeyPair> {
  const box = readBox(text, uri);
  const pkcs8 = await openKeyBox(box, await context.password(), uri);
  try {
    return parsePrivateKey(pkcs8, "pkcs8", uri);
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
