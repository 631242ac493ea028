import { Budgets, createBudgetMemory } from "../io/budget.ts";
import { logExchange } from "../io/exchange_log.ts";
import { httpClient } from "../io/http.ts";
import type { TrustDemands } from "../model/policy.ts";
import type { SearchedLog } from "../transparency/look_up.ts";
import type { ServiceContext } from "../transparency/service.ts";
import type { World } from "./command.ts";
import type { FlagValues } from "./flag.ts";
import type { SEARCH_LOG_FLAGS } from "./flags/verify.ts";
import { userAgent } from "./version.ts";

/** Sigstore's own. */
const DEFAULT_URL = "https://rekor.sigstore.dev";

type Flags = FlagValues<typeof SEARCH_LOG_FLAGS>;

/**
 * The log of Rekor v1 that is asked for entries that do not lie beside their signatures; nothing where
 * nobody may be asked (`--offline`, an empty `--rekor-url`), or no entry is demanded.
 */
export function searchUrl(
  flags: Flags,
  { logThreshold }: Pick<TrustDemands, "logThreshold">,
): string | undefined {
  if (flags.offline || logThreshold === 0) return undefined;
  const url = flags["rekor-url"] ?? DEFAULT_URL;
  return url === "" ? undefined : url;
}

/** {@link searchUrl} for commands that verify without a batch. */
export async function openSearchedLog(
  call: { readonly flags: Flags & { readonly verbose: boolean } } & Pick<World, "env" | "runtime">,
  demands: Pick<TrustDemands, "logThreshold">,
  signal: AbortSignal,
): Promise<SearchedLog | undefined> {
  const url = searchUrl(call.flags, demands);
  if (url === undefined) return undefined;
  const { searchedLog } = await import("../transparency/look_up.ts");
  return searchedLog(url, serviceContext(call, signal));
}

/** What a command that is no batch speaks to services with. */
export function serviceContext(
  {
    flags,
    env,
    runtime,
  }: { readonly flags: { readonly verbose: boolean } } & Pick<World, "env" | "runtime">,
  signal: AbortSignal,
): ServiceContext {
  return {
    http: httpClient({ env, ...(flags.verbose ? { onExchange: logExchange } : {}) }),
    budgets: new Budgets(createBudgetMemory(), 1),
    userAgent: userAgent(runtime.platform),
    signal,
  };
}
