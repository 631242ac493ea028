import { saveImage } from "../../artifacts/saved.ts";
import type { CommandFunction } from "../command.ts";
import type { SAVED_FLAGS } from "../flags/artifacts.ts";
import { openArtifacts } from "../open_artifacts.ts";
import { requireFlag } from "../require_flag.ts";

/** `save`: an image and all that belongs to it, into a directory. */
export const saveCommand: CommandFunction<typeof SAVED_FLAGS> = async (call) => {
  const [image = ""] = call.args;
  const directory = requireFlag("dir", call.flags.dir);
  using artifacts = await openArtifacts(call);
  await saveImage(image, directory, artifacts.stores, artifacts);
  return 0;
};
