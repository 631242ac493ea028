import { digestOf } from "../crypto/hash.ts";
import { encodeGoJson } from "../formats/go_json.ts";
import { MEDIA } from "../formats/media_types.ts";
import { descriptorJson, encodeSignatureConfig } from "../formats/oci_manifest.ts";
import { utf8 } from "../model/bytes.ts";
import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import type { Subject } from "../model/subject.ts";
import type { SharedWriteOptions, Store } from "../registry/store.ts";
import { describeSubject } from "./bundle_referrer.ts";
import type { Stores } from "./stores.ts";

/** The one layer of an artifact, and what is in it. */
export interface ArtifactLayer extends Omit<Descriptor, "digest" | "sizeBytes"> {
  readonly content: Uint8Array;
}

/**
 * Puts an artifact of one layer beside a subject as a referrer, as cosign does with
 * `--registry-referrers-mode oci-1-1`: its type is that of its config.
 *
 * @returns the digest of its manifest.
 */
export async function attachArtifactReferrer(
  subject: Subject,
  artifactType: string,
  part: ArtifactLayer,
  stores: Stores,
  options: SharedWriteOptions,
): Promise<Digest> {
  const { signal } = options;
  const { mediaType, sizeBytes, digest: image } = await describeSubject(subject, stores, signal);
  const described = { mediaType, digest: image, sizeBytes };
  const store = stores.companionsOf(subject);
  const { config, layer } = await pushParts(store, part, artifactType, signal);
  const manifest = utf8(
    encodeGoJson({
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      config: descriptorJson(config),
      layers: [descriptorJson(layer)],
      subject: descriptorJson(described),
    }),
  );
  const digest = digestOf(manifest);
  await store.pushManifest(manifest, MEDIA.ociManifest, digest, undefined, signal);
  const referrer: Descriptor = {
    mediaType: MEDIA.ociManifest,
    digest,
    sizeBytes: manifest.length,
    artifactType,
  };
  await store.announceReferrer(subject.digest, referrer, options);
  return digest;
}

/** Pushes a layer, and the config of an image of it. @param configType The config's media type. */
export async function pushParts(
  store: Store,
  { content, ...rest }: ArtifactLayer,
  configType: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly config: Descriptor; readonly layer: Descriptor }> {
  const layer: Descriptor = { ...rest, digest: digestOf(content), sizeBytes: content.length };
  const bytes = encodeSignatureConfig([layer.digest]);
  const config = { mediaType: configType, digest: digestOf(bytes), sizeBytes: bytes.length };
  await Promise.all([
    store.pushBlob(content, layer.digest, signal),
    store.pushBlob(bytes, config.digest, signal),
  ]);
  return { config, layer };
}
