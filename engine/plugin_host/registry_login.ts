import { logWarning } from "../io/exchange_log.ts";
import { CosignError, type ErrorCode } from "../model/errors.ts";
import type { RegistryAccess } from "./contract.ts";
import type { PluginWorld } from "./plugin_call.ts";
import type { PluginTable } from "./table.ts";

/**
 * Logs in to a registry where a cloud is known for its name.
 *
 * @param registry Host and port.
 * @returns Nothing when there is no such cloud, or nobody to log in as.
 * @throws {CosignError} `CREDENTIALS_INVALID`, `REGISTRY_UNAVAILABLE`, `REGISTRY_RATE_LIMITED`, `PLUGIN_FAILED`.
 */
export type CloudLogin = (
  registry: string,
  signal?: AbortSignal,
) => Promise<RegistryAccess | undefined>;

/** A service that is down or busy is so for registries too; all else is about who we are. */
const CODES: Readonly<Partial<Record<ErrorCode, ErrorCode>>> = {
  KEY_SERVICE_UNAVAILABLE: "REGISTRY_UNAVAILABLE",
  KEY_SERVICE_RATE_LIMITED: "REGISTRY_RATE_LIMITED",
};

const AS_THEY_ARE: readonly ErrorCode[] = ["CANCELLED", "DEADLINE_EXCEEDED", "PLUGIN_FAILED"];

/** Makes what logs in to the registries of clouds. Nothing of a cloud is loaded before its registry is met. */
export function cloudLogin(
  find: PluginTable["registryLogin"],
  services: Omit<PluginWorld, "tell" | "warn">,
): CloudLogin {
  const world = { ...services, tell: logWarning, warn: logWarning };
  return async (registry, signal) => {
    const backend = await find(registry);
    if (backend === undefined) return undefined;
    const { pluginCaller } = await import("./plugin_call.ts"); // most runs meet no cloud
    const caller = pluginCaller(backend, world);
    try {
      return await caller.call((context) => backend.login.logIn(registry, context), signal);
    } catch (error) {
      if (!(error instanceof CosignError) || AS_THEY_ARE.includes(error.code)) throw error;
      throw new CosignError(
        CODES[error.code] ?? "CREDENTIALS_INVALID",
        `Cannot log in to "${registry}": ${error.message}`,
        { cause: error, ...(error.hint === undefined ? {} : { hint: error.hint }) },
      );
    }
  };
}
