import type { Budgets } from "../io/budget.ts";
import { logExchange } from "../io/exchange_log.ts";
import { httpClient } from "../io/http.ts";
import type { Shared } from "../io/shared.ts";
import { openRegistry } from "../registry/client.ts";
import type { Registry, RegistryOptions } from "../registry/session.ts";
import type { World } from "./command.ts";

/** Opens all registries in the main thread: for what is listed, or asked for without jobs. */
export function openListing(
  options: RegistryOptions,
  { env, plugins }: Pick<World, "env" | "plugins">,
  services: { readonly shared: Shared; readonly budgets: Budgets },
): Registry {
  const http = httpClient({ env, ...(options.verbose ? { onExchange: logExchange } : {}) });
  const { budgets } = services;
  return openRegistry(options, {
    ...services,
    env,
    cloudLogin: async (registry, signal) => {
      const { logInToCloud } = await import("../plugin_host/registry_login.ts");
      const { registryLogin } = await plugins();
      return await logInToCloud(registry, registryLogin, { env, http, budgets }, signal);
    },
  });
}
