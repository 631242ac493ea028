import { describeArtifact } from "../../artifacts/describe.ts";
import { type Branch, readBranches } from "../../artifacts/tree.ts";
import { describeError, hasCode } from "../../model/errors.ts";
import type { Subject } from "../../model/subject.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import type { TREE_FLAGS } from "../flags/artifacts.ts";
import { DEFAULT_GENERATION, namedGeneration } from "../generation.ts";
import { type OpenArtifacts, openArtifacts } from "../open_artifacts.ts";
import { printableLine, printableText } from "../printable.ts";

type TreeCall = Pick<Invocation<typeof TREE_FLAGS>, "plugins" | "stderr">;

/** Kinds that cosign's users know from its own output. */
const PLAIN_KINDS: ReadonlySet<string> = new Set(["image", "index", "artifact"]);
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
  stdout.write(await artifactText(subject, artifacts, call));
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

/** What it is, of what is no image: cosign says nothing of that. What cannot be told is left out. */
async function artifactText(
  subject: Subject,
  { stores, signal }: OpenArtifacts,
  { plugins, stderr }: TreeCall,
): Promise<string> {
  try {
    const handlers = await (await plugins()).artifactHandlers();
    const { kind, facts } = await describeArtifact(subject, stores, handlers, undefined, signal);
    if (PLAIN_KINDS.has(kind)) return "";
    const shown = Object.entries(facts).map(
      ([name, value]) => `${name} ${typeof value === "string" ? value : value.join(", ")}`,
    );
    return `└── 🧩 ${printableLine(`${kind}: ${shown.join("; ")}`)}\n`;
  } catch (error) {
    if (!hasCode(error, "ARTIFACT_MISMATCH", "LIMIT_EXCEEDED")) throw error;
    stderr.write(`WARNING: ${printableText(error.message)}\n`);
    return "";
  }
}

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
