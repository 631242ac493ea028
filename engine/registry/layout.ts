import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { digestOf } from "../crypto/hash.ts";
import { encodeGoJson, isObject, type Json } from "../formats/go_json.ts";
import { ANNOTATION, MEDIA } from "../formats/media_types.ts";
import { descriptorJson, isIndex, parseDescriptor } from "../formats/oci_manifest.ts";
import { parseUtf8, utf8 } from "../model/bytes.ts";
import type { Descriptor } from "../model/descriptor.ts";
import { type Digest, isDigest } from "../model/digest.ts";
import { CosignError, describeError } from "../model/errors.ts";
import {
  invalid,
  isMissing,
  readLayoutBlob,
  replaceFile,
  streamLayoutBlob,
  writeLayoutBlob,
  writeLayoutBlobFrom,
} from "./layout_blobs.ts";
import type { Store, StoredManifest, Tag } from "./store.ts";

/** As registries limit manifests. */
const MAX_MANIFEST_BYTES = 4_194_304;
/** Larger files under `blobs/` are no manifests, and are not looked into for their subject. */
const MAX_REFERRER_BYTES = 65_536;
/** What `save` writes as the kind of an entry of `index.json`. */
const KIND = {
  image: "dev.cosignproject.cosign/image",
  index: "dev.cosignproject.cosign/imageIndex",
  signatures: "dev.cosignproject.cosign/sigs",
  attestations: "dev.cosignproject.cosign/atts",
} as const;

/**
 * The one image or index of a layout: what `save` marked as such, else the only entry of
 * `index.json` that is no companion.
 *
 * @throws {CosignError} `LAYOUT_INVALID` when it is no layout, or holds more than one.
 */
export async function readLayoutRoot(path: string): Promise<Descriptor> {
  const entries = await readIndex(path);
  const marked = entries.filter(({ annotations }) => {
    const kind = annotations?.[ANNOTATION.savedKind];
    return kind === KIND.image || kind === KIND.index;
  });
  const candidates = marked.length > 0 ? marked : entries.filter(isNoCompanion);
  const [root] = candidates;
  if (root === undefined || candidates.length > 1) {
    const hint = "A layout that is a target must hold one image or one index";
    const what = `index.json names ${candidates.length} images, expected 1`;
    throw new CosignError("LAYOUT_INVALID", `Cannot read layout "${path}": ${what}`, { hint });
  }
  return root;
}

/** What a directory of `save` holds, as its `index.json` names it. */
export interface SavedLayout {
  readonly root: Descriptor;
  readonly signatures?: Descriptor;
  readonly attestations?: Descriptor;
  /** Further companions, by the tags that they had. */
  readonly tagged: ReadonlyMap<Tag, Descriptor>;
}

/** Reads what a directory holds. @throws {CosignError} `LAYOUT_INVALID` as {@link readLayoutRoot}. */
export async function readSavedLayout(path: string): Promise<SavedLayout> {
  const root = await readLayoutRoot(path);
  const entries = await readIndex(path);
  const ofKind = (kind: string) =>
    entries.find(({ annotations }) => annotations?.[ANNOTATION.savedKind] === kind);
  const signatures = ofKind(KIND.signatures);
  const attestations = ofKind(KIND.attestations);
  const tagged = new Map<Tag, Descriptor>();
  for (const entry of entries) {
    const tag = entry.annotations?.[ANNOTATION.refName];
    if (tag !== undefined && COMPANION_TAG.test(tag)) tagged.set(tag, entry);
  }
  return {
    root,
    tagged,
    ...(signatures === undefined ? {} : { signatures }),
    ...(attestations === undefined ? {} : { attestations }),
  };
}

/** Writes `oci-layout` and `index.json`: after all that they name. @throws {CosignError} `FILE_WRITE`. */
export async function writeSavedLayout(path: string, saved: SavedLayout): Promise<void> {
  const { root, signatures, attestations, tagged } = saved;
  const rootKind = isIndex(root.mediaType) ? KIND.index : KIND.image;
  const manifests = [
    savedEntry(root, ANNOTATION.savedKind, rootKind),
    ...(signatures ? [savedEntry(signatures, ANNOTATION.savedKind, KIND.signatures)] : []),
    ...(attestations ? [savedEntry(attestations, ANNOTATION.savedKind, KIND.attestations)] : []),
    ...[...tagged].map(([tag, entry]) => savedEntry(entry, ANNOTATION.refName, tag)),
  ];
  const index: Json = { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests };
  await replaceFile(join(path, "oci-layout"), utf8(OCI_LAYOUT));
  await replaceFile(join(path, "index.json"), utf8(encodeGoJson(index)));
}

