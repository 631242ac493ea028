import { uploadComposed } from "../../artifacts/upload.ts";
import { readArgument } from "../../io/argument_file.ts";
import { formatReference, parseReference } from "../../model/reference.ts";
import type { ComposedFile } from "../../plugin_host/contract.ts";
import { parseAnnotations } from "../annotations.ts";
import type { CommandFunction } from "../command.ts";
import type { UPLOAD_TEKTON_FLAGS } from "../flags/artifacts.ts";
import { ofKind } from "../of_kind.ts";
import { openArtifacts } from "../open_artifacts.ts";
import { usage } from "../parse.ts";
import { printableLine } from "../printable.ts";

/** Twenty resources, as large as a cluster takes them. */
const MAX_FILE_BYTES = 32 * 1024 * 1024;

/** `upload tekton`: files of Tekton's resources as a bundle, in the form that the plugin for them has. */
export const uploadTektonCommand: CommandFunction<typeof UPLOAD_TEKTON_FLAGS> = async (call) => {
  const { flags, args, env, stdout, stderr, plugins } = call;
  const [image = ""] = args;
  const reference = parseReference(image);
  const { tag } = reference;
  if (tag === undefined) {
    throw usage("Cannot upload to a digest", "Name a tag: REGISTRY/REPOSITORY:TAG");
  }
  if (flags.filenames.length === 0) {
    throw usage("No file of resources is named", "Name one: -f FILE, or - for standard input");
  }
  const options = {
    createdAt: createdAt(flags.ctime, env["SOURCE_DATE_EPOCH"]),
    labels: parseAnnotations(flags.label),
  };
  const annotations = parseAnnotations(flags.annotate);
  const handler = await (await plugins()).artifactHandler("tekton");
  const compose = handler?.compose;
  if (compose === undefined) throw new TypeError("Resources are put together into a bundle");
  const files: ComposedFile[] = [];
  for (const path of flags.filenames) {
    files.push({ path, content: await readArgument(path, MAX_FILE_BYTES) });
  }
  const bundle = ofKind(() => compose(files, options));
  const name = printableLine(formatReference(reference));
  stderr.write(`Uploading ${bundle.layers.length} resources to [${name}].\n`);
  using artifacts = await openArtifacts(call);
  const store = artifacts.stores.ofTarget({ type: "reference", reference: image });
  const digest = await uploadComposed(store, { ...bundle, annotations }, tag, artifacts.signal);
  stdout.write(`${store.name}@${digest}\n`);
  return 0;
};

/** When the bundle says it was made: 1970, so that the same files have the same digest, unless somebody says more. */
function createdAt(flag: string | undefined, epoch: string | undefined): string {
  if (flag === undefined) {
    const seconds = epoch === undefined || epoch === "" ? 0 : Number(epoch);
    const date = new Date(seconds * 1000);
    if (Number.isInteger(seconds) && !Number.isNaN(date.getTime())) return rfc3339(date);
    throw usage(`Cannot read SOURCE_DATE_EPOCH "${epoch}"`, "It is a number of seconds");
  }
  const [, day, time, zone = "Z"] =
    /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d)(Z|[+-]\d\d:\d\d)?)?$/.exec(flag) ?? [];
  const date = new Date(`${day}T${time ?? "00:00:00"}${zone}`);
  if (day !== undefined && !Number.isNaN(date.getTime())) return rfc3339(date);
  throw usage(`Cannot read --ctime "${flag}"`, "Write YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ");
}

function rfc3339(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, "Z");
}
