import { loadImage } from "../../artifacts/saved.ts";
import type { CommandFunction } from "../command.ts";
import type { SAVED_FLAGS } from "../flags/artifacts.ts";
import { openArtifacts } from "../open_artifacts.ts";
import { requireFlag } from "../require_flag.ts";

/** `load`: a directory that `save` wrote, into a registry. */
export const loadCommand: CommandFunction<typeof SAVED_FLAGS> = async (call) => {
  const [image = ""] = call.args;
  const directory = requireFlag("dir", call.flags.dir);
  using artifacts = await openArtifacts(call);
  await loadImage(directory, image, artifacts.stores, artifacts);
  return 0;
};
