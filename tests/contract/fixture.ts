import type { KeyType } from "../../engine/model/key.ts";

/** A key that a backend has when its fixture starts. */
export interface FixtureKey {
  readonly uri: string;
  readonly type: KeyType;
  /** What it signs over. Absent for Ed25519. */
  readonly digest?: "sha256" | "sha384" | "sha512";
  /** How large a message may be that it signs whole. Absent for any size. */
  readonly limitBytes?: number;
}

/** Requests that a backend got, or calls of a program. */
export interface Counts {
  readonly publicKey: number;
  /** Signatures that it made. */
  readonly sign: number;
  /** Requests that it was sent, those it turned away too. */
  readonly attempts: number;
}

/** Something that goes wrong, and what the user must be told. */
export interface Fault {
  /** As it stands in the name of the test: `the key is disabled`. */
  readonly name: string;
  readonly uri: string;
  /** Default: `public-key`. */
  readonly command?: "public-key" | "sign-blob" | "generate-key-pair";
  /** Variables that differ from the backend's; `undefined` takes one away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Makes it so. What it returns undoes it. */
  readonly arrange?: () => (() => void | Promise<void>) | Promise<() => void | Promise<void>>;
  readonly code: string;
  /** In the message or the hint: the permission that is missing, the variable that is not set. */
  readonly says: RegExp;
}

/** What a service or program is told to do from now on. */
export type Trouble =
  /** It asks to come back later, once. */
  | "throttle-once"
  /** It asks to come back later, always. */
  | "throttle"
  /** It does not answer. */
  | "silence"
  /** The signatures are by another key than the one whose public key it names. */
  | "lie";

/** A backend that is there. Whoever started it closes it. */
export interface RunningBackend {
  /** The user's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Flags of every command: `--plugins FILE`. */
  readonly argv?: readonly string[];
  /** Keys that are there, one of each type that the backend has. Empty for one that cannot sign. */
  readonly keys: readonly FixtureKey[];
  /** Where a key can be made. Absent for a backend that cannot. */
  readonly newKey?: FixtureKey;
  /** Two versions of one key, which have different public keys. Absent where keys have no versions. */
  readonly versions?: readonly [FixtureKey, FixtureKey];
  /** A key of another machine, where nobody listens. Absent for what is no service. */
  readonly unreachable?: { readonly uri: string; readonly env?: Readonly<Record<string, string>> };
  readonly faults: readonly Fault[];
  /** What must not be in any output. */
  readonly secrets: readonly string[];
  /** What it got since it was asked last. */
  readonly takeCounts: () => Counts;
  /** Makes trouble with one of `keys`, and ends the trouble when it is absent. */
  readonly trouble: (what: Trouble | undefined) => void;
  close(): Promise<void>;
}

/** One key backend, for `testKeyBackend()`. */
export interface KeyFixture {
  /** What stands before the names of its tests. */
  readonly name: string;
  /** The scheme of its keys' URIs. */
  readonly scheme: string;
  /**
   * Whether keys sign where they lie. Default true; false for a store of secrets: the private key is fetched,
   * and nothing is asked for a signature.
   */
  readonly isHosted?: boolean;
  start(): Promise<RunningBackend>;
}