function savedEntry(descriptor: Descriptor, name: string, value: string): Json {
  const { mediaType, digest, sizeBytes } = descriptor;
  return descriptorJson({ mediaType, digest, sizeBytes, annotations: { [name]: value } });
}

/** As cosign writes it. */
const OCI_LAYOUT = `{
    "imageLayoutVersion": "1.0.0"
}`;
const COMPANION_TAG = /^[A-Za-z0-9_.-]{0,60}sha256-[0-9a-f]{64}\.(?:sig|att|sbom)$/;

/** An OCI image layout as a store (OCI image-spec, "Image Layout"), as cosign's `save` and `load` use it. */
export function openLayout(path: string): Store {
  let scan: ReturnType<typeof scanReferrers> | undefined;
  const store: Store = {
    name: path,
    head: async (reference) => (await store.manifest(reference))?.descriptor,
    manifest: async (reference) => {
      const entry = isDigest(reference) ? undefined : await entryAt(path, reference);
      const digest = isDigest(reference) ? reference : entry?.digest;
      if (digest === undefined) return undefined;
      const bytes = await readLayoutBlob(path, digest, MAX_MANIFEST_BYTES);
      return bytes === undefined ? undefined : describe(path, digest, bytes, entry);
    },
    blob: async (descriptor, limitBytes) => {
      const bytes = await readLayoutBlob(path, descriptor.digest, limitBytes);
      if (bytes !== undefined) return bytes;
      throw new CosignError(
        "LAYOUT_INVALID",
        `Cannot read layout "${path}": blob ${descriptor.digest} is not there`,
      );
    },
    pushBlob: (content, digest) => writeLayoutBlob(path, digest, content),
    pushManifest: async (content, mediaType, reference) => {
      const digest = isDigest(reference) ? reference : digestOf(content);
      await writeLayoutBlob(path, digest, content);
      scan = undefined;
      if (!isDigest(reference)) {
        await putEntry(path, reference, { mediaType, digest, sizeBytes: content.length });
      }
      return undefined;
    },
    streamBlob: (descriptor) => streamLayoutBlob(path, descriptor),
    pushBlobFrom: (descriptor, source, signal) =>
      writeLayoutBlobFrom(path, descriptor, source, signal),
    referrers: async (digest) => {
      scan ??= scanReferrers(path);
      return (await scan).get(digest) ?? [];
    },
    announceReferrer: () => Promise.resolve(), // found by its subject
    forgetReferrers: () => Promise.resolve(),
    listsReferrers: () => Promise.resolve(true),
    remove: () => {
      throw new CosignError("REGISTRY_UNSUPPORTED", `Cannot delete from layout "${path}"`);
    },
  };
  return store;
}

async function readIndex(path: string): Promise<readonly Descriptor[]> {
  const marker = await readText(path, "oci-layout");
  const text = await readText(path, "index.json");
  try {
    const layout: unknown = JSON.parse(marker);
    if (!isObject(layout) || typeof layout["imageLayoutVersion"] !== "string") {
      throw new SyntaxError("oci-layout names no imageLayoutVersion");
    }
    const index: unknown = JSON.parse(text);
    if (!isObject(index) || !Array.isArray(index["manifests"])) {
      throw new SyntaxError("index.json lists no manifests");
    }
    return index["manifests"].map(parseDescriptor);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw invalid(path, describeError(cause), cause);
  }
}

async function readText(path: string, name: string): Promise<string> {
  try {
    const file = join(path, name);
    const { size } = await stat(file);
    if (size > MAX_MANIFEST_BYTES) throw invalid(path, `${name} has ${size} bytes`);
    return parseUtf8(await readFile(file));
  } catch (cause) {
    if (cause instanceof CosignError) throw cause;
    throw invalid(path, describeError(cause), cause);
  }
}

// In what `save` wrote, tags are kinds: one image, and its signatures and attestations.
async function entryAt(path: string, tag: Tag): Promise<Descriptor | undefined> {
  const entries = await readIndex(path);
  const named = entries.find(({ annotations }) => annotations?.[ANNOTATION.refName] === tag);
  if (named !== undefined) return named;
  const kind = companionKind(tag);
  if (kind === undefined || !(await isCompanionOfRoot(path, tag))) return undefined;
  return entries.find(({ annotations }) => annotations?.[ANNOTATION.savedKind] === kind);
}

