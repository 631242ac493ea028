import type { World } from "./command.ts";
import type { FlagValues } from "./flag.ts";
import type { REFERRERS_MODE_FLAGS } from "./flags/registry.ts";
import { isExperimental } from "./generation.ts";
import { usage } from "./parse.ts";

/** Whether what is made becomes a referrer: cosign's experiment before bundles. @throws {CosignError} `USAGE`. */
export function wantsReferrers({
  flags,
  env,
}: { readonly flags: FlagValues<typeof REFERRERS_MODE_FLAGS> } & Pick<World, "env">): boolean {
  if (flags["registry-referrers-mode"] !== "oci-1-1") return false;
  if (isExperimental(env)) return true;
  throw usage(
    'in order to use mode "oci-1-1" for referrers, the environment variable COSIGN_EXPERIMENTAL must be set to 1',
  );
}
