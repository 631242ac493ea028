import { type Command, command } from "./command.ts";
import {
  ATTACH_ATTESTATION_FLAGS,
  ATTACH_SBOM_FLAGS,
  ATTACH_SIGNATURE_FLAGS,
  CLEAN_FLAGS,
  COPY_FLAGS,
  DOWNLOAD_ATTESTATION_FLAGS,
  DOWNLOAD_SBOM_FLAGS,
  GENERATE_FLAGS,
  IMAGE_FLAGS,
  SAVED_FLAGS,
  SGET_FLAGS,
  TREE_FLAGS,
  TRIANGULATE_FLAGS,
  UPLOAD_BLOB_FLAGS,
  UPLOAD_TEKTON_FLAGS,
  UPLOAD_WASM_FLAGS,
} from "./flags/artifacts.ts";

const IMAGE = { minimum: 1, maximum: 1, placeholder: "image", brief: "image reference" } as const;
const IMAGES = { minimum: 1, placeholder: "image", brief: "image references" } as const;
const TWO = {
  minimum: 2,
  maximum: 2,
  placeholder: "image",
  brief: "the image, and where it is copied to",
} as const;

/** The end of cosign's words about most commands that it will not have any more. */
export const REMOVED_IN_4: string =
  "will be removed in v4.0.0 (see https://github.com/sigstore/cosign/issues/4696). Instead, please use";

/** The commands that move, list and remove what lies in registries. */
export const ARTIFACT_COMMANDS: Readonly<Record<string, Command>> = {
  "attach attestation": command({
    brief: "Attach attestations that were made elsewhere",
    flags: ATTACH_ATTESTATION_FLAGS,
    args: IMAGES,
    load: async () => (await import("./commands/attach_attestation.ts")).attachAttestationCommand,
  }),
  "attach sbom": command({
    brief: "Attach an SBOM, not signed; deprecated, attest it instead",
    flags: ATTACH_SBOM_FLAGS,
    args: IMAGE,
    load: async () => (await import("./commands/attach_sbom.ts")).attachSbomCommand,
  }),
  "attach signature": command({
    brief: "Attach a signature that was made elsewhere",
    flags: ATTACH_SIGNATURE_FLAGS,
    args: IMAGE,
    load: async () => (await import("./commands/attach_signature.ts")).attachSignatureCommand,
  }),
  clean: command({
    brief: "Remove signatures, attestations and SBOMs of an image",
    flags: CLEAN_FLAGS,
    args: IMAGE,
    load: async () => (await import("./commands/clean.ts")).cleanCommand,
  }),
  copy: command({
    brief: "Copy an image and all that belongs to it",
    deprecated:
      'there are several options you can use instead:\n  - "oras copy -r" will copy images and referring artifacts\n  - "cosign save" to write to disk, followed by "cosign load" for a new registry\n  - "cosign download" followed by "cosign attach" to just copy the bundle',
    flags: COPY_FLAGS,
    args: TWO,
    load: async () => (await import("./commands/copy.ts")).copyCommand,
  }),
  "download attestation": command({
    brief: "Print the attestations of an image",
    flags: DOWNLOAD_ATTESTATION_FLAGS,
    args: IMAGE,
    load: async () =>
      (await import("./commands/download_attestation.ts")).downloadAttestationCommand,
  }),
  "download sbom": command({
    brief: "Print the SBOM that is attached to an image; deprecated, attest it instead",
    flags: DOWNLOAD_SBOM_FLAGS,
    args: IMAGE,
    load: async () => (await import("./commands/download_sbom.ts")).downloadSbomCommand,
  }),
  "download signature": command({
    brief: "Print the signatures of an image",
    flags: IMAGE_FLAGS,
    args: IMAGE,
    load: async () => (await import("./commands/download_signature.ts")).downloadSignatureCommand,
  }),
  generate: command({
    brief: "Print what a signature of an image would be over",
    deprecated: `generate ${REMOVED_IN_4} in-toto tooling`,
    flags: GENERATE_FLAGS,
    args: IMAGE,
    load: async () => (await import("./commands/generate.ts")).generateCommand,
  }),
  load: command({
    brief: "Load a directory that save wrote into a registry",
    flags: SAVED_FLAGS,
    args: IMAGE,
    load: async () => (await import("./commands/load.ts")).loadCommand,
  }),
  save: command({
    brief: "Save an image and all that belongs to it as a directory",
    flags: SAVED_FLAGS,
    args: IMAGE,
    load: async () => (await import("./commands/save.ts")).saveCommand,
  }),
  sget: command({
    brief: "Fetch a file that upload blob wrote, by digest or signed",
    flags: SGET_FLAGS,
    args: IMAGE,
    load: async () => (await import("./commands/sget.ts")).sgetCommand,
  }),
  tree: command({
    brief: "List what belongs to an image",
    flags: TREE_FLAGS,
    args: IMAGE,
    load: async () => (await import("./commands/tree.ts")).treeCommand,
  }),
  triangulate: command({
    brief: "Print where signatures, attestations or SBOMs of an image lie",
    deprecated: `triangulate ${REMOVED_IN_4} \`oras discover\` or \`cosign tree\` to show referring artifacts`,
    flags: TRIANGULATE_FLAGS,
    args: IMAGE,
    load: async () => (await import("./commands/triangulate.ts")).triangulateCommand,
  }),
  "upload blob": command({
    brief: "Upload files",
    flags: UPLOAD_BLOB_FLAGS,
    args: IMAGE,
    load: async () => (await import("./commands/upload_blob.ts")).uploadBlobCommand,
  }),
  "upload tekton": command({
    brief: "Upload resources of Tekton as a bundle",
    flags: UPLOAD_TEKTON_FLAGS,
    args: IMAGE,
    load: async () => (await import("./commands/upload_tekton.ts")).uploadTektonCommand,
  }),
  "upload wasm": command({
    brief: "Upload a WebAssembly module",
    flags: UPLOAD_WASM_FLAGS,
    args: IMAGE,
    load: async () => (await import("./commands/upload_wasm.ts")).uploadWasmCommand,
  }),
};
