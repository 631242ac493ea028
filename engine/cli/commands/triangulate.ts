import { type Companion, companionTag } from "../../artifacts/companion_tag.ts";
import { parseReference, repositoryName } from "../../model/reference.ts";
import type { CommandFunction } from "../command.ts";
import type { TRIANGULATE_FLAGS } from "../flags/artifacts.ts";
import { openArtifacts } from "../open_artifacts.ts";
import { usage } from "../parse.ts";

const COMPANIONS: ReadonlyMap<string, Companion> = new Map([
  ["signature", "sig"],
  ["attestation", "att"],
  ["sbom", "sbom"],
]);

/** `triangulate`: where something of an image lies. */
export const triangulateCommand: CommandFunction<typeof TRIANGULATE_FLAGS> = async (call) => {
  const { flags, args, stdout } = call;
  const [image = ""] = args;
  const companion = COMPANIONS.get(flags.type);
  if (companion === undefined && flags.type !== "digest") {
    throw usage(`unknown attachment type ${flags.type}`);
  }
  using artifacts = await openArtifacts(call);
  const subject = await artifacts.subject(image);
  const { stores } = artifacts;
  if (companion === undefined) {
    stdout.write(`${repositoryName(parseReference(image))}@${subject.digest}\n`);
    return 0;
  }
  const tag = companionTag(subject.digest, companion, stores.conventions.tagPrefix);
  stdout.write(`${stores.companionsOf(subject).name}:${tag}\n`);
  return 0;
};