async function putEntry(path: string, tag: Tag, descriptor: Descriptor): Promise<void> {
  const kind = (await isCompanionOfRoot(path, tag)) ? companionKind(tag) : undefined;
  const annotations: Record<string, string> =
    kind === undefined ? { [ANNOTATION.refName]: tag } : { [ANNOTATION.savedKind]: kind };
  const [[name, value]] = Object.entries(annotations) as [[string, string]];
  const others = (await readIndex(path)).filter(
    (entry) =>
      entry.annotations?.[name] !== value && entry.annotations?.[ANNOTATION.refName] !== tag,
  );
  const index: Json = {
    schemaVersion: 2,
    mediaType: MEDIA.ociIndex,
    manifests: [...others, { ...descriptor, annotations }].map(descriptorJson),
  };
  await replaceFile(join(path, "index.json"), utf8(encodeGoJson(index)));
}

function companionKind(tag: Tag): string | undefined {
  if (tag.endsWith(".sig")) return KIND.signatures;
  return tag.endsWith(".att") ? KIND.attestations : undefined;
}

async function isCompanionOfRoot(path: string, tag: Tag): Promise<boolean> {
  const entries = await readIndex(path);
  const saved = entries.filter(({ annotations }) =>
    Object.values<string | undefined>(KIND).includes(annotations?.[ANNOTATION.savedKind]),
  );
  return saved.some(({ digest }) => tag.includes(digest.replace(":", "-")));
}

function isNoCompanion({ annotations }: Descriptor): boolean {
  const kind = annotations?.[ANNOTATION.savedKind];
  if (kind === KIND.signatures || kind === KIND.attestations) return false;
  return !/sha256-[0-9a-f]{64}/.test(annotations?.[ANNOTATION.refName] ?? "");
}

function describe(
  path: string,
  digest: Digest,
  bytes: Uint8Array,
  entry: Descriptor | undefined,
): StoredManifest {
  const mediaType = entry?.mediaType ?? mediaTypeOf(path, bytes);
  return { descriptor: { mediaType, digest, sizeBytes: bytes.length }, bytes };
}

function mediaTypeOf(path: string, bytes: Uint8Array): string {
  try {
    const root: unknown = JSON.parse(parseUtf8(bytes));
    if (!isObject(root)) throw new SyntaxError("it is no JSON object");
    const { mediaType, manifests } = root;
    if (typeof mediaType === "string") return mediaType;
    return Array.isArray(manifests) ? MEDIA.ociIndex : MEDIA.ociManifest;
  } catch (cause) {
    throw invalid(path, `a manifest cannot be read: ${describeError(cause)}`, cause);
  }
}

/** cosign keeps referrers as plain blobs that no index names: all are read once, for their `subject`. */
async function scanReferrers(path: string): Promise<ReadonlyMap<Digest, readonly Descriptor[]>> {
  const found = new Map<Digest, Descriptor[]>();
  for (const algorithm of ["sha256", "sha512"] as const) {
    const folder = join(path, "blobs", algorithm);
    for (const name of (await listFolder(folder)).sort()) {
      const own = `${algorithm}:${name}`;
      if (!isDigest(own)) continue;
      const file = join(folder, name);
      const info = await stat(file);
      if (!info.isFile() || info.size > MAX_REFERRER_BYTES) continue;
      const read = referrerOf(await readFile(file), own);
      if (read === undefined) continue;
      const others = found.get(read.subject);
      if (others === undefined) found.set(read.subject, [read.referrer]);
      else others.push(read.referrer);
    }
  }
  return found;
}

function referrerOf(
  bytes: Uint8Array,
  own: Digest,
): { readonly subject: Digest; readonly referrer: Descriptor } | undefined {
  if (bytes[0] !== 0x7b) return undefined;
  const root = parseObject(bytes);
  if (root === undefined || !isObject(root["subject"])) return undefined;
  const subject = root["subject"]["digest"];
  if (typeof subject !== "string" || !isDigest(subject)) return undefined;
  const { mediaType, artifactType, annotations } = root;
  const described = { mediaType: MEDIA.ociManifest, digest: own, size: bytes.length };
  const referrer = parseDescriptor({
    ...described,
    ...(typeof mediaType === "string" ? { mediaType } : {}),
    artifactType,
    annotations,
  });
  return { subject, referrer };
}

function parseObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(parseUtf8(bytes));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined; // a layer or a config; what is no JSON is no manifest
  }
}

async function listFolder(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw invalid(folder, describeError(error), error);
  }
}
