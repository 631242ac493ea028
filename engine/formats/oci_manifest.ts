import { parseBase64, parseUtf8, utf8 } from "../model/bytes.ts";
import type { Descriptor, Platform } from "../model/descriptor.ts";
import { type Digest, isDigest } from "../model/digest.ts";
import { encodeGoJson, isObject, type Json, sortKeys } from "./go_json.ts";
import { ANNOTATION, MEDIA } from "./media_types.ts";

/** Layers of one manifest that are read, as cosign's `maxLayers` (GHSA-95pr-fxf5-86gv). */
export const MAX_LAYERS = 1000;
/** Far above any multi-arch image and above a fallback index that somebody still wants to read. */
const MAX_CHILDREN = 10_000;

/** A manifest of a registry or a layout. */
export type Manifest =
  | {
      readonly kind: "image";
      readonly mediaType: string;
      readonly config: Descriptor;
      readonly layers: readonly Descriptor[];
      readonly artifactType?: string;
      readonly subject?: Descriptor;
      readonly annotations: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: "index";
      readonly mediaType: string;
      readonly manifests: readonly Descriptor[];
      readonly subject?: Descriptor;
      readonly annotations: Readonly<Record<string, string>>;
    }
  | { readonly kind: "schema1" };

/** Whether a media type is one of Docker's first manifests, which nobody can sign. */
export function isSchema1(mediaType: string): boolean {
  return mediaType === MEDIA.dockerSchema1 || mediaType === MEDIA.dockerSchema1Signed;
}

/** Whether a media type is an index of OCI or a manifest list of Docker. */
export function isIndex(mediaType: string): boolean {
  return mediaType === MEDIA.ociIndex || mediaType === MEDIA.dockerManifestList;
}

/** What was read last of manifests: who stores one looks into it before it is taken apart. */
const known: WeakMap<Uint8Array, unknown> = new WeakMap();

/** The JSON of a manifest, read once however often it is asked for. @throws {SyntaxError} */
export function manifestJson(bytes: Uint8Array): unknown {
  const root: unknown = known.get(bytes) ?? JSON.parse(decode(bytes));
  known.set(bytes, root);
  return root;
}

/**
 * Reads a manifest.
 *
 * @param mediaType What the registry or the descriptor says it is; the body must agree
 * (GHSA-qq97-vm5h-rrhg), and must not be image and index at once.
 * @throws {SyntaxError} when it is none.
 */
export function parseManifest(bytes: Uint8Array, mediaType: string): Manifest {
  if (isSchema1(mediaType)) return { kind: "schema1" };
  const root = manifestJson(bytes);
  if (!isObject(root)) throw new SyntaxError("The manifest is no JSON object");
  if (root["schemaVersion"] === 1) return { kind: "schema1" };
  const own = root["mediaType"];
  if (own !== undefined && own !== mediaType) {
    throw new SyntaxError(
      `The manifest says it is ${JSON.stringify(own)?.slice(0, 120)}, the registry says ${JSON.stringify(mediaType.slice(0, 120))}`,
    );
  }
  const { manifests, layers, config, subject, annotations } = root;
  const shared = {
    mediaType,
    annotations: parseAnnotations(annotations),
    ...(subject === undefined || subject === null ? {} : { subject: parseDescriptor(subject) }),
  };
  if (isIndex(mediaType)) {
    if (layers !== undefined || config !== undefined) {
      throw new SyntaxError("The index has layers or a config as well");
    }
    return { kind: "index", ...shared, manifests: parseList(manifests, MAX_CHILDREN, "manifests") };
  }
  if (manifests !== undefined) throw new SyntaxError("The image manifest lists manifests as well");
  const artifactType = root["artifactType"];
  return {
    kind: "image",
    ...shared,
    config: parseDescriptor(config),
    layers: parseList(layers, MAX_LAYERS, "layers"),
    ...(typeof artifactType === "string" ? { artifactType } : {}),
  };
}

/**
 * Reads a descriptor from parsed JSON.
 *
 * @throws {SyntaxError} when media type, digest or size is missing or wrong.
 */
export function parseDescriptor(value: unknown): Descriptor {
  if (!isObject(value)) throw new SyntaxError("A descriptor is no object");
  const { mediaType, digest, size, artifactType, annotations, platform, data } = value;
  if (typeof mediaType !== "string") throw new SyntaxError("A descriptor has no mediaType");
  if (typeof digest !== "string" || !isDigest(digest)) {
    throw new SyntaxError(`A descriptor has the digest ${JSON.stringify(digest)?.slice(0, 100)}`);
  }
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw new SyntaxError(`A descriptor has the size ${JSON.stringify(size)?.slice(0, 40)}`);
  }
  const where = parsePlatform(platform);
  return {
    mediaType,
    digest,
    sizeBytes: size,
    ...(typeof artifactType === "string" ? { artifactType } : {}),
    ...(isObject(annotations) ? { annotations: parseAnnotations(annotations) } : {}),
    ...(where === undefined ? {} : { platform: where }),
    ...(typeof data === "string" ? { data: parseBase64(data) } : {}),
  };
}

