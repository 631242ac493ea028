import { createHash } from "node:crypto";
import { parsePublicKeyDer, parsePublicKeyPem } from "../crypto/public_key.ts";
import { verifySignature } from "../crypto/signature.ts";
import { CosignError, hasCode } from "../model/errors.ts";
import type { KeyType, PublicKey, Weakness } from "../model/key.ts";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";
import type {
  BackendKey,
  KeyAbility,
  KeySession,
  Signer,
  StoredKeyPair,
} from "../plugin_host/contract.ts";
import type { KeyBackend, PluginCaller } from "../plugin_host/plugin_call.ts";

/** A key of a backend, and who is asked for it. */
export interface HostedKey {
  readonly uri: string;
  readonly backend: KeyBackend;
  readonly caller: PluginCaller;
  readonly signal: AbortSignal;
  /** Weaknesses that are taken all the same. Default none. */
  readonly allowed?: readonly Weakness[];
}

/** A signer of a key that lies elsewhere. */
export interface HostedSigner extends Signer {
  /** What ECDSA and RSA signatures by it are over. */
  readonly digest: SignatureDigestAlgorithm;
  /** Signs a message of which the digest is known. Absent where the backend wants the whole message. */
  readonly signDigest?: (digest: Uint8Array, signal?: AbortSignal) => Promise<Uint8Array>;
}

/** The public key, parsed. @throws {CosignError} `KEY_UNSUPPORTED` for a backend that never shows it, `KEY_…`. */
export async function readHostedPublicKey(key: HostedKey): Promise<PublicKey> {
  const { provider } = key.backend;
  if (provider.publicKey === undefined) throw lacking(key, "publicKey");
  const read = provider.publicKey.bind(provider);
  return parseBackendKey(
    await key.caller.call((context) => read(key.uri, context), key.signal),
    key,
  );
}

/**
 * Makes a key where its URI says. One that is there already is left as it is, as cosign leaves it.
 *
 * @throws {CosignError} `KEY_EXISTS` when that one is of another type than was asked for; `KEY_UNSUPPORTED`,
 * `KEY_DENIED`, …
 */
export async function createHostedKey(key: HostedKey, type?: KeyType): Promise<PublicKey> {
  const { provider } = key.backend;
  if (provider.create === undefined) throw lacking(key, "create");
  const create = provider.create.bind(provider);
  const made = parseBackendKey(
    await key.caller.call((context) => create(key.uri, type, context), key.signal),
    key,
  );
  if (type === undefined || made.type === type) return made;
  throw new CosignError(
    "KEY_EXISTS",
    `Cannot create key "${key.uri}": it exists already, and is of type ${made.type}`,
    { hint: "Choose another name, or leave the type away to use it as it is" },
  );
}

/** The types of keys that can be made there; nothing for a backend that does not say. @throws {CosignError} */
export async function askAlgorithms(key: HostedKey): Promise<readonly string[] | undefined> {
  const { provider } = key.backend;
  if (provider.algorithms === undefined) return undefined;
  const ask = provider.algorithms.bind(provider);
  return await key.caller.call((context) => ask(key.uri, context), key.signal);
}

/** Puts a key pair into a store of secrets. @throws {CosignError} as {@link createHostedKey}. */
export async function storeKeyPair(key: HostedKey, pair: StoredKeyPair): Promise<void> {
  const { provider } = key.backend;
  if (provider.store === undefined) throw lacking(key, "create");
  const store = provider.store.bind(provider);
  await key.caller.call(async (context) => {
    context.secret(pair.password);
    await store(key.uri, pair, context);
  }, key.signal);
}

/** Fetches a private key out of a store of secrets; nothing where keys do not leave their place. */
export async function readStoredPair(
  key: HostedKey,
): Promise<Omit<StoredKeyPair, "publicPem"> | undefined> {
  const { provider } = key.backend;
  if (provider.readPair === undefined) return undefined;
  const read = provider.readPair.bind(provider);
  return await key.caller.call((context) => read(key.uri, context), key.signal);
}

/**
 * Opens a key that signs where it lies. Each signature is checked with the public key that the backend
 * named, so that nothing leaves here that nobody could verify.
 *
 * @throws {CosignError} `KEY_UNSUPPORTED` for a backend that cannot sign, and what it throws.
 */
