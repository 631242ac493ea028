import type { KeyObject } from "node:crypto";
import { parsePublicKeyDer } from "../crypto/public_key.ts";
import { signMessage } from "../crypto/signature.ts";
import { type Certificate, parseCertificate } from "../formats/x509.ts";
import { equalBytes } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import type { KeyType, PublicKey, Weakness } from "../model/key.ts";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";
import type { KeylessLease } from "./keyless.ts";
import type { OpenedSigner } from "./open.ts";
import type { SigningIdentity } from "./signing_identity.ts";

/** The name by which jobs ask for certificates instead of a key. A file of this name is `./keyless`. */
export const KEYLESS = "keyless";

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
  /** DER: the key's certificate, then what stands above it. Absent for a bare key. */
  readonly certificates?: readonly Uint8Array[];
  /** Of a lease: the certificate log's answer where it is not embedded. */
  readonly detachedSct?: Uint8Array;
}

/** What only the main thread can do with keys. */
export interface KeyHost {
  /** A signature by a hosted key. */
  readonly sign: (uri: string, message: Uint8Array, signal?: AbortSignal) => Promise<Uint8Array>;
  /**
   * A key and the short-lived certificate that it has now.
   *
   * @param ended A certificate (DER) that turned out to be over.
   */
  readonly lease: (uri: string, ended?: Uint8Array, signal?: AbortSignal) => Promise<RunKey>;
}

/** How an identity is asked for. */
export interface IdentityOptions {
  /** A certificate that turned out to be over: another is wanted. */
  readonly ended?: Certificate;
  readonly signal?: AbortSignal;
}

/** The keys of a run, by the URI that the user wrote. */
export interface KeyRing {
  /**
   * Who signs for a URI now: asked anew for each signature, since certificates end.
   *
   * @throws {CosignError} `KEY_UNSUPPORTED` for a key that cannot sign, and what a lease throws.
   */
  identity(uri: string, options?: IdentityOptions): Promise<SigningIdentity>;
  /** @throws {CosignError} `KEY_NOT_FOUND`. */
  publicKey(uri: string): PublicKey;
}

/** Makes the ring of a run's keys. What is not among `keys` is leased of the host. */
export function makeKeyRing(keys: readonly RunKey[], host: KeyHost): KeyRing {
  const known = new Map(keys.map((key) => [key.uri, { key, publicKey: publicKeyOf(key) }]));
  const identities = new Map<string, SigningIdentity>();
  const leased = async (uri: string, { ended, signal }: IdentityOptions) => {
    const before = identities.get(uri);
    const key = await host.lease(uri, ended?.der, signal);
    const [leaf = new Uint8Array()] = key.certificates ?? [];
    if (before?.certificate !== undefined && equalBytes(before.certificate.der, leaf))
      return before;
    const identity = identityOf(key, signerOf(key, publicKeyOf(key), host), true);
    identities.set(uri, identity);
    return identity;
  };
  return {
    publicKey: (uri) => {
      const found = known.get(uri);
      if (found !== undefined) return found.publicKey;
      throw new CosignError("KEY_NOT_FOUND", `Cannot find key "${uri}" among the keys of this run`);
    },
    identity: async (uri, options = {}) => {
      const found = known.get(uri);
      if (found === undefined) return await leased(uri, options);
      const { key, publicKey } = found;
      const identity =
        identities.get(uri) ?? identityOf(key, signerOf(key, publicKey, host), false);
      identities.set(uri, identity);
      return identity;
    },
  };
}

function publicKeyOf({ spki, uri, digest, weaknesses }: RunKey): PublicKey {
  const key = parsePublicKeyDer(spki, uri, weaknesses);
  return digest === "sha256" ? key : { ...key, digest };
}

/** A lease as it goes to the threads that sign with it: never to a disk. */
export function lentKey(
  uri: string,
  { signer, certificate, chain, detachedSct }: KeylessLease,
): RunKey {
  const { publicKey, privateKey, digest } = signer;
  return {
    uri,
    type: publicKey.type,
    spki: publicKey.spki,
    hosted: privateKey === undefined,
    digest,
    ...(privateKey === undefined ? {} : { privateKey }),
    certificates: [certificate, ...chain].map(({ der }) => der),
    ...(detachedSct === undefined ? {} : { detachedSct }),
  };
}

/** The identity of a key and the certificates that go with it. */
export function identityOf(
  { certificates = [], detachedSct }: Pick<RunKey, "certificates" | "detachedSct">,
  signer: OpenedSigner,
  isIssued: boolean,
): SigningIdentity {
  const [certificate, ...chain] = certificates.map(parseCertificate);
  return {
    signer,
    chain,
    isIssued,
    ...(certificate === undefined ? {} : { certificate }),
    ...(detachedSct === undefined ? {} : { detachedSct }),
  };
}

function signerOf(key: RunKey, publicKey: PublicKey, host: KeyHost): OpenedSigner {
  const { privateKey, digest } = key;
  return {
    publicKey,
    digest,
    ...(privateKey === undefined ? {} : { privateKey }),
    sign: signWith(key, host),
    [Symbol.asyncDispose]: () => Promise.resolve(), // the run's owner closes its keys
  };
}

function signWith(key: RunKey, host: KeyHost): OpenedSigner["sign"] {
  const { privateKey, uri, type, digest } = key;
  if (key.hosted) return (message, signal) => host.sign(uri, message, signal);
  if (privateKey === undefined) {
    throw new CosignError("KEY_UNSUPPORTED", `Cannot sign with "${uri}": it is a public key`);
  }
  return (message) => Promise.resolve(signMessage(privateKey, type, message, digest));
}
