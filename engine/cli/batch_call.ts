import type { Conventions } from "../artifacts/conventions.ts";
import type { Needs } from "../batch/plan.ts";
import type { RunSetup } from "../batch/run_setup.ts";
import type { BatchFlags } from "../batch/settings.ts";
import type { KeyHost } from "../keys/key_ring.ts";
import type { RegistryOptions } from "../registry/session.ts";
import type { Invocation, World } from "./command.ts";
import type { FlagValues } from "./flag.ts";
import type { BATCH_RUN_FLAGS } from "./flags/batch.ts";
import type { GLOBAL_FLAGS } from "./flags/global.ts";

/** What `batch sign` and `batch verify` have in common. */
export interface BatchCall {
  readonly call: Omit<Invocation<Record<string, never>>, "flags"> & {
    readonly flags: FlagValues<typeof BATCH_RUN_FLAGS & typeof GLOBAL_FLAGS>;
  };
  readonly flags: BatchFlags;
  readonly registry: RegistryOptions;
  readonly conventions: Conventions;
  /** Opens the keys that the targets need: once, before the first worker starts. */
  readonly openKeys: (needs: Needs, options: OpenOptions) => Promise<BatchKeys>;
  /** Opens the trusted roots that the targets need, likewise. */
  readonly openTrust: (
    needs: Pick<Needs, "roots" | "logs">,
    options: Pick<OpenOptions, "signal">,
  ) => Promise<BatchTrust>;
}

/** Whom a run trusts beside keys. */
export type BatchTrust = Pick<RunSetup, "trustedRoot" | "namedRoots" | "searchUrl">;

/** How the keys of a batch are opened. */
export interface OpenOptions {
  readonly signal: AbortSignal;
  /** Standard input is the list of targets, not a password. */
  readonly stdinIsTaken: boolean;
  /** The plugins, those of the manifest among them. */
  readonly plugins: World["plugins"];
}

/** The keys of a batch, and what closes them. */
export interface BatchKeys {
  /** What workers are given of them. */
  readonly setup: Pick<RunSetup, "keys" | "vouching" | "trustedRoot">;
  readonly keyHost: KeyHost;
  /** Digest of who signs with certificates; absent where keys alone sign. */
  readonly identity?: string;
  readonly close: () => Promise<void>;
}
