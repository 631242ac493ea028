import type { Descriptor, Platform } from "../model/descriptor.ts";
import { CosignError } from "../model/errors.ts";
import type { Subject } from "../model/subject.ts";
import { parseStored } from "./resolve.ts";
import type { Stores } from "./stores.ts";
import { readManifest } from "./transfer.ts";

/**
 * The one image of an index that is for a platform.
 *
 * @param text `os`, `os/architecture` or `os/architecture/variant`; a part that is missing matches any.
 * @throws {CosignError} `USAGE` when the subject is no index, or none or several match.
 */
export async function selectPlatform(
  subject: Subject,
  text: string,
  stores: Stores,
  signal?: AbortSignal,
): Promise<Subject> {
  const wanted = parsePlatform(text);
  const platforms = await listPlatforms(subject, stores, signal);
  if (platforms === undefined) {
    throw new CosignError("USAGE", "specified reference is not a multiarch image");
  }
  const matches = platforms.filter(({ platform }) => isMatch(platform, wanted));
  const [match] = matches;
  if (match === undefined) {
    throw new CosignError("USAGE", `unable to find an entity for ${text}`, {
      hint: `It has: ${formatPlatforms(platforms)}`,
    });
  }
  if (matches.length > 1) {
    throw new CosignError(
      "USAGE",
      `platform spec matches more than one image architecture: ${formatPlatforms(matches)}`,
    );
  }
  const { digest, mediaType, sizeBytes } = match.descriptor;
  const store = stores.of(subject.home);
  const home =
    subject.home.at === "layout"
      ? subject.home
      : { ...subject.home, reference: { ...subject.home.reference, digest } };
  return {
    name: `${store.name}@${digest}`,
    digest,
    home,
    mediaType,
    sizeBytes,
    platform: match.platform,
    parents: [subject.digest],
  };
}

/** The platforms of an index and their images; nothing when the subject is no index. */
export async function listPlatforms(
  subject: Subject,
  stores: Stores,
  signal?: AbortSignal,
): Promise<readonly PlatformImage[] | undefined> {
  const { bytes, descriptor } = await readManifest(stores.of(subject.home), subject.digest, signal);
  const manifest = parseStored(bytes, descriptor.mediaType, subject.name);
  if (manifest.kind !== "index") return undefined;
  return manifest.manifests.flatMap((entry) =>
    entry.platform === undefined ? [] : [{ descriptor: entry, platform: entry.platform }],
  );
}

/** One image of an index. */
export interface PlatformImage {
  readonly descriptor: Descriptor;
  readonly platform: Platform;
}

/** Platforms as cosign lists them. */
export function formatPlatforms(images: readonly PlatformImage[]): string {
  return images
    .map(({ platform: { os, architecture, variant } }) =>
      [os, architecture, variant].filter(Boolean).join("/"),
    )
    .join(", ");
}

function parsePlatform(text: string): Partial<Platform> {
  const parts = text.split(":", 1)[0]?.split("/") ?? [];
  if (parts.length > 3) {
    throw new CosignError("USAGE", `parsing platform: too many slashes in platform spec: ${text}`);
  }
  const [os = "", architecture = "", variant = ""] = parts;
  return { os, architecture, variant };
}

function isMatch(platform: Platform, wanted: Partial<Platform>): boolean {
  return (["os", "architecture", "variant"] as const).every(
    (part) => !wanted[part] || wanted[part] === platform[part],
  );
}
