import { logWarning } from "../io/exchange_log.ts";
import { CosignError, type ErrorCode } from "../model/errors.ts";
import type { RegistryAccess } from "./contract.ts";
import { type PluginWorld, pluginCaller } from "./plugin_call.ts";
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

/**
 * Logs in: see {@link CloudLogin}. Nothing of a cloud is loaded before a registry of its is met, and this file only
 * where somebody asks.
 */
export async function logInToCloud(
  registry: string,
  find: PluginTable["registryLogin"],
  services: Omit<PluginWorld, "tell" | "warn">,
  signal?: AbortSignal,
): Promise<RegistryAccess | undefined> {
  const backend = await find(registry);
  if (backend === undefined) return undefined;
  const caller = pluginCaller(backend, { ...services, tell: logWarning, warn: logWarning });
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
}
