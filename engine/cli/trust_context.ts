import type { TrustContext } from "../trust/open.ts";
import type { World } from "./command.ts";
import { userAgent } from "./version.ts";
import { warningTo } from "./warning.ts";

/** What a command opens trust with: what cannot be refreshed is told of on stderr. */
export function trustContext(
  { env, stderr, runtime }: Pick<World, "env" | "stderr" | "runtime">,
  signal: AbortSignal,
): TrustContext {
  return { env, signal, warn: warningTo(stderr), userAgent: userAgent(runtime.platform) };
}
