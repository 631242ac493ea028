import { downloadAttestations, downloadBundles } from "../../artifacts/download.ts";
import { selectPlatform } from "../../artifacts/platform.ts";
import { encodeGoJson } from "../../formats/go_json.ts";
import { acceptedPredicateUris, predicateUri } from "../../formats/predicates.ts";
import { CosignError } from "../../model/errors.ts";
import type { CommandFunction } from "../command.ts";
import type { DOWNLOAD_ATTESTATION_FLAGS } from "../flags/artifacts.ts";
import { DEFAULT_GENERATION, namedGeneration } from "../generation.ts";
import { openArtifacts } from "../open_artifacts.ts";
import { usage } from "../parse.ts";
import { printableJson } from "../printable.ts";

/** `download attestation`: the bundles of an image and its attestations, one JSON line each. */
export const downloadAttestationCommand: CommandFunction<
  typeof DOWNLOAD_ATTESTATION_FLAGS
> = async (call) => {
  const { flags, args, stdout } = call;
  const [image = ""] = args;
  const generation = namedGeneration(flags.compat) ?? DEFAULT_GENERATION;
  const wanted = wantedTypes(flags["predicate-type"]);
  const isWanted = (type: string | undefined): boolean =>
    wanted === undefined || (type !== undefined && wanted.includes(type));
  using artifacts = await openArtifacts(call);
  const { stores, signal } = artifacts;
  const named = await artifacts.subject(image);
  const subject = flags.platform
    ? await selectPlatform(named, flags.platform, stores, signal)
    : named;
  let count = 0;
  if (generation > 1) {
    for await (const { json, predicateType } of downloadBundles(subject, stores, signal)) {
      if (!isWanted(predicateType)) continue;
      stdout.write(`${printableJson(encodeGoJson(json))}\n`);
      count += 1;
    }
  }
  for (const json of await downloadAttestations(subject, stores, isWanted, signal)) {
    stdout.write(`${printableJson(encodeGoJson(json))}\n`);
    count += 1;
  }
  if (count > 0 || wanted === undefined) return 0;
  throw new CosignError(
    "ATTACHMENT_NOT_FOUND",
    `no attestations with predicate type '${wanted[0]}' found`,
  );
};

/** All that satisfy what was asked for, the newest spelling first; nothing when nothing was asked. */
function wantedTypes(type: string | undefined): readonly string[] | undefined {
  if (!type) return undefined;
  try {
    predicateUri(type, 3);
  } catch (error) {
    if (error instanceof SyntaxError) throw usage(error.message);
    throw error;
  }
  return acceptedPredicateUris(type);
}
