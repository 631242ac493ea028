import { PROTOCOL, type RunSetup } from "../batch/run_setup.ts";
import { openThread, type RunOne } from "../batch/thread.ts";
import { createBudgetMemory } from "../io/budget.ts";
import { onInterrupt } from "../io/program.ts";
import { LocalShared } from "../io/shared.ts";
import type { KeyHost } from "../keys/key_ring.ts";
import { CosignError } from "../model/errors.ts";
import type { World } from "./command.ts";

/** What the jobs of one command line are run with. */
export type OneByOneSetup = Pick<
  RunSetup,
  "registry" | "conventions" | "keys" | "trustedRoot" | "searchUrl" | "vouching"
>;

/** Runs the jobs of one command line in this thread, until it is disposed of. */
export interface OneByOne {
  readonly run: RunOne;
  [Symbol.dispose](): void;
}

/**
 * Makes what runs jobs in this thread. An interruption ends the job under way with `CANCELLED`; a
 * second one ends the program.
 */
export function openOneByOne(setup: OneByOneSetup, world: World, keyHost: KeyHost): OneByOne {
  const interruption = new AbortController();
  const stopListening = onInterrupt(() =>
    interruption.abort(new CosignError("CANCELLED", "Interrupted before the answer was there")),
  );
  const run = openThread(
    {
      ...setup,
      protocol: PROTOCOL,
      jobsPerThread: 1,
      threads: 1,
      budgets: createBudgetMemory(),
    },
    {
      shared: new LocalShared(),
      keyHost,
      signal: interruption.signal,
      env: world.env,
      artifactHandlers: async () => await (await world.plugins()).artifactHandlers(),
      registryLogin: async (host) => await (await world.plugins()).registryLogin(host),
    },
  );
  return { run, [Symbol.dispose]: stopListening };
}