export async function openHostedSigner(key: HostedKey): Promise<HostedSigner> {
  const { provider } = key.backend;
  if (provider.open === undefined) throw lacking(key, "sign");
  const open = provider.open.bind(provider);
  const session = await key.caller.call((context) => open(key.uri, context), key.signal);
  try {
    return signerOf(session, key);
  } catch (error) {
    await session[Symbol.asyncDispose]?.();
    throw error;
  }
}

function signerOf(session: KeySession, key: HostedKey): HostedSigner {
  const { uri, backend, caller } = key;
  const publicKey = parseBackendKey(session, key);
  const digest = session.digest ?? "sha256";
  const isSerial = session.isSerial === true;
  const inTurn = isSerial ? oneAtATime() : <T>(task: () => Promise<T>) => task();
  const ask = (operation: (signal: AbortSignal) => Promise<Uint8Array>, signal?: AbortSignal) =>
    inTurn(() => caller.call((context) => operation(context.signal), signal));
  const signMessage = session.signMessage?.bind(session);
  const ofDigests = publicKey.type === "ed25519" ? undefined : session.signDigest?.bind(session);
  const signDigest =
    ofDigests &&
    (async (hashed: Uint8Array, signal?: AbortSignal) => {
      const signature = await ask((ends) => ofDigests(hashed, ends), signal);
      const { verifyDigest } = await import("../crypto/digest_signature.ts");
      check(uri, backend, () => verifyDigest(publicKey, { [digest]: hashed }, signature, digest));
      return signature;
    });
  const sign: Signer["sign"] | undefined =
    signMessage === undefined
      ? signDigest && ((message, signal) => signDigest(hashOf(digest, message), signal))
      : async (message: Uint8Array, signal?: AbortSignal) => {
          const signature = await ask((ends) => signMessage(message, ends), signal);
          const only = publicKey.type === "ed25519" ? "sha256" : undefined; // the plain one
          check(uri, backend, () => verifySignature(publicKey, message, signature, only));
          return signature;
        };
  if (sign === undefined) {
    throw new CosignError(
      "KEY_UNSUPPORTED",
      `Cannot sign with "${uri}": its backend signs digests, and a key of type ${publicKey.type} signs messages`,
    );
  }
  return {
    publicKey,
    digest,
    sign,
    ...(signDigest === undefined ? {} : { signDigest }),
    [Symbol.asyncDispose]: async () => await session[Symbol.asyncDispose]?.(),
  };
}

/** Parses a backend's key, as if a user had named it: weak ones are refused where he does not allow them. */
function parseBackendKey(
  { publicKey, digest = "sha256" }: BackendKey,
  { uri, allowed }: HostedKey,
): PublicKey {
  const key =
    typeof publicKey === "string"
      ? parsePublicKeyPem(publicKey, uri, allowed)
      : parsePublicKeyDer(publicKey, uri, allowed);
  return digest === "sha256" || key.type === "ed25519" ? key : { ...key, digest };
}

/** Refuses a signature that is none: nobody could verify it, and it must not be published. */
function check(uri: string, { plugin }: KeyBackend, verify: () => void): void {
  try {
    verify();
  } catch (error) {
    if (!hasCode(error, "SIGNATURE_INVALID")) throw error;
    throw new CosignError(
      "KEY_SIGN_FAILED",
      `Cannot sign with "${uri}": what plugin "${plugin}" answers is no signature by the public key that it names`,
      { cause: error, hint: "The key may have been rotated meanwhile: run again" },
    );
  }
}

const VERBS: Readonly<Record<KeyAbility, string>> = {
  publicKey: "read the public key of",
  sign: "sign with",
  create: "make a key in",
};

function lacking({ uri, backend }: HostedKey, ability: KeyAbility): CosignError {
  const { plugin, provider } = backend;
  const why = provider.lacks?.[ability] ?? `plugin "${plugin}" has no way to do it`;
  return new CosignError("KEY_UNSUPPORTED", `Cannot ${VERBS[ability]} "${uri}": ${why}`);
}

function hashOf(digest: SignatureDigestAlgorithm, message: Uint8Array): Uint8Array {
  return new Uint8Array(createHash(digest).update(message).digest());
}

/** Runs tasks one after the other, also when one fails. */
function oneAtATime(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(task: () => Promise<T>) => {
    const next = last.then(task, task);
    last = next.catch(() => {});
    return next;
  };
}
