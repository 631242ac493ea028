import type { KeyObject } from "node:crypto";
import { parsePublicKeyDer } from "../crypto/public_key.ts";
import { signMessage } from "../crypto/signature.ts";
import { CosignError } from "../model/errors.ts";
import type { KeyType, PublicKey, Weakness } from "../model/key.ts";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";
import type { Signer } from "../plugin_host/contract.ts";

/** A key as the threads of a run get it. A hosted key has no `privateKey`: the main thread signs with it. */
export interface RunKey {
  readonly uri: string;
  readonly type: KeyType;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** What is wrong with it and was allowed when it was opened. */
  readonly weaknesses?: readonly Weakness[];
  readonly privateKey?: KeyObject;
  readonly hosted: boolean;
  /** The digest that its signatures are over. */
  readonly digest: SignatureDigestAlgorithm;
}

/** The keys of a run, by the URI that the user wrote. */
export interface KeyRing {
  /** @throws {CosignError} `KEY_NOT_FOUND`, or `KEY_UNSUPPORTED` for a key that cannot sign. */
  signer(uri: string): Signer;
  /** @throws {CosignError} `KEY_NOT_FOUND`. */
  publicKey(uri: string): PublicKey;
}

/**
 * Makes the ring of a run's keys.
 *
 * @param signHosted Asks the main thread for a signature by a hosted key.
 */
export function makeKeyRing(
  keys: readonly RunKey[],
  signHosted: (uri: string, message: Uint8Array, signal?: AbortSignal) => Promise<Uint8Array>,
): KeyRing {
  const known = new Map(keys.map((key) => [key.uri, { key, publicKey: publicKeyOf(key) }]));
  const find = (uri: string) => {
    const found = known.get(uri);
    if (found === undefined) {
      throw new CosignError("KEY_NOT_FOUND", `Cannot find key "${uri}" among the keys of this run`);
    }
    return found;
  };
  return {
    publicKey: (uri) => find(uri).publicKey,
    signer: (uri) => {
      const { key, publicKey } = find(uri);
      return {
        publicKey,
        sign: signWith(key, signHosted),
        [Symbol.asyncDispose]: () => Promise.resolve(), // the run's owner closes its keys
      };
    },
  };
}

function publicKeyOf({ spki, uri, digest, weaknesses }: RunKey): PublicKey {
  const key = parsePublicKeyDer(spki, uri, weaknesses);
  return digest === "sha256" ? key : { ...key, digest };
}

function signWith(
  key: RunKey,
  signHosted: (uri: string, message: Uint8Array, signal?: AbortSignal) => Promise<Uint8Array>,
): Signer["sign"] {
  const { privateKey } = key;
  if (key.hosted) return (message, signal) => signHosted(key.uri, message, signal);
  if (privateKey === undefined) {
    throw new CosignError("KEY_UNSUPPORTED", `Cannot sign with "${key.uri}": it is a public key`);
  }
  return (message) => Promise.resolve(signMessage(privateKey, key.type, message, key.digest));
}
