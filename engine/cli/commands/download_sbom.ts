import { downloadSbom } from "../../artifacts/download.ts";
import { formatPlatforms, listPlatforms, selectPlatform } from "../../artifacts/platform.ts";
import { CosignError, hasCode } from "../../model/errors.ts";
import type { CommandFunction } from "../command.ts";
import type { DOWNLOAD_SBOM_FLAGS } from "../flags/artifacts.ts";
import { DEFAULT_GENERATION, namedGeneration } from "../generation.ts";
import { openArtifacts } from "../open_artifacts.ts";
import { printableLine } from "../printable.ts";
import { downloadingWarning, SBOM_DEPRECATION } from "../sbom_texts.ts";

/** `download sbom`: the SBOM that is attached to an image, as it is. */
export const downloadSbomCommand: CommandFunction<typeof DOWNLOAD_SBOM_FLAGS> = async (call) => {
  const { flags, args, stdout, stderr } = call;
  const [image = ""] = args;
  const generation = namedGeneration(flags.compat) ?? DEFAULT_GENERATION;
  if (generation > 1) stderr.write(`${SBOM_DEPRECATION}\n`);
  stderr.write(`${downloadingWarning(generation)}\n`);
  using artifacts = await openArtifacts(call);
  const { stores, signal } = artifacts;
  const named = await artifacts.subject(image);
  const subject = flags.platform
    ? await selectPlatform(named, flags.platform, stores, signal)
    : named;
  const sbom = await downloadSbom(subject, stores, signal);
  if (sbom !== undefined) {
    stderr.write(`Found SBOM of media type: ${printableLine(sbom.mediaType)}\n`);
    stdout.write(sbom.content);
    return 0;
  }
  const platforms = await listPlatforms(subject, stores, signal).catch((error: unknown) => {
    if (hasCode(error, "IMAGE_NOT_FOUND")) return undefined; // its SBOM could be there all the same
    throw error;
  });
  if (platforms === undefined) {
    throw new CosignError("ATTACHMENT_NOT_FOUND", "no sbom attached to reference");
  }
  if (platforms.length > 0) {
    stderr.write(
      `\nThis multiarch image does not have an SBOM attached at the index level.\nTry using --platform with one of the following architectures:\n${printableLine(formatPlatforms(platforms))}\n\n`,
    );
  }
  throw new CosignError("ATTACHMENT_NOT_FOUND", "no SBOM found attached to image index");
};
