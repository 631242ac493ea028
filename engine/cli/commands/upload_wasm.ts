import { inspectFile, uploadFile } from "../../artifacts/upload.ts";
import { formatReference, parseReference } from "../../model/reference.ts";
import type { CommandFunction } from "../command.ts";
import type { UPLOAD_WASM_FLAGS } from "../flags/artifacts.ts";
import { DEFAULT_GENERATION, namedGeneration } from "../generation.ts";
import { ofKind } from "../of_kind.ts";
import { openArtifacts } from "../open_artifacts.ts";
import { usage } from "../parse.ts";
import { printableLine } from "../printable.ts";
import { requireFlag } from "../require_flag.ts";

/** `upload wasm`: a WebAssembly module, in the form that the plugin for them has. */
export const uploadWasmCommand: CommandFunction<typeof UPLOAD_WASM_FLAGS> = async (call) => {
  const { flags, args, stderr, plugins } = call;
  const [image = ""] = args;
  const path = requireFlag("file", flags.file);
  const reference = parseReference(image);
  const { tag } = reference;
  if (tag === undefined) {
    throw usage("Cannot upload to a digest", "Name a tag: REGISTRY/REPOSITORY:TAG");
  }
  const handler = await (await plugins()).artifactHandler("wasm");
  const upload = handler?.upload;
  if (upload === undefined) throw new TypeError("Modules have a form to be uploaded in");
  const file = await inspectFile(path);
  const name = printableLine(formatReference(reference));
  const options = {
    generation: namedGeneration(flags.compat) ?? DEFAULT_GENERATION,
    ...(flags.form === undefined ? {} : { form: flags.form }),
  };
  const form = ofKind(() => upload(file, options));
  stderr.write(`Uploading wasm file from [${printableLine(path)}] to [${name}].\n`);
  using artifacts = await openArtifacts(call);
  const { stores, signal } = artifacts;
  const store = stores.ofTarget({ type: "reference", reference: image });
  await uploadFile(store, file, form, {}, tag, signal);
  return 0;
};
