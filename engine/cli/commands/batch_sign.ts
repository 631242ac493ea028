import type { Needs } from "../../batch/plan.ts";
import { sha256 } from "../../crypto/hash.ts";
import { KEYLESS } from "../../keys/key_ring.ts";
import { utf8 } from "../../model/bytes.ts";
import type { Generation } from "../../model/exit_code.ts";
import type { IdentityToken } from "../../transparency/identity_token.ts";
import { parseAnnotations } from "../annotations.ts";
import type { BatchKeys, OpenOptions } from "../batch_call.ts";
import { runBatchCommand } from "../batch_run.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import { conventionsOf } from "../conventions.ts";
import type { BATCH_SIGN_FLAGS } from "../flags/batch.ts";
import { DEFAULT_GENERATION, isExperimental, namedGeneration } from "../generation.ts";
import { openSigning, setupOf } from "../open_signing.ts";
import { registryOptions } from "../registry_options.ts";
import { batchPlan, saidOfLog } from "../signing.ts";

/** `batch sign`: signs what a manifest or a list on standard input names. */
export const batchSignCommand: CommandFunction<typeof BATCH_SIGN_FLAGS> = async (call) => {
  const { flags, given, env, stderr } = call;
  const generation = namedGeneration(flags.compat) ?? DEFAULT_GENERATION;
  const identities = flags["sign-container-identity"];
  const log = saidOfLog(call);
  return await runBatchCommand({
    call,
    flags: {
      op: "sign",
      generation,
      keys: flags.key === undefined || flags.key === "" ? [] : [flags.key],
      annotations: parseAnnotations(flags.annotations),
      experimental: isExperimental(env),
      checkClaims: true,
      ...(log === undefined ? {} : { log }),
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
    openKeys: (needs, options) => openBatchSigning(needs, call, generation, options),
    openTrust: () => Promise.resolve({}),
  });
};

type Call = Invocation<typeof BATCH_SIGN_FLAGS>;

/** Opens what signs. Somebody logs in here, if need be: before the first target. */
async function openBatchSigning(
  needs: Needs,
  call: Call,
  generation: Generation,
  { signal, stdinIsTaken, plugins }: OpenOptions,
): Promise<BatchKeys> {
  const isIssued = needs.keys.includes(KEYLESS);
  const plan = batchPlan(call, generation, { ...needs, isIssued });
  const opened = await openSigning(
    plan,
    { ...call, plugins },
    {
      signal,
      stdinIsTaken,
      keys: needs.keys,
      ...(isIssued ? { leased: KEYLESS } : {}),
      formats: needs.formats,
      isOpenEnded: true,
      quiet: true,
      isLong: true,
    },
  );
  try {
    const token = await opened.identity?.(signal);
    return {
      setup: setupOf(opened),
      keyHost: opened.keyHost,
      ...(token === undefined ? {} : { identity: identityDigest(token) }),
      close: () => opened[Symbol.asyncDispose](),
    };
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

/** Another identity under the same manifest is another job, as another key is. */
function identityDigest({ issuer, proofSubject }: IdentityToken): string {
  return sha256(utf8(JSON.stringify([issuer, proofSubject]))).toHex();
}
