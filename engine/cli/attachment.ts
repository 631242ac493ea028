import type { Generation } from "../model/exit_code.ts";
import type { Output } from "./command.ts";
import { usage } from "./parse.ts";

/**
 * Reads `--attachment`: whether the image's SBOM is meant instead of the image. Says what cosign says of it.
 *
 * @throws {CosignError} `USAGE` for anything but `sbom`.
 */
export function isSbomAttachment(
  attachment: string | undefined,
  generation: Generation,
  stderr: Output,
): boolean {
  if (attachment === undefined || attachment === "") return false;
  if (attachment !== "sbom") {
    throw usage(`specified image attachment ${attachment} not specified. Can be 'sbom'`);
  }
  if (generation > 1) {
    stderr.write(
      "WARNING: SBOM attachments are deprecated and support will be removed in a Cosign release soon after 2024-02-22 (see https://github.com/sigstore/cosign/issues/2755). Instead, please use SBOM attestations.\n",
    );
  }
  return true;
}
