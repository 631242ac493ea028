import type { Conventions } from "../artifacts/conventions.ts";
import type { RunKey } from "../keys/key_ring.ts";
import type { RegistryOptions } from "../registry/session.ts";
import type { VouchSetup } from "../sign/open_vouching.ts";

/** Version of everything that crosses between the main thread and its workers. */
export const PROTOCOL = 1;

/** What a run knows before its first job: given to every worker once. */
export interface RunSetup {
  readonly protocol: typeof PROTOCOL;
  readonly registry: RegistryOptions;
  readonly conventions: Conventions;
  /** The keys that last; what jobs name beside them is leased. */
  readonly keys: readonly RunKey[];
  /** Whom signatures are held against beside keys: a Sigstore trusted root, JSON. */
  readonly trustedRoot?: Uint8Array;
  /** URL of a log of Rekor v1, asked for entries that do not lie beside their signatures; absent: nobody is asked. */
  readonly searchUrl?: string;
  /** The same for jobs that name one of their own, by that name. */
  readonly namedRoots?: ReadonlyMap<string, Uint8Array>;
  /** Absent: nobody vouches for signatures. */
  readonly vouching?: VouchSetup;
  /** Jobs that one thread works on at once. */
  readonly jobsPerThread: number;
  readonly threads: number;
  /** Counters of the budgets of all services, shared by all threads. */
  readonly budgets: SharedArrayBuffer;
}
