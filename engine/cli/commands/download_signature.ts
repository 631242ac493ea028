import { downloadBundles, downloadSignatures } from "../../artifacts/download.ts";
import { encodeGoJson } from "../../formats/go_json.ts";
import { encodeGoValue } from "../../formats/go_value.ts";
import type { CommandFunction } from "../command.ts";
import type { IMAGE_FLAGS } from "../flags/artifacts.ts";
import { DEFAULT_GENERATION, namedGeneration } from "../generation.ts";
import { openArtifacts } from "../open_artifacts.ts";
import { printableJson } from "../printable.ts";

/** `download signature`: the bundles of an image, or else its signatures, one JSON line each. */
export const downloadSignatureCommand: CommandFunction<typeof IMAGE_FLAGS> = async (call) => {
  const { flags, args, stdout } = call;
  const [image = ""] = args;
  const generation = namedGeneration(flags.compat) ?? DEFAULT_GENERATION;
  using artifacts = await openArtifacts(call);
  const { stores, signal } = artifacts;
  const subject = await artifacts.subject(image);
  let count = 0;
  if (generation === 3) {
    for await (const { json } of downloadBundles(subject, stores, signal)) {
      stdout.write(`${printableJson(encodeGoJson(json))}\n`);
      count += 1;
    }
  }
  if (count > 0) return 0;
  for (const value of await downloadSignatures(subject, stores, generation > 1, signal)) {
    stdout.write(`${printableJson(encodeGoValue(value))}\n`);
  }
  return 0;
};
