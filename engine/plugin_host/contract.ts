/**
 * What a plugin may know of the engine: the interfaces it implements and the types they speak of.
 * Plugins import from this file only.
 */
import type { Target } from "../model/job.ts";
import type { KeyType, PublicKey } from "../model/key.ts";
import type { Subject } from "../model/subject.ts";

export { CosignError, type ErrorCode } from "../model/errors.ts";
export type { KeyType, PublicKey, Subject, Target };

/** Makes signatures with one key. Whoever opened it disposes of it. */
export interface Signer {
  readonly publicKey: PublicKey;
  /**
   * Signs a message: ECDSA as ASN.1 DER over SHA-256, RSA as PKCS#1 v1.5 over SHA-256, Ed25519 plain
   * (what every generation of cosign verifies), unless the signer was opened for another digest.
   *
   * @throws {CosignError} `KEY_SIGN_FAILED`.
   */
  sign(message: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What a plugin gets, and all it gets. */
export interface PluginContext {
  readonly signal: AbortSignal;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly fetch: (url: string, init?: RequestInit) => Promise<Response>;
}

/** Keys of one or more URI schemes. */
export interface KeyProvider {
  publicKey(uri: string, context: PluginContext): Promise<PublicKey>;
  /** Absent where the backend cannot sign. */
  open?(uri: string, context: PluginContext): Promise<Signer>;
  /** Absent where the backend cannot create keys. Answers the PEM of the public key. */
  create?(uri: string, type: KeyType, context: PluginContext): Promise<string>;
}

/** What a handler may ask of the engine. */
export interface ArtifactContext {
  /** The manifest that a target names, pinned to its digest. */
  readonly image: (target: Target) => AsyncIterable<Subject>;
}

/** The one layer that a file is uploaded as. */
export interface UploadedLayer {
  readonly digest: string;
  readonly sizeBytes: number;
}

/** As what a file is uploaded: an image manifest of a config and one layer. */
export interface UploadForm {
  readonly configMediaType: string;
  readonly config: Uint8Array;
  readonly layerMediaType: string;
}

/** One kind of artifact. The least that a plugin must have is `kind`, `accepts` and `resolve`. */
export interface ArtifactHandler {
  readonly kind: string;
  /** By the target's form, no I/O. */
  accepts(target: Target): boolean;
  /** The subjects of a target, parents before their children. */
  resolve(target: Target, context: ArtifactContext): AsyncIterable<Subject>;
  /**
   * The form in which `upload KIND` writes a file. Absent where there is no such command.
   *
   * @param generation Of cosign, whose form it is: 1 to 3.
   */
  upload?(layer: UploadedLayer, generation: number): UploadForm;
}

/** What the `mod.ts` of a plugin's folder exports as `plugin`: code for all that it declares. */
export interface PluginModule {
  /** Providers by the schemes of their key URIs. */
  readonly keys?: Readonly<Record<string, KeyProvider>>;
  /** Handlers by their kinds. */
  readonly artifacts?: Readonly<Record<string, ArtifactHandler>>;
}
