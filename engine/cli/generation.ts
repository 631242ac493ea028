import { type Environment, parseGoBool } from "../io/env.ts";
import { CosignError } from "../model/errors.ts";
import type { Generation } from "../model/exit_code.ts";
import type { SignatureFormat } from "../model/policy.ts";

/** The generation whose defaults hold when nobody names one. */
export const DEFAULT_GENERATION: Generation = 3;

/** The generation that `--compat` or `COSIGN_COMPAT` names; absent when neither does. */
export function namedGeneration(compat: "1" | "2" | "3" | undefined): Generation | undefined {
  switch (compat) {
    case "1":
      return 1;
    case "2":
      return 2;
    case "3":
      return 3;
    default:
      return undefined;
  }
}

/**
 * The formats that `sign` writes: `--format` before `--new-bundle-format` before the generation's
 * own (`.sig` tags until 2, bundles in 3).
 *
 * @param newBundleFormat Absent when the flag was not given.
 */
export function signatureFormats(
  format: "legacy" | "bundle" | "both" | undefined,
  newBundleFormat: boolean | undefined,
  generation: Generation,
): readonly SignatureFormat[] {
  if (format === "both") return ["legacy", "bundle"];
  if (format !== undefined) return [format];
  return (newBundleFormat ?? generation === 3) ? ["bundle"] : ["legacy"];
}

/**
 * Refuses to verify where the log was asked for: this version cannot look into it.
 *
 * @param ignoreLog `--insecure-ignore-tlog` or `--private-infrastructure`; absent when neither was given.
 * @throws {CosignError} `LOG_UNAVAILABLE`.
 */
export function refuseLogCheck(
  ignoreLog: boolean | undefined,
  generation: Generation,
  env: Environment,
): void {
  const asked = ignoreLog === undefined ? generation !== 1 || isExperimental(env) : !ignoreLog;
  if (!asked) return;
  throw new CosignError(
    "LOG_UNAVAILABLE",
    "Cannot verify the signatures: the transparency log is not available in this version",
    {
      hint: `Verify without a log: --insecure-ignore-tlog${experimentalHint(generation, env)}`,
    },
  );
}

/** `COSIGN_EXPERIMENTAL`, as Go reads truth values; anything else is false. */
export function isExperimental(env: Environment): boolean {
  return parseGoBool(env["COSIGN_EXPERIMENTAL"] ?? "") ?? false;
}

function experimentalHint(generation: Generation, env: Environment): string {
  return generation === 1 && isExperimental(env) ? ", or unset COSIGN_EXPERIMENTAL" : "";
}
