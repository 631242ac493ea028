import { Budgets, createBudgetMemory } from "../../engine/io/budget.ts";
import { httpClient } from "../../engine/io/http.ts";
import type { PluginWorld } from "../../engine/plugin_host/plugin_call.ts";

/** What plugins get in tests: the real client and budgets, and pauses of no time. */
export function pluginWorld(changes: Partial<PluginWorld> = {}): PluginWorld {
  const env = changes.env ?? {};
  let sleptMs = 0;
  const sleep = async (ms: number): Promise<void> => {
    sleptMs += ms;
  };
  const now = (): number => Date.now() + sleptMs;
  return {
    env,
    http: httpClient({ env }),
    budgets: new Budgets(createBudgetMemory(), 1, { now, sleep }),
    retry: { sleep },
    tell: () => {},
    warn: () => {},
    ...changes,
  };
}
