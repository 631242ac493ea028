import { digestOf } from "../crypto/hash.ts";
import { MEDIA } from "../formats/media_types.ts";
import {
  encodeSignatureConfig,
  encodeSignatureManifest,
  MAX_LAYERS,
} from "../formats/oci_manifest.ts";
import type { Descriptor } from "../model/descriptor.ts";
import { CosignError } from "../model/errors.ts";
import { updateSharedManifest } from "../registry/shared_manifest.ts";
import type {
  SharedContent,
  SharedWriteOptions,
  Store,
  StoredManifest,
} from "../registry/store.ts";
import type { Conventions } from "./conventions.ts";
import { parseStored } from "./resolve.ts";

/** One layer of a companion image, and its content. */
export interface CompanionLayer {
  readonly descriptor: Descriptor;
  readonly content: Uint8Array;
}

/** How a layer is put beside others. */
export interface AppendOptions extends SharedWriteOptions {
  /** The layers that go. When this is given the new one becomes the first of all. */
  readonly replaces?: (layer: Descriptor) => boolean;
}

/**
 * Appends a layer to the image at a companion's tag (`.sig`, `.att`), so that other writers lose nothing.
 * The same layer with the same annotations is not added twice.
 *
 * @throws {CosignError} `LIMIT_EXCEEDED`, `SIGNATURE_LOST`, or what the registry says.
 */
export async function appendCompanionLayer(
  store: Store,
  tag: string,
  { descriptor, content }: CompanionLayer,
  conventions: Conventions,
  options: AppendOptions,
): Promise<void> {
  const { replaces } = options;
  await store.pushBlob(content, descriptor.digest, options.signal);
  await updateSharedManifest(
    store,
    tag,
    (existing) => {
      const layers = existing === undefined ? [] : companionLayers(existing, store, tag);
      const others = layers.filter((layer) => !isSame(layer, descriptor));
      const kept = replaces === undefined ? others : others.filter((layer) => !replaces(layer));
      if (others.length < layers.length && kept.length === others.length) return undefined;
      if (kept.length >= MAX_LAYERS) {
        throw new CosignError(
          "LIMIT_EXCEEDED",
          `Cannot add to "${store.name}:${tag}": it has ${kept.length} layers, and more would not be read`,
        );
      }
      const mediaType = existing?.descriptor.mediaType;
      const all = replaces === undefined ? [...kept, descriptor] : [descriptor, ...kept];
      return composeCompanion(all, conventions, mediaType);
    },
    options,
  );
}

/** The layers of a companion image. @throws {CosignError} `REGISTRY_PROTOCOL` when it is no image. */
export function companionLayers(
  stored: StoredManifest,
  store: Store,
  tag: string,
): readonly Descriptor[] {
  const name = `${store.name}:${tag}`;
  const manifest = parseStored(stored.bytes, stored.descriptor.mediaType, name);
  if (manifest.kind === "image") return manifest.layers;
  throw new CosignError("REGISTRY_PROTOCOL", `Cannot read "${name}": it is no image manifest`);
}

/** The manifest and the config of an image of `layers`, as cosign writes those of signatures. */
export function composeCompanion(
  layers: readonly Descriptor[],
  conventions: Conventions,
  existingType?: string,
): SharedContent {
  const docker = conventions.dockerMediaTypes || existingType === MEDIA.dockerManifest;
  const digests = layers.map(({ digest }) => digest);
  const config = encodeSignatureConfig(digests, conventions.createdAt);
  const descriptor: Descriptor = {
    mediaType: docker ? MEDIA.dockerConfig : MEDIA.ociConfig,
    digest: digestOf(config),
    sizeBytes: config.length,
  };
  const mediaType = docker ? MEDIA.dockerManifest : MEDIA.ociManifest;
  return {
    content: encodeSignatureManifest(descriptor, layers, mediaType),
    mediaType,
    blobs: [{ content: config, digest: descriptor.digest }],
  };
}

function isSame(a: Descriptor, b: Descriptor): boolean {
  if (a.digest !== b.digest || a.mediaType !== b.mediaType) return false;
  const [left, right] = [a.annotations ?? {}, b.annotations ?? {}];
  const names = Object.keys(left);
  return (
    names.length === Object.keys(right).length && names.every((name) => left[name] === right[name])
  );
}
