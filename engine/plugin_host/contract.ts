/**
 * What a plugin may know of the engine: the interfaces it implements and the types they speak of.
 * Plugins import from this file only.
 */
import type { TlsOptions } from "../io/http.ts";
import type { Attempt } from "../io/retry.ts";
import type { ArtifactFacts } from "../model/artifact.ts";
import type { Descriptor } from "../model/descriptor.ts";
import type { Target } from "../model/job.ts";
import type { KeyType, PublicKey } from "../model/key.ts";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";
import type { Subject } from "../model/subject.ts";

export { encodePem, parsePem } from "../crypto/pem.ts";
export { encodeGoJson, isObject, orderKeys } from "../formats/go_json.ts";
export { gunzip, gzip, isGzip } from "../formats/gzip.ts";
export { parseStrictJson } from "../formats/strict_json.ts";
export { encodeTarFile, readTar, type TarEntry } from "../formats/tar.ts";
export { parseUtf8, utf8 } from "../model/bytes.ts";
export { CosignError, describeError, type ErrorCode, hasCode } from "../model/errors.ts";
export type {
  ArtifactFacts,
  Attempt,
  Descriptor,
  KeyType,
  PublicKey,
  SignatureDigestAlgorithm,
  Subject,
  Target,
  TlsOptions,
};

