import { type Branch, readBranches } from "../../artifacts/tree.ts";
import { describeError } from "../../model/errors.ts";
import type { CommandFunction } from "../command.ts";
import type { TREE_FLAGS } from "../flags/artifacts.ts";
import { DEFAULT_GENERATION, namedGeneration } from "../generation.ts";
import { openArtifacts } from "../open_artifacts.ts";
import { printableLine, printableText } from "../printable.ts";

const TITLES = {
  att: "💾 Attestations for an image tag",
  sig: "🔐 Signatures for an image tag",
  sbom: "📦 SBOMs for an image tag",
} as const;

/** `tree`: what belongs to an image. */
export const treeCommand: CommandFunction<typeof TREE_FLAGS> = async (call) => {
  const { flags, given, args, stdout, stderr } = call;
  const [image = ""] = args;
  const shown = printableLine(image);
  using artifacts = await openArtifacts(call);
  const subject = await artifacts.subject(image);
  stdout.write(`📦 Supply Chain Security Related artifacts for an image: ${shown}\n`);
  const byDefault = (namedGeneration(flags.compat) ?? DEFAULT_GENERATION) === 3;
  const asked = given.has("experimental-oci11") ? flags["experimental-oci11"] : byDefault;
  const withReferrers = asked || flags["registry-referrers-mode"] === "oci-1-1";
  const branches = await readBranches(
    subject,
    artifacts.stores,
    withReferrers,
    (name, error) =>
      stderr.write(
        `Error fetching artifact ${printableLine(name)}: ${printableText(describeError(error))}\n`,
      ),
    artifacts.signal,
  );
  if (branches.length === 0) {
    stdout.write(
      `No Supply Chain Security Related Artifacts found for image ${shown},\n start creating one with simply running$ cosign sign <img>`,
    );
  }
  for (const branch of branches) stdout.write(branchText(branch));
  return 0;
};

function branchText({ kind, type, name, layers }: Branch): string {
  const title =
    kind === undefined
      ? `🔗 ${printableLine(type ?? "")} artifacts via OCI referrer`
      : TITLES[kind];
  const lines = layers.map((digest, at) => {
    const sign = at === layers.length - 1 ? "└──" : "├──";
    return `   ${sign} 🍒 ${digest}\n`;
  });
  return `└── ${title}: ${name}\n${lines.join("")}`;
}
