import { dockerReferenceOf } from "../../artifacts/resolve.ts";
import { encodeSimpleSigning } from "../../formats/simple_signing.ts";
import { parseAnnotations } from "../annotations.ts";
import type { CommandFunction } from "../command.ts";
import type { GENERATE_FLAGS } from "../flags/artifacts.ts";
import { openArtifacts } from "../open_artifacts.ts";

/** `generate`: what a signature of an image would be over. 1.x ends it with a line break. */
export const generateCommand: CommandFunction<typeof GENERATE_FLAGS> = async (call) => {
  const { flags, args, stdout } = call;
  const [image = ""] = args;
  const annotations = parseAnnotations(flags.annotations);
  using artifacts = await openArtifacts(call);
  const subject = await artifacts.subject(image);
  stdout.write(encodeSimpleSigning(dockerReferenceOf(subject), subject.digest, annotations));
  if (flags.compat === "1") stdout.write("\n");
  return 0;
};
