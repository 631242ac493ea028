import type { Output } from "./command.ts";
import { DEFAULT_GENERATION, namedGeneration } from "./generation.ts";

/** Says what cosign 3.1 says of a command that it will not have any more. */
export function tellDeprecated(
  name: string,
  why: string,
  compat: "1" | "2" | "3" | undefined,
  stderr: Output,
): void {
  if ((namedGeneration(compat) ?? DEFAULT_GENERATION) !== 3) return;
  stderr.write(`Command ${JSON.stringify(name)} is deprecated, ${why}\n`);
}

/** The end of cosign's words about most of them. */
export const REMOVED_IN_4 =
  "will be removed in v4.0.0 (see https://github.com/sigstore/cosign/issues/4696). Instead, please use";
