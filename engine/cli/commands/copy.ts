import type { Companion } from "../../artifacts/companion_tag.ts";
import { copyImage } from "../../artifacts/copy.ts";
import type { CommandFunction } from "../command.ts";
import type { COPY_FLAGS } from "../flags/artifacts.ts";
import { openArtifacts } from "../open_artifacts.ts";
import { usage } from "../parse.ts";
import { printableLine } from "../printable.ts";

const KINDS: readonly string[] = ["sig", "sbom", "att"];

/** `copy`: an image and all that belongs to it. */
export const copyCommand: CommandFunction<typeof COPY_FLAGS> = async (call) => {
  const { flags, args, stderr } = call;
  const [source, destination] = args;
  if (source === undefined || destination === undefined) {
    throw usage(`accepts 2 arg(s), received ${args.length}`, "Name an image and where to copy it");
  }
  const only = kindsOf(flags.only, flags["sig-only"]);
  using artifacts = await openArtifacts(call);
  await copyImage(source, destination, artifacts.stores, {
    ...artifacts,
    force: flags.force,
    onCopy: (from, to) =>
      stderr.write(`Copying ${printableLine(from)} to ${printableLine(to)}...\n`),
    ...(only.length === 0 ? {} : { only }),
    ...(flags.platform ? { platform: flags.platform } : {}),
  });
  return 0;
};

function kindsOf(only: readonly string[], sigOnly: boolean): readonly Companion[] {
  const wrong = only.find((name) => !KINDS.includes(name));
  if (wrong !== undefined) {
    throw usage(
      `invalid value for --only: ${wrong}, only the following values are supported: [${KINDS.join(" ")}]`,
    );
  }
  const wanted = sigOnly ? [...only, "sig"] : only;
  return (["att", "sig", "sbom"] as const).filter((kind) => wanted.includes(kind));
}
