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
import type { UploadedLayer, UploadForm } from "../plugin_host/contract.ts";
import type { Store, Tag } from "../registry/store.ts";

/** A file that is to be uploaded, read once. */
export interface UploadFile {
  readonly path: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** By its first bytes, without parameters. */
  readonly contentType: string;
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
  return { path, digest, sizeBytes, contentType: detectContentType(head) };
}

/** The form in which `upload blob` writes a file. */
export function blobForm(layerMediaType: string): (layer: UploadedLayer) => UploadForm {
  return ({ digest }) => ({
    layerMediaType,
    configMediaType: MEDIA.ociConfig,
    config: encodeSignatureConfig([parseDigest(digest)]),
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
