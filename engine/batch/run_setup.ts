import type { KeyObject } from "node:crypto";
import type { KeyType } from "../model/key.ts";
import type { RegistryOptions } from "../registry/session.ts";

/** Version of everything that crosses between the main thread and its workers. */
export const PROTOCOL = 1;

/** A key as workers get it. A hosted key has no `privateKey`: its signatures are asked of the main thread. */
export interface RunKey {
  readonly uri: string;
  readonly type: KeyType;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  readonly privateKey?: KeyObject;
  readonly hosted: boolean;
  /** The digest that its signatures are over. */
  readonly digest: "sha224" | "sha256" | "sha384" | "sha512";
}

/** Where and how companions of images are kept: cosign's variables and flags. JSON. */
export interface Conventions {
  /** `COSIGN_REPOSITORY`: the repository that holds all signatures, as it is. */
  readonly targetRepository?: string;
  /** `--attachment-tag-prefix`. */
  readonly tagPrefix: string;
  /** `COSIGN_DOCKER_MEDIA_TYPES`. */
  readonly dockerMediaTypes: boolean;
  /** `--record-creation-timestamp` and `SOURCE_DATE_EPOCH`: RFC 3339; absent for the zero time. */
  readonly createdAt?: string;
  /** `COSIGN_MAX_ATTACHMENT_SIZE`. */
  readonly maxAttachmentBytes: number;
}

/** What a run knows before its first job: given to every worker once. */
export interface RunSetup {
  readonly protocol: typeof PROTOCOL;
  readonly registry: RegistryOptions;
  readonly conventions: Conventions;
  readonly keys: readonly RunKey[];
  /** Jobs that one thread works on at once. */
  readonly jobsPerThread: number;
  readonly threads: number;
  /** Counters of the budgets of all services, shared by all threads. */
  readonly budgets: SharedArrayBuffer;
}
