import { ANNOTATION, BUNDLE_MEDIA_PREFIX, SIGN_PREDICATE } from "../formats/media_types.ts";
import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import type { Store, StoredManifest } from "../registry/store.ts";
import { type Companion, companionTag } from "./companion_tag.ts";

/** Every kind of companion, in the order in which they are told. */
export const COMPANIONS: readonly Companion[] = ["att", "sig", "sbom"];

/** A companion that lies at a tag of its own. */
export interface TaggedCompanion {
  readonly kind: Companion;
  readonly tag: string;
  readonly stored: StoredManifest;
}

/** The companions of a digest that lie at tags. */
export async function readCompanions(
  digest: Digest,
  store: Store,
  tagPrefix: string,
  kinds: readonly Companion[] = COMPANIONS,
  signal?: AbortSignal,
): Promise<readonly TaggedCompanion[]> {
  const found = await Promise.all(
    kinds.map(async (kind) => {
      const tag = companionTag(digest, kind, tagPrefix);
      const stored = await store.manifest(tag, signal);
      return stored === undefined ? [] : [{ kind, tag, stored }];
    }),
  );
  return found.flat();
}

/** Whether what a listing says of a referrer makes it a Sigstore bundle. */
export function isBundleReferrer({ artifactType, annotations }: Descriptor): boolean {
  return (
    artifactType?.startsWith(BUNDLE_MEDIA_PREFIX) === true ||
    annotations?.[ANNOTATION.bundlePredicateType] !== undefined
  );
}

/** The kind of companion that a referrer stands for: a bundle by its predicate, an SBOM by its type. */
export function referrerKind(referrer: Descriptor): Companion | undefined {
  if (isBundleReferrer(referrer)) {
    const predicate = referrer.annotations?.[ANNOTATION.bundlePredicateType];
    return predicate === undefined || predicate === SIGN_PREDICATE ? "sig" : "att";
  }
  const type = referrer.artifactType ?? "";
  if (type.endsWith(".artifact.sig.v1+json")) return "sig";
  if (/in-toto|dsse/.test(type)) return "att";
  return /sbom|spdx|cyclonedx|syft/.test(type) ? "sbom" : undefined;
}
