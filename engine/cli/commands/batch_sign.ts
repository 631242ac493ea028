import { parseAnnotations } from "../annotations.ts";
import { runBatchCommand } from "../batch_run.ts";
import type { CommandFunction } from "../command.ts";
import { conventionsOf } from "../conventions.ts";
import type { BATCH_SIGN_FLAGS } from "../flags/batch.ts";
import { DEFAULT_GENERATION, isExperimental, namedGeneration } from "../generation.ts";
import { openSigningKeys } from "../open_keys.ts";
import { registryOptions } from "../registry_options.ts";

/** `batch sign`: signs what a manifest or a list on standard input names. */
export const batchSignCommand: CommandFunction<typeof BATCH_SIGN_FLAGS> = async (call) => {
  const { flags, given, env, stderr } = call;
  const generation = namedGeneration(flags.compat) ?? DEFAULT_GENERATION;
  const identities = flags["sign-container-identity"];
  return await runBatchCommand({
    call,
    flags: {
      op: "sign",
      generation,
      keys: flags.key === undefined || flags.key === "" ? [] : [flags.key],
      annotations: parseAnnotations(flags.annotations),
      experimental: isExperimental(env),
      checkClaims: true,
      ...(given.has("tlog-upload") ? { log: flags["tlog-upload"] } : {}),
      ...(flags.format === undefined ? {} : { format: flags.format }),
      ...(given.has("recursive") ? { recursive: flags.recursive } : {}),
      ...(given.has("skip-signed") ? { skipSigned: flags["skip-signed"] } : {}),
      ...(given.has("skip-unknown-platform")
        ? { skipUnknownPlatform: flags["skip-unknown-platform"] }
        : {}),
      ...(given.has("timeout") ? { timeoutMs: flags.timeout } : {}),
      ...(identities.length === 0 ? {} : { identities }),
    },
    registry: await registryOptions(flags, call.runtime.platform),
    conventions: conventionsOf(flags, env, new Date(), stderr),
    openKeys: async (uris, options) => {
      const opened = await openSigningKeys(uris, { ...call, plugins: options.plugins }, options);
      return {
        keys: opened.keys,
        signHosted: opened.signHosted,
        close: () => opened[Symbol.asyncDispose](),
      };
    },
    openTrust: () => Promise.resolve({}),
  });
};
