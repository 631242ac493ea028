import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { digestOf } from "../crypto/hash.ts";
import { encodeGoJson, isObject, type Json } from "../formats/go_json.ts";
import { ANNOTATION, MEDIA } from "../formats/media_types.ts";
import { descriptorJson, parseDescriptor } from "../formats/oci_manifest.ts";
import { parseUtf8, utf8 } from "../model/bytes.ts";
import type { Descriptor } from "../model/descriptor.ts";
import { type Digest, digestAlgorithm, digestHex, isDigest } from "../model/digest.ts";
import { CosignError, describeError } from "../model/errors.ts";
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

/** An OCI image layout as a store (OCI image-spec, "Image Layout"), as cosign's `save` and `load` use it. */
export function openLayout(path: string): Store {
  const store: Store = {
    name: path,
    head: async (reference) => (await store.manifest(reference))?.descriptor,
    manifest: async (reference) => {
      const entry = isDigest(reference) ? undefined : await entryAt(path, reference);
      const digest = isDigest(reference) ? reference : entry?.digest;
      if (digest === undefined) return undefined;
      const bytes = await readBlob(path, digest, MAX_MANIFEST_BYTES);
      return bytes === undefined ? undefined : describe(path, digest, bytes, entry);
    },
    blob: async (descriptor, limitBytes) => {
      const bytes = await readBlob(path, descriptor.digest, limitBytes);
      if (bytes !== undefined) return bytes;
      throw new CosignError(
        "LAYOUT_INVALID",
        `Cannot read layout "${path}": blob ${descriptor.digest} is not there`,
      );
    },
    pushBlob: (content, digest) => writeBlob(path, digest, content),
    pushManifest: async (content, mediaType, reference) => {
      const digest = isDigest(reference) ? reference : digestOf(content);
      await writeBlob(path, digest, content);
      if (!isDigest(reference)) {
        await putEntry(path, reference, { mediaType, digest, sizeBytes: content.length });
      }
      return undefined;
    },
    referrers: (digest) => scanReferrers(path, digest),
    announceReferrer: () => Promise.resolve(), // found by its subject
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

/** cosign keeps referrers as plain blobs that no index names: they are found by their `subject`. */
async function scanReferrers(path: string, digest: Digest): Promise<readonly Descriptor[]> {
  const found: Descriptor[] = [];
  for (const algorithm of ["sha256", "sha512"] as const) {
    const folder = join(path, "blobs", algorithm);
    for (const name of (await listFolder(folder)).sort()) {
      const file = join(folder, name);
      const { size } = await stat(file);
      if (size > MAX_REFERRER_BYTES || !isDigest(`${algorithm}:${name}`)) continue;
      const referrer = referrerOf(await readFile(file), `${algorithm}:${name}` as Digest, digest);
      if (referrer !== undefined) found.push(referrer);
    }
  }
  return found;
}

function referrerOf(bytes: Uint8Array, own: Digest, subject: Digest): Descriptor | undefined {
  if (bytes[0] !== 0x7b) return undefined;
  const root = parseObject(bytes);
  if (root === undefined || !isObject(root["subject"])) return undefined;
  if (root["subject"]["digest"] !== subject) return undefined;
  const { mediaType, artifactType, annotations } = root;
  const described = { mediaType: MEDIA.ociManifest, digest: own, size: bytes.length };
  return parseDescriptor({
    ...described,
    ...(typeof mediaType === "string" ? { mediaType } : {}),
    artifactType,
    annotations,
  });
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

function blobPath(path: string, digest: Digest): string {
  return join(path, "blobs", digestAlgorithm(digest), digestHex(digest));
}

async function readBlob(
  path: string,
  digest: Digest,
  limitBytes: number,
): Promise<Uint8Array | undefined> {
  const bytes = await readLimited(path, blobPath(path, digest), limitBytes);
  if (bytes === undefined) return undefined;
  const got = digestOf(bytes, digestAlgorithm(digest));
  if (got === digest) return bytes;
  throw new CosignError(
    "DIGEST_MISMATCH",
    `Cannot read layout "${path}": a blob is ${got}, expected ${digest}`,
  );
}

async function readLimited(
  path: string,
  file: string,
  limitBytes: number,
): Promise<Uint8Array | undefined> {
  try {
    const info = await stat(file); // before it is opened: opening a FIFO waits for its writer
    if (!info.isFile()) throw invalid(path, `"${file}" is no regular file`);
    if (info.size > limitBytes) {
      throw new CosignError(
        "LIMIT_EXCEEDED",
        `Cannot read "${file}": it has ${info.size} bytes, at most ${limitBytes} are read`,
      );
    }
    return new Uint8Array(await readFile(file));
  } catch (error) {
    if (error instanceof CosignError) throw error;
    if (isMissing(error)) return undefined;
    throw invalid(path, describeError(error), error);
  }
}

async function writeBlob(path: string, digest: Digest, content: Uint8Array): Promise<void> {
  const file = blobPath(path, digest);
  await mkdir(join(file, ".."), { recursive: true });
  await replaceFile(file, content);
}

/** Writes a file beside its place and moves it there: it is whole or not there at all. */
async function replaceFile(file: string, content: Uint8Array): Promise<void> {
  const temporary = `${file}.${randomUUID()}`;
  try {
    await writeFile(temporary, content, { flag: "wx" });
    await rename(temporary, file);
  } catch (cause) {
    throw new CosignError("FILE_WRITE", `Cannot write "${file}": ${describeError(cause)}`, {
      cause,
    });
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function invalid(path: string, why: string, cause?: unknown): CosignError {
  return new CosignError("LAYOUT_INVALID", `Cannot read layout "${path}": ${why}`, {
    hint: "A layout is a directory with oci-layout, index.json and blobs/, as cosign save writes it",
    ...(cause === undefined ? {} : { cause }),
  });
}
