import { digestOf } from "../crypto/hash.ts";
import { encodeGoJson } from "../formats/go_json.ts";
import { MEDIA } from "../formats/media_types.ts";
import {
  descriptorJson,
  encodeSignatureConfig,
  encodeSignatureManifest,
} from "../formats/oci_manifest.ts";
import { utf8 } from "../model/bytes.ts";
import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import { CosignError } from "../model/errors.ts";
import type { Subject } from "../model/subject.ts";
import type { SharedWriteOptions, Store } from "../registry/store.ts";
import { companionTag } from "./companion_tag.ts";
import type { AttachedSbom } from "./download.ts";
import type { Stores } from "./stores.ts";

/** Puts an SBOM at the `.sbom` tag of a subject, in the place of one that is there. */
export async function attachSbom(
  subject: Subject,
  sbom: AttachedSbom,
  stores: Stores,
  signal?: AbortSignal,
): Promise<void> {
  const store = stores.companionsOf(subject);
  const { config, layer } = await pushParts(store, sbom, MEDIA.ociConfig, signal);
  const manifest = encodeSignatureManifest(config, [layer], MEDIA.ociManifest);
  const tag = companionTag(subject.digest, "sbom", stores.conventions.tagPrefix);
  await store.pushManifest(manifest, MEDIA.ociManifest, tag, undefined, signal);
}

/**
 * Puts an SBOM beside a subject as a referrer (`--registry-referrers-mode oci-1-1`).
 *
 * @returns the digest of its manifest.
 */
export async function attachSbomReferrer(
  subject: Subject,
  sbom: AttachedSbom,
  stores: Stores,
  options: SharedWriteOptions,
): Promise<Digest> {
  const { signal } = options;
  const described = await stores.of(subject.home).head(subject.digest, signal);
  if (described === undefined) {
    throw new CosignError("IMAGE_NOT_FOUND", `image tag not found: ${subject.name}`);
  }
  const store = stores.companionsOf(subject);
  const { config, layer } = await pushParts(store, sbom, MEDIA.sbomArtifact, signal);
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
    artifactType: MEDIA.sbomArtifact,
  };
  await store.announceReferrer(subject.digest, referrer, options);
  return digest;
}

async function pushParts(
  store: Store,
  { content, mediaType }: AttachedSbom,
  configType: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly config: Descriptor; readonly layer: Descriptor }> {
  const layer: Descriptor = { mediaType, digest: digestOf(content), sizeBytes: content.length };
  const bytes = encodeSignatureConfig([layer.digest]);
  const config = { mediaType: configType, digest: digestOf(bytes), sizeBytes: bytes.length };
  await Promise.all([
    store.pushBlob(content, layer.digest, signal),
    store.pushBlob(bytes, config.digest, signal),
  ]);
  return { config, layer };
}
