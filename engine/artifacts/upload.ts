import { createHash } from "node:crypto";
import { digestOf } from "../crypto/hash.ts";
import { detectContentType, SNIFFED_BYTES } from "../formats/content_type.ts";
import { MEDIA } from "../formats/media_types.ts";
import {
  encodeIndex,
  encodeSignatureConfig,
  encodeSignatureManifest,
} from "../formats/oci_manifest.ts";
import { filePieces } from "../io/file_pieces.ts";
import type { Descriptor, Platform } from "../model/descriptor.ts";
import { type Digest, parseDigest } from "../model/digest.ts";
import type { ComposedArtifact, ComposedLayer, UploadForm } from "../plugin_host/contract.ts";
import type { Store, Tag } from "../registry/store.ts";

/** A file that is to be uploaded, read once. */
export interface UploadFile {
  readonly path: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** By its first bytes, without parameters. */
  readonly contentType: string;
  /** Its first bytes, at most 512. */
  readonly head: Uint8Array;
}

/** Reads a regular file once, piece by piece, for what must be known before it is sent. @throws {CosignError} `FILE_READ`. */
export async function inspectFile(path: string): Promise<UploadFile> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  let head = new Uint8Array();
  for await (const piece of filePieces(path)) {
    hash.update(piece);
    sizeBytes += piece.length;
    if (head.length < SNIFFED_BYTES) head = new Uint8Array(Buffer.concat([head, piece]));
  }
  const digest = parseDigest(`sha256:${hash.digest("hex")}`);
  head = head.slice(0, SNIFFED_BYTES);
  return { path, digest, sizeBytes, contentType: detectContentType(head), head };
}

/** The form in which `upload blob` writes a file. */
export function blobForm(
  layerMediaType: string,
): (layer: Pick<UploadFile, "digest">) => UploadForm {
  return ({ digest }) => ({
    layerMediaType,
    configMediaType: MEDIA.ociConfig,
    config: encodeSignatureConfig([digest]),
  });
}

/**
 * Uploads a file as the one layer of an image manifest.
 *
 * @param reference Where the manifest goes: a tag; its own digest when absent.
 * @returns the manifest's descriptor, with the artifact type that an index gives it.
 */
export async function uploadFile(
  store: Store,
  file: UploadFile,
  form: UploadForm,
  annotations: Readonly<Record<string, string>>,
  reference?: Tag,
  signal?: AbortSignal,
): Promise<Descriptor> {
  const { digest, sizeBytes, path } = file;
  const layer: Descriptor = { mediaType: form.layerMediaType, digest, sizeBytes };
  const config: Descriptor = {
    mediaType: form.configMediaType,
    digest: digestOf(form.config),
    sizeBytes: form.config.length,
  };
  await Promise.all([
    store.pushBlobFrom(layer, { read: () => filePieces(path) }, signal),
    store.pushBlob(form.config, config.digest, signal),
  ]);
  const manifest = encodeSignatureManifest(config, [layer], MEDIA.ociManifest, annotations);
  const own = digestOf(manifest);
  await store.pushManifest(manifest, MEDIA.ociManifest, reference ?? own, undefined, signal);
  return {
    mediaType: MEDIA.ociManifest,
    digest: own,
    sizeBytes: manifest.length,
    artifactType: form.configMediaType,
  };
}

/** Writes an index of uploaded files, one for each platform. */
export async function uploadIndex(
  store: Store,
  images: readonly (Descriptor & { readonly platform: Platform })[],
  annotations: Readonly<Record<string, string>>,
  reference: Tag,
  signal?: AbortSignal,
): Promise<Digest> {
  const index = encodeIndex(images, annotations);
  await store.pushManifest(index, MEDIA.ociIndex, reference, undefined, signal);
  return digestOf(index);
}

/**
 * Uploads what a handler has put together.
 *
 * @returns the manifest's digest.
 */
export async function uploadComposed(
  store: Store,
  artifact: ComposedArtifact,
  reference: Tag,
  signal?: AbortSignal,
): Promise<Digest> {
  const push = async ({ content, mediaType, annotations }: ComposedLayer): Promise<Descriptor> => {
    const digest = digestOf(content);
    await store.pushBlob(content, digest, signal);
    const known = annotations === undefined ? {} : { annotations };
    return { mediaType, digest, sizeBytes: content.length, ...known };
  };
  const [config, ...layers] = await Promise.all([artifact.config, ...artifact.layers].map(push));
  if (config === undefined) throw new TypeError("An artifact has a config");
  const { mediaType, annotations } = artifact;
  const manifest = encodeSignatureManifest(config, layers, mediaType, annotations);
  await store.pushManifest(manifest, mediaType, reference, undefined, signal);
  return digestOf(manifest);
}
