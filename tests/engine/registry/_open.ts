import { Budgets, createBudgetMemory } from "../../../engine/io/budget.ts";
import { LocalShared, type Shared } from "../../../engine/io/shared.ts";
import { openRegistry } from "../../../engine/registry/client.ts";
import type { Registry, RegistryOptions } from "../../../engine/registry/session.ts";

/** A registry client of a test: nobody's credentials, few attempts. */
export function openForTest(
  options: Partial<RegistryOptions> = {},
  env: Readonly<Record<string, string | undefined>> = {},
  shared: Shared = new LocalShared(),
): Registry {
  return openRegistry(
    {
      allowHttp: false,
      allowInsecure: false,
      userAgent: "cosign-ts-test",
      attempts: 3,
      requestTimeoutMs: 5000,
      ...options,
    },
    {
      shared,
      budgets: new Budgets(createBudgetMemory(), 1),
      env: { HOME: "/nonexistent", ...env },
    },
  );
}

/** Waits by a timer, as a single command does. */
export const idle = (ms: number): Promise<void> => Bun.sleep(ms);
