import { Budgets, createBudgetMemory } from "../../io/budget.ts";
import { httpClient } from "../../io/http.ts";
import { AMBIENT_PROVIDERS } from "../../transparency/oidc/ambient.ts";
import type { CommandFunction } from "../command.ts";
import { userAgent } from "../version.ts";

/** `debug providers`: which providers of identity tokens the environment has, in the order in which they are asked. */
export const debugProvidersCommand: CommandFunction<Record<never, never>> = async (call) => {
  const { env, stdout, runtime } = call;
  const services = {
    http: httpClient({ env }),
    budgets: new Budgets(createBudgetMemory(), 1),
    userAgent: userAgent(runtime.platform),
  };
  for (const { name, isEnabled } of AMBIENT_PROVIDERS) {
    stdout.write(`${name}: ${await isEnabled({ env, services })}\n`);
  }
  return 0;
};
