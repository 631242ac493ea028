import type { Conventions } from "../artifacts/conventions.ts";
import type { Stores } from "../artifacts/stores.ts";
import type { TrustedRoot } from "../formats/trusted_root.ts";
import type { Shared } from "../io/shared.ts";
import type { KeyRing } from "../keys/key_ring.ts";
import type { SignatureFormat, TrustDemands } from "../model/policy.ts";
import type { ArtifactHandler } from "../plugin_host/contract.ts";
import type { Registry } from "../registry/session.ts";
import type { Vouching } from "../sign/open_vouching.ts";
import type { ServiceContext } from "../transparency/service.ts";

/** What a thread has for all of its jobs. */
export interface JobContext {
  readonly registry: Registry;
  readonly keys: KeyRing;
  /** Whom the run trusts beside keys; absent: nobody. */
  readonly trustedRoot?: TrustedRoot;
  /** The log of Rekor v1 that is asked for entries that do not lie beside their signatures; absent: none. */
  readonly search?: { readonly url: string; readonly services: ServiceContext };
  /** The same for jobs that name a root of their own. */
  readonly namedRoots?: ReadonlyMap<string, TrustedRoot>;
  /** With what signatures are vouched for, and by whom where a job names nobody else; absent: by nobody. */
  readonly vouching?: Vouching;
  readonly conventions: Conventions;
  /** Who knows kinds of artifacts; loaded when they are asked for. */
  readonly artifactHandlers: () => Promise<readonly ArtifactHandler[]>;
  readonly shared: Shared;
  readonly signal: AbortSignal;
  readonly now: () => Date;
  /** Pauses, and lends this job's slot to others meanwhile. */
  readonly idle: (ms: number) => Promise<void>;
  /** The format in which signatures were found last, by repository: where to look first. */
  readonly found: Map<string, SignatureFormat>;
}

/** What `runSignJob` and `runVerifyJob` get for one job. */
export interface JobScope {
  readonly context: JobContext;
  readonly stores: Stores;
  /** Ends with the job's time or with the run. */
  readonly signal: AbortSignal;
}

/** Whom a job's signatures are held against beside keys; nothing: nobody is trusted. */
export function rootOf(
  { trustedRoot, namedRoots }: JobContext,
  demands: TrustDemands | undefined,
): TrustedRoot | undefined {
  return demands?.root === undefined ? trustedRoot : namedRoots?.get(demands.root);
}

/** Manifests of one target that are worked on at once. */
export const SUBJECTS_AT_ONCE = 4;
