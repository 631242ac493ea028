import { basename } from "node:path";
import { readFileBytes } from "../io/files.ts";
import { CosignError } from "../model/errors.ts";

/** A policy is written by hand; a list of allowed names may be long. */
const MAX_POLICY_BYTES = 8 * 1024 * 1024;

/** The language of a policy. */
export type PolicyKind = "cue" | "rego";

/** A policy as it was read: its path only names it, in messages. */
export interface PolicySource {
  readonly path: string;
  readonly kind: PolicyKind;
  readonly text: string;
}

/** One reason why a statement does not satisfy the policies. */
export interface PolicyFailure {
  readonly kind: PolicyKind;
  /** The text of CUE or OPA, in cosign's words. It may name parts of the statement: attacker-controlled. */
  readonly message: string;
}

/**
 * The language that the extension of a path names.
 *
 * @throws {CosignError} `USAGE` when it is neither `.cue` nor `.rego`.
 */
export function policyKind(path: string): PolicyKind {
  const name = basename(path);
  if (name.endsWith(".cue")) return "cue";
  if (name.endsWith(".rego")) return "rego";
  throw new CosignError(
    "USAGE",
    `Cannot use policy "${path}": invalid policy format, expected .cue or .rego`,
  );
}

/**
 * Reads the policies of `--policy`, all before anything is judged by one of them.
 *
 * @throws {CosignError} `USAGE` for another extension, `FILE_READ`, `LIMIT_EXCEEDED`.
 */
export async function readPolicies(paths: readonly string[]): Promise<readonly PolicySource[]> {
  const kinds = paths.map(policyKind);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return Promise.all(
    paths.map(async (path, i) => ({
      path,
      kind: kinds[i] ?? "cue",
      text: decoder.decode(await readFileBytes(path, MAX_POLICY_BYTES)),
    })),
  );
}
