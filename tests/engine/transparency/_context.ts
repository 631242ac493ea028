import { Budgets, createBudgetMemory } from "../../../engine/io/budget.ts";
import { httpClient } from "../../../engine/io/http.ts";
import type { ServiceContext } from "../../../engine/transparency/service.ts";

/** What services are spoken to with, without pauses between attempts. */
export function testContext(more: Partial<ServiceContext> = {}): ServiceContext {
  return {
    http: httpClient({ env: {} }),
    budgets: new Budgets(createBudgetMemory(), 1),
    retry: { attempts: 3, sleep: async () => {}, random: () => 0 },
    ...more,
  };
}