/** Makes signatures with one key, wherever it lies. Whoever opened it disposes of it. */
export interface Signer {
  readonly publicKey: PublicKey;
  /**
   * Signs a message: ECDSA as ASN.1 DER and RSA as PKCS#1 v1.5, both over SHA-256, Ed25519 plain (what
   * every generation of cosign verifies), unless the signer was opened for another digest or its key
   * demands one.
   *
   * @throws {CosignError} `KEY_SIGN_FAILED`, and what the key's backend throws.
   */
  sign(message: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A request to a service that keeps keys. */
export interface PluginRequest {
  /** Default `GET`. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  readonly signal?: AbortSignal;
  /** What the service's own configuration says of certificates (`VAULT_CACERT`, a kubeconfig). */
  readonly tls?: TlsOptions;
  /** Past every proxy: for what only answers in this machine's own network. Default false. */
  readonly direct?: boolean;
  /** Time without an answer, and later without another byte of it, in milliseconds. Default 20,000. */
  readonly timeoutMs?: number;
  /**
   * Whether it may happen twice. Default true: a signature made twice harms nobody. False for what makes
   * something new: that is only repeated where the service said that it did nothing.
   */
  readonly repeatable?: boolean;
  /** Whether an answer asks us to come back later. Default: its status is 429. (AWS says it with 400.) */
  readonly isThrottled?: (answer: PluginAnswer) => boolean;
}

/** An answer of a service, whole. */
export interface PluginAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** How `exchange` runs. */
export interface ExchangeOptions {
  /** Default: the context's. */
  readonly signal?: AbortSignal;
  /** Exchanges with the service at once, at best. Default 32. */
  readonly atOnce?: number;
}

/** What a plugin gets, and all it gets. */
export interface PluginContext {
  /** Ends the operation: everything that waits passes it on. */
  readonly signal: AbortSignal;
  /** The variables that the plugin's declaration names in `env`, and those that every program needs. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /**
   * Asks a service: with our proxies and certificate stores, within the budget of its host, again where
   * the trouble may pass (no answer, 429, 500, 502, 503, 504), at most 16 MiB. A vendor's own client gets this
   * as its transport, and its own retries are turned off. Redirects are not followed: they are answers.
   *
   * @returns The last answer, whatever its status, with its body read; never one that is throttled.
   * @throws {CosignError} `KEY_SERVICE_UNAVAILABLE` when there is no answer, `KEY_SERVICE_RATE_LIMITED` when
   * it still asks us to come back later, `LIMIT_EXCEEDED`, or why the signal fired.
   */
  readonly fetch: (url: string, request?: PluginRequest) => Promise<Response>;
  /**
   * The same for what is not reached by HTTP: runs `attempt` within the budget of `service`, again while it
   * answers that its trouble may pass.
   */
  readonly exchange: <T>(
    service: string,
    attempt: () => Promise<Attempt<T>>,
    options?: ExchangeOptions,
  ) => Promise<T>;
  /** Reads a file of credentials. @throws {CosignError} `FILE_READ`, `LIMIT_EXCEEDED` beyond 1 MiB. */
  readonly readFile: (path: string) => Promise<Uint8Array>;
  /** Takes a secret that must never be shown: it is struck out of every message of this plugin. */
  readonly secret: (text: string) => void;
  /** Tells the user what was done, in a line on standard error. */
  readonly tell: (line: string) => void;
  /** Warns the user, in a line on standard error. */
  readonly warn: (line: string) => void;
}

/** A public key as its backend has it. The engine parses it, and refuses weak ones. */
export interface BackendKey {
  /** SubjectPublicKeyInfo: PEM, or DER bytes. */
  readonly publicKey: string | Uint8Array;
  /**
   * What its ECDSA and RSA signatures are over: SHA-256 wherever the key can (every generation of cosign
   * verifies that), else what the key demands. Default `sha256`; without a meaning for Ed25519.
   */
  readonly digest?: SignatureDigestAlgorithm;
}

/**
 * A key that is opened for signing: one for each key and run, asked by the main thread only. It has
 * `signDigest`, or `signMessage`, or both. The engine checks each signature with the public key.
 */
export interface KeySession extends BackendKey {
  /**
   * Signs the digest of a message; `digest` says which. Answers ECDSA as ASN.1 DER, RSA as PKCS#1 v1.5. With it,
   * blobs of any size are signed.
   */
  signDigest?(digest: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
  /** Signs a message that must come whole: for Ed25519, and for backends that hash themselves. */
  signMessage?(message: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
  /** Whether it must not be asked twice at once, as a card that has one slot. Default false. */
  readonly isSerial?: boolean;
  /** Ends the session. Default: there is nothing to end. */
  [Symbol.asyncDispose]?(): Promise<void>;
}

/** A key pair of ours that lies in somebody's store of secrets, as cosign puts it there. */
export interface StoredKeyPair {
  /** The private key, encrypted with `password`: PEM. */
  readonly privatePem: string;
  /** SubjectPublicKeyInfo: PEM. */
  readonly publicPem: string;
  readonly password: string;
}

/** What can be asked of the keys of a scheme. */
export type KeyAbility = "publicKey" | "sign" | "create";

/**
 * Keys of one or more URI schemes. Each method is there exactly where the backend can do it. A service
 * that keeps keys has `publicKey`, `open`, `create`; a store of secrets has `publicKey`, `readPair`, `store`.
 */
export interface KeyProvider {
  /** Why an ability is missing, for each that is: one sentence, no final period. */
  readonly lacks?: Readonly<Partial<Record<KeyAbility, string>>>;
  /** The public key, by one request where the service allows it: it is asked for once a run. */
  publicKey?(uri: string, context: PluginContext): Promise<BackendKey>;
  /** Opens a key that signs where it lies. The context's signal ends the opening, not the session. */
  open?(uri: string, context: PluginContext): Promise<KeySession>;
  /**
   * Makes a new key there. One of that name is left as it is, with a warning, and answered in its place.
   *
   * @param type The backend's own choice when absent: P-256 where it can.
   */
  create?(uri: string, type: KeyType | undefined, context: PluginContext): Promise<BackendKey>;
  /** The types that a new key at `uri` may have, in the backend's words: for `plugins check`. */
  algorithms?(uri: string, context: PluginContext): Promise<readonly string[]>;
  /** Fetches the private key that lies in a store of secrets; it then signs here. */
  readPair?(uri: string, context: PluginContext): Promise<Omit<StoredKeyPair, "publicPem">>;
  /** Puts a new key pair, made by the engine, into a store of secrets. */
  store?(uri: string, pair: StoredKeyPair, context: PluginContext): Promise<void>;
}

/** What a handler may ask of the engine. */
export interface ArtifactContext {
  /** The manifest that a target names, pinned to its digest. */
  readonly image: (target: Target) => AsyncIterable<Subject>;
}

/** A manifest, as far as it tells what its artifact is. Attacker-controlled, as all of it. */
export interface ArtifactManifest {
  readonly mediaType: string;
  readonly artifactType?: string;
  /** Absent of an index. */
  readonly config?: Descriptor;
  /** Of an index: its manifests. */
  readonly layers: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** What a handler may read to tell what an artifact is. */
export interface DescribeContext {
  /** A blob, whole. @throws {CosignError} `LIMIT_EXCEEDED` when it is longer, and what the registry says. */
  readonly blob: (descriptor: Descriptor, limitBytes: number) => Promise<Uint8Array>;
}

/** A file that is to be uploaded. */
export interface UploadedFile {
  /** As the user named it. */
  readonly path: string;
  readonly digest: string;
  readonly sizeBytes: number;
  /** Its first bytes, at most 512. */
  readonly head: Uint8Array;
}

/** How a file is to be uploaded. */
export interface UploadOptions {
  /** Of cosign, whose form it is: 1 to 3. */
  readonly generation: number;
  /** One of the handler's `forms`; the first when absent. */
  readonly form?: string;
}

/** As what a file is uploaded: an image manifest of a config and one layer. */
export interface UploadForm {
  readonly configMediaType: string;
  readonly config: Uint8Array;
  readonly layerMediaType: string;
}

/** One layer of an artifact that a handler has put together. */
export interface ComposedLayer {
  readonly mediaType: string;
  readonly content: Uint8Array;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A file of which a part is taken into an artifact. */
export interface ComposedFile {
  /** As the user named it. */
  readonly path: string;
  readonly content: Uint8Array;
}

/** What the user says of an artifact that is put together. */
export interface ComposeOptions {
  /** When it was made: RFC 3339. */
  readonly createdAt: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** An artifact that a handler has put together of files. */
export interface ComposedArtifact {
  /** Of the manifest: OCI's or Docker's. */
  readonly mediaType: string;
  readonly config: ComposedLayer;
  readonly layers: readonly ComposedLayer[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** One kind of artifact. The least that a plugin must have is `kind`, `accepts` and `resolve`. */
export interface ArtifactHandler {
  readonly kind: string;
  /** By the target's form, no I/O. */
  accepts(target: Target): boolean;
  /** The subjects of a target, parents before their children. */
  resolve(target: Target, context: ArtifactContext): AsyncIterable<Subject>;
  /** Whether a manifest is one of this kind, by its media types. Default: it is never told by them. */
  recognizes?(manifest: ArtifactManifest): boolean;
  /**
   * What can be said of it, for `tree`, reports and policies. Default: nothing.
   *
   * @throws {SyntaxError} when its content is not what its media types say.
   */
  describe?(manifest: ArtifactManifest, context: DescribeContext): Promise<ArtifactFacts>;
  /** The forms that {@link upload} can write. Default: one without a name. */
  readonly forms?: readonly string[];
  /**
   * The form in which `upload KIND` writes a file. Absent where there is no such command.
   *
   * @throws {SyntaxError} when the file is none of this kind.
   */
  upload?(file: UploadedFile, options: UploadOptions): UploadForm;
  /**
   * Puts several files together into one artifact: what `upload KIND` writes where it takes more than one.
   *
   * @throws {SyntaxError} when one of them is none of this kind.
   */
  compose?(files: readonly ComposedFile[], options: ComposeOptions): ComposedArtifact;
}

/** What shows a registry who we are. */
export type RegistryCredentials =
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  /** An OAuth 2 refresh token: only the registry's token server gets it. */
  | { readonly kind: "identity"; readonly token: string };

/** Credentials, and how long they hold. */
export interface RegistryAccess {
  readonly credentials: RegistryCredentials;
  /** When they are not used any more, in milliseconds since the epoch. Default: they hold for the run. */
  readonly expiresAtMs?: number;
}

/** Logs in to the registries of one cloud, whose names the plugin's declaration has. */
export interface RegistryLogin {
  /**
   * Asked once a registry and run, and again when what it answered is over.
   *
   * @param host One of the declared names, with a port or without.
   * @returns Nothing when the environment has nobody to log in as, or the name is none of the cloud's after
   * all: then the registry is asked as anybody asks it.
   * @throws {CosignError} `KEY_SERVICE_…`, `KEY_DENIED` when there is somebody, and the cloud refuses him.
   */
  logIn(host: string, context: PluginContext): Promise<RegistryAccess | undefined>;
}

/** What the `mod.ts` of a plugin's folder exports as `plugin`: code for all that it declares. */
export interface PluginModule {
  /** Providers by the schemes of their key URIs. */
  readonly keys?: Readonly<Record<string, KeyProvider>>;
  /** Handlers by their kinds. */
  readonly artifacts?: Readonly<Record<string, ArtifactHandler>>;
  /** For all the registries that it declares. */
  readonly registries?: RegistryLogin;
}