/** A descriptor as go-containerregistry writes it: key order and all. */
export function descriptorJson(descriptor: Descriptor): Json {
  return {
    mediaType: descriptor.mediaType,
    size: descriptor.sizeBytes,
    digest: descriptor.digest,
    ...(descriptor.data === undefined ? {} : { data: descriptor.data.toBase64() }),
    ...(hasEntries(descriptor.annotations)
      ? { annotations: sortKeys(descriptor.annotations) }
      : {}),
    ...(descriptor.platform === undefined ? {} : { platform: { ...descriptor.platform } }),
    ...(descriptor.artifactType === undefined ? {} : { artifactType: descriptor.artifactType }),
  };
}

/** The manifest of a `.sig` image, or of a file that is uploaded, to the byte as cosign writes it. */
export function encodeSignatureManifest(
  config: Descriptor,
  layers: readonly Descriptor[],
  mediaType: string,
  annotations: Readonly<Record<string, string>> = {},
): Uint8Array {
  return utf8(
    encodeGoJson({
      schemaVersion: 2,
      mediaType,
      config: descriptorJson(config),
      layers: layers.map(descriptorJson),
      ...(hasEntries(annotations) ? { annotations: sortKeys(annotations) } : {}),
    }),
  );
}

/**
 * The config of a `.sig` image, to the byte as cosign writes it.
 *
 * @param createdAt RFC 3339; the zero time when absent.
 */
export function encodeSignatureConfig(layers: readonly Digest[], createdAt?: string): Uint8Array {
  const zero = "0001-01-01T00:00:00Z";
  return utf8(
    encodeGoJson({
      architecture: "",
      created: createdAt ?? zero,
      history: layers.map(() => ({ created: zero })),
      os: "",
      rootfs: { type: "layers", diff_ids: layers },
      config: {},
    }),
  );
}

/** The manifest that ties a bundle to its subject, to the byte as cosign writes it. */
export function encodeBundleManifest(parts: {
  readonly config: Descriptor;
  readonly layer: Descriptor;
  readonly subject: Descriptor;
  readonly predicateType: string;
  /** RFC 3339, whole seconds. */
  readonly createdAt: string;
}): Uint8Array {
  return utf8(
    encodeGoJson({
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      config: descriptorJson(parts.config),
      layers: [descriptorJson(parts.layer)],
      annotations: {
        [ANNOTATION.bundleContent]: "dsse-envelope",
        [ANNOTATION.bundlePredicateType]: parts.predicateType,
        [ANNOTATION.created]: parts.createdAt,
      },
      subject: descriptorJson(parts.subject),
      artifactType: MEDIA.bundleV03,
    }),
  );
}

/** An image index of `manifests`, as go-containerregistry writes one. */
export function encodeIndex(
  manifests: readonly Descriptor[],
  annotations: Readonly<Record<string, string>> = {},
): Uint8Array {
  return utf8(
    encodeGoJson({
      schemaVersion: 2,
      mediaType: MEDIA.ociIndex,
      manifests: manifests.map(descriptorJson),
      ...(hasEntries(annotations) ? { annotations: sortKeys(annotations) } : {}),
    }),
  );
}

function hasEntries(
  annotations: Readonly<Record<string, string>> | undefined,
): annotations is Readonly<Record<string, string>> {
  return annotations !== undefined && Object.keys(annotations).length > 0;
}

function parseList(value: unknown, limit: number, name: string): readonly Descriptor[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new SyntaxError(`"${name}" of the manifest is no list`);
  if (value.length > limit) {
    throw new SyntaxError(`The manifest has ${value.length} ${name}, at most ${limit} are read`);
  }
  return value.map(parseDescriptor);
}

function parseAnnotations(value: unknown): Readonly<Record<string, string>> {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    ),
  );
}

function parsePlatform(value: unknown): Platform | undefined {
  if (!isObject(value)) return undefined;
  const { os, architecture, variant } = value;
  if (typeof os !== "string" || typeof architecture !== "string") return undefined;
  return { os, architecture, ...(typeof variant === "string" ? { variant } : {}) };
}

function decode(bytes: Uint8Array): string {
  try {
    return parseUtf8(bytes);
  } catch (cause) {
    throw new SyntaxError("The manifest is not UTF-8", { cause });
  }
}
