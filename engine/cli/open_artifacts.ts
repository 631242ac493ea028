import { resolve } from "../artifacts/resolve.ts";
import { openStores, type Stores } from "../artifacts/stores.ts";
import { Budgets, createBudgetMemory } from "../io/budget.ts";
import { onInterrupt } from "../io/program.ts";
import { LocalShared } from "../io/shared.ts";
import { pause } from "../io/wait.ts";
import { CosignError } from "../model/errors.ts";
import type { Subject } from "../model/subject.ts";
import type { World } from "./command.ts";
import { conventionsOf } from "./conventions.ts";
import type { FlagValues } from "./flag.ts";
import type { IMAGE_FLAGS } from "./flags/artifacts.ts";
import type { GLOBAL_FLAGS } from "./flags/global.ts";
import { openListing } from "./open_listing.ts";
import { registryOptions } from "./registry_options.ts";

/** What a command that goes straight to registries works with, until it is disposed of. */
export interface OpenArtifacts {
  readonly stores: Stores;
  /** Ends with the command's time, or when the user interrupts it. */
  readonly signal: AbortSignal;
  readonly idle: (ms: number) => Promise<void>;
  /** The one manifest that a reference names, pinned to its digest. */
  subject(reference: string): Promise<Subject>;
  [Symbol.dispose](): void;
}

/**
 * Opens registries for one command.
 *
 * @throws {CosignError} `USAGE`, `FILE_READ`.
 */
export async function openArtifacts(
  call: World & {
    readonly flags: FlagValues<typeof IMAGE_FLAGS> & FlagValues<typeof GLOBAL_FLAGS>;
  },
): Promise<OpenArtifacts> {
  const { flags, env, stderr } = call;
  const options = await registryOptions(flags, call.runtime.platform);
  const conventions = conventionsOf(flags, env, new Date(), stderr);
  const registry = openListing(options, call, {
    shared: new LocalShared(),
    budgets: new Budgets(createBudgetMemory(), 1),
  });
  const stores = openStores(registry, conventions, { requests: 0 });
  const controller = new AbortController();
  const { signal } = controller;
  const stopListening = onInterrupt(() =>
    controller.abort(new CosignError("CANCELLED", "Interrupted before it was done")),
  );
  const timer = flags.timeout > 0 ? setTimeout(expire, flags.timeout) : undefined;
  function expire(): void {
    controller.abort(
      new CosignError("DEADLINE_EXCEEDED", `The time of ${flags.timeout} ms is over`, {
        hint: "Give it more with --timeout, 0 for any",
      }),
    );
  }
  return {
    stores,
    signal,
    idle: (ms) => pause(ms, signal),
    subject: async (reference) => {
      const target = { type: "reference", reference } as const;
      const once = { recursive: false, skipUnknownPlatform: false, signal };
      for await (const subject of resolve(target, stores, once)) return subject;
      throw new TypeError("A target has at least one subject");
    },
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      stopListening();
    },
  };
}
