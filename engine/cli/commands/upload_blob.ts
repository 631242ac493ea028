import { blobForm, inspectFile, uploadFile, uploadIndex } from "../../artifacts/upload.ts";
import type { Descriptor, Platform } from "../../model/descriptor.ts";
import { formatReference, parseReference, type Reference } from "../../model/reference.ts";
import { parseAnnotations } from "../annotations.ts";
import type { CommandFunction } from "../command.ts";
import type { UPLOAD_BLOB_FLAGS } from "../flags/artifacts.ts";
import { openArtifacts } from "../open_artifacts.ts";
import { usage } from "../parse.ts";
import { printableLine } from "../printable.ts";

/** A file of the command line, and what it is for. */
interface PlatformFile {
  readonly path: string;
  readonly platform?: Platform;
}

/** `upload blob`: files as images of one layer, several as an index. */
export const uploadBlobCommand: CommandFunction<typeof UPLOAD_BLOB_FLAGS> = async (call) => {
  const { flags, args, stdout, stderr } = call;
  const [image = ""] = args;
  const files = flags.files.map(parseFile);
  checkPlatforms(files);
  const annotations = parseAnnotations(flags.annotation);
  const reference = parseReference(image);
  const tag = tagOf(reference);
  using artifacts = await openArtifacts(call);
  const { stores, signal } = artifacts;
  const store = stores.ofTarget({ type: "reference", reference: image });
  const images: (Descriptor & { readonly platform: Platform })[] = [];
  const name = printableLine(formatReference(reference));
  for (const { path, platform } of files) {
    const file = await inspectFile(path);
    const mediaType = flags.ct || file.contentType;
    const shown = printableLine(path);
    stderr.write(
      `Uploading file from [${shown}] to [${name}] with media type [${printableLine(mediaType)}]\n`,
    );
    const form = blobForm(mediaType)(file);
    const single = files.length === 1;
    const made = await uploadFile(store, file, form, annotations, single ? tag : undefined, signal);
    const url = `${reference.registry}/v2/${reference.repository}/blobs/${file.digest}`;
    stderr.write(`File [${shown}] is available directly at [${url}]\n`);
    if (platform !== undefined && !single) images.push({ ...made, platform });
    if (!single) continue;
    stderr.write("Uploaded image to:\n");
    stdout.write(`${store.name}@${made.digest}\n`);
  }
  if (images.length === 0) return 0;
  const digest = await uploadIndex(store, images, annotations, tag, signal);
  stderr.write(`Uploading multi-platform index to ${store.name}@${digest}\n`);
  return 0;
};

/** Reads `path`, `path:os` or `path:os/arch`; a colon with something else behind it is of the path. */
function parseFile(text: string): PlatformFile {
  const [, path, os, architecture = "", variant] =
    /^(.+):(\w+)(?:\/(\w+)(?:\/(\w+))?)?$/s.exec(text) ?? [];
  if (path === undefined || os === undefined) return { path: text };
  // In the order in which Go writes them.
  return { path, platform: { architecture, os, ...(variant === undefined ? {} : { variant }) } };
}

function checkPlatforms(files: readonly PlatformFile[]): void {
  if (files.length === 0) throw usage("no files uploaded?", "Name a file: --files FILE");
  if (files.length === 1) return;
  const seen = new Set<string>();
  for (const { path, platform } of files) {
    if (platform === undefined) {
      throw usage(`each file must include a unique platform, ${path} had no platform`);
    }
    const key = JSON.stringify(platform);
    if (seen.has(key)) {
      throw usage(`each file must include a unique platform, that of ${path} stands there twice`);
    }
    seen.add(key);
  }
}

function tagOf(reference: Reference): string {
  if (reference.tag !== undefined) return reference.tag;
  throw usage("Cannot upload to a digest", "Name a tag: REGISTRY/REPOSITORY:TAG");
}
