import { cleanImage, hasBundles } from "../../artifacts/clean.ts";
import type { Companion } from "../../artifacts/companion_tag.ts";
import { confirm } from "../../io/password.ts";
import { describeError } from "../../model/errors.ts";
import type { CommandFunction } from "../command.ts";
import type { CLEAN_FLAGS } from "../flags/artifacts.ts";
import { DEFAULT_GENERATION, namedGeneration } from "../generation.ts";
import { openArtifacts } from "../open_artifacts.ts";
import { usage } from "../parse.ts";
import { printableLine, printableText } from "../printable.ts";

interface Kind {
  readonly kinds: readonly Companion[];
  readonly referrers: boolean;
  /** cosign's question. */
  readonly warning: string;
}

const TYPES: ReadonlyMap<string, Kind> = new Map([
  ["signature", { kinds: ["sig"], referrers: false, warning: "all signatures" }],
  ["sbom", { kinds: ["sbom"], referrers: false, warning: "all SBOMs" }],
  ["attestation", { kinds: ["att"], referrers: false, warning: "all attestations" }],
  [
    "referrer",
    { kinds: [], referrers: true, warning: "all referrer attestations and/or signatures" },
  ],
  [
    "all",
    {
      kinds: ["sig", "att", "sbom"],
      referrers: true,
      warning: "all signatures, SBOMs and attestations",
    },
  ],
]);

/** `clean`: removes what belongs to an image. */
export const cleanCommand: CommandFunction<typeof CLEAN_FLAGS> = async (call) => {
  const { flags, args, stderr } = call;
  const [image = ""] = args;
  const wanted = TYPES.get(flags.type);
  if (wanted === undefined) {
    throw usage(
      `invalid argument ${JSON.stringify(flags.type)} for "--type" flag: type must be one of: signature, attestation, referrer, sbom, all`,
    );
  }
  if (!flags.force) await confirm(`this will remove ${wanted.warning} from the image`);
  using artifacts = await openArtifacts(call);
  const { stores, signal } = artifacts;
  const subject = await artifacts.subject(image);
  // Before 3 there were no bundles to remove.
  const withBundles = (namedGeneration(flags.compat) ?? DEFAULT_GENERATION) === 3;
  const hints = withBundles && (flags.type === "signature" || flags.type === "attestation");
  if (hints && (await hasBundles(subject, stores, signal))) {
    stderr.write("WARNING: image has referrers, consider using --type=referrer\n");
  }
  const from = printableLine(image);
  await cleanImage(subject, stores, {
    ...artifacts,
    kinds: wanted.kinds,
    referrers: wanted.referrers && (withBundles || flags.type === "referrer"),
    onRemoved: (name) => stderr.write(`Removed ${printableLine(name)} from ${from}\n`),
    onFailed: (name, error) =>
      stderr.write(
        `could not delete ${printableLine(name)} from ${from}:\n${printableText(describeError(error))}\n`,
      ),
  });
  return 0;
};
