import { parseAnnotations } from "../annotations.ts";
import { runBatchCommand } from "../batch_run.ts";
import { batchLogFlag, batchTrustFlags, openBatchTrust } from "../batch_trust.ts";
import type { CommandFunction } from "../command.ts";
import { conventionsOf } from "../conventions.ts";
import { BATCH_VERIFY_FLAGS } from "../flags/batch.ts";
import { DEFAULT_GENERATION, isExperimental, namedGeneration } from "../generation.ts";
import { NO_KEY_HOST, openVerificationKeys } from "../open_keys.ts";
import { refuseLater } from "../refuse_later.ts";
import { registryOptions } from "../registry_options.ts";
import { warnWithoutLog } from "../verification.ts";

/** `batch verify`: verifies what a manifest or a list on standard input names. */
export const batchVerifyCommand: CommandFunction<typeof BATCH_VERIFY_FLAGS> = async (call) => {
  const { flags, given, env, stderr } = call;
  const generation = namedGeneration(flags.compat) ?? DEFAULT_GENERATION;
  refuseLater(BATCH_VERIFY_FLAGS, flags, given);
  warnWithoutLog("signatures", call);
  const { signal } = new AbortController();
  const trust = await batchTrustFlags(call, generation, { env, signal });
  return await runBatchCommand({
    call,
    flags: {
      op: "verify",
      generation,
      keys: flags.key.filter((key) => key !== ""),
      annotations: parseAnnotations(flags.annotations),
      experimental: isExperimental(env),
      checkClaims: flags["check-claims"],
      ...batchLogFlag(call),
      trust,
      ...(flags.format === undefined ? {} : { format: flags.format }),
      ...(given.has("recursive") ? { recursive: flags.recursive } : {}),
      ...(flags["recursive-policy"] === undefined
        ? {}
        : { recursivePolicy: flags["recursive-policy"] }),
      ...(given.has("skip-unknown-platform")
        ? { skipUnknownPlatform: flags["skip-unknown-platform"] }
        : {}),
      ...(given.has("timeout") ? { timeoutMs: flags.timeout } : {}),
    },
    registry: await registryOptions(flags, call.runtime.platform),
    conventions: conventionsOf(flags, env, new Date(), stderr),
    openKeys: async ({ keys }, options) => ({
      setup: {
        keys: await openVerificationKeys(keys, { ...call, plugins: options.plugins }, options),
      },
      keyHost: NO_KEY_HOST,
      close: () => Promise.resolve(),
    }),
    openTrust: (needs, options) => openBatchTrust(call, needs, { env, signal: options.signal }),
  });
};
