import { attachSbom, attachSbomReferrer } from "../../artifacts/attach_sbom.ts";
import { companionTag } from "../../artifacts/companion_tag.ts";
import { readArgument } from "../../io/argument_file.ts";
import { formatReference, parseReference } from "../../model/reference.ts";
import type { CommandFunction } from "../command.ts";
import type { ATTACH_SBOM_FLAGS } from "../flags/artifacts.ts";
import { DEFAULT_GENERATION, namedGeneration } from "../generation.ts";
import { openArtifacts } from "../open_artifacts.ts";
import { usage } from "../parse.ts";
import { printableLine } from "../printable.ts";
import { wantsReferrers } from "../referrers_mode.ts";
import { attachingWarning, SBOM_DEPRECATION } from "../sbom_texts.ts";
import { sbomMediaType } from "../sbom_type.ts";

/** `attach sbom`: an SBOM beside an image, not signed. */
export const attachSbomCommand: CommandFunction<typeof ATTACH_SBOM_FLAGS> = async (call) => {
  const { flags, args, stderr } = call;
  const [image = ""] = args;
  const generation = namedGeneration(flags.compat) ?? DEFAULT_GENERATION;
  if (generation > 1) stderr.write(`${SBOM_DEPRECATION}\n`);
  const path = flags.sbom ?? "";
  const mediaType = sbomMediaType(flags.type, flags["input-format"] ?? "", path, generation);
  stderr.write(`${attachingWarning(printableLine(path), generation)}\n`);
  if (path === "")
    throw usage("no SBOM is named", "Name its file: --sbom FILE, or - for standard input");
  const asReferrer = wantsReferrers(call);
  using artifacts = await openArtifacts(call);
  const { stores } = artifacts;
  const { conventions } = stores;
  const content = await readArgument(path, conventions.maxAttachmentBytes);
  const subject = await artifacts.subject(image);
  const store = stores.companionsOf(subject);
  const from = formatReference(parseReference(image));
  const tell = (to: string): void => {
    stderr.write(`Uploading SBOM file for [${from}] to [${to}] with mediaType [${mediaType}].\n`);
  };
  if (asReferrer) {
    const made = await attachSbomReferrer(subject, { content, mediaType }, stores, artifacts);
    tell(`${store.name}@${made}`);
    return 0;
  }
  tell(`${store.name}:${companionTag(subject.digest, "sbom", conventions.tagPrefix)}`);
  await attachSbom(subject, { content, mediaType }, stores, artifacts.signal);
  return 0;
};
