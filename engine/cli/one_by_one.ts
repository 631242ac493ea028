import { PROTOCOL, type RunSetup } from "../batch/run_setup.ts";
import type { RunOne } from "../batch/thread.ts";
import { openThread } from "../batch/thread.ts";
import { createBudgetMemory } from "../io/budget.ts";
import { LocalShared } from "../io/shared.ts";
import type { World } from "./command.ts";
import type { SigningKeys } from "./open_keys.ts";

/** What the jobs of one command line are run with. */
export type OneByOneSetup = Pick<RunSetup, "registry" | "conventions" | "keys">;

/** Makes what runs the jobs of one command line, in this thread and one after another. */
export function openOneByOne(
  setup: OneByOneSetup,
  world: World,
  signal: AbortSignal,
  signHosted: SigningKeys["signHosted"],
): RunOne {
  return openThread(
    {
      ...setup,
      protocol: PROTOCOL,
      jobsPerThread: 1,
      threads: 1,
      budgets: createBudgetMemory(),
    },
    { shared: new LocalShared(), signHosted, signal, env: world.env },
  );
}
