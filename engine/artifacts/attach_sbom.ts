import { MEDIA } from "../formats/media_types.ts";
import { encodeSignatureManifest } from "../formats/oci_manifest.ts";
import type { Digest } from "../model/digest.ts";
import type { Subject } from "../model/subject.ts";
import type { SharedWriteOptions } from "../registry/store.ts";
import { attachArtifactReferrer, pushParts } from "./artifact_referrer.ts";
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
export function attachSbomReferrer(
  subject: Subject,
  sbom: AttachedSbom,
  stores: Stores,
  options: SharedWriteOptions,
): Promise<Digest> {
  return attachArtifactReferrer(subject, MEDIA.sbomArtifact, sbom, stores, options);
}
