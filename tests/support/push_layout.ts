import { digestOf, inParallel, putBlob, putManifest } from "./uploads.ts";
import { listVectors, readVector as readPacked, type VectorSet } from "./vectors.ts";

interface IndexEntry {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Manifest {
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly config?: { readonly mediaType: string };
  readonly manifests?: readonly IndexEntry[];
  readonly subject?: { readonly digest: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

const REF_NAME = "org.opencontainers.image.ref.name";
const INDEX = "application/vnd.oci.image.index.v1+json";
/**
 * Loads the packed layout `repos/NAME` into the registry at `host` as `repository`, by plain HTTP and
 * with nothing of the engine: blobs, manifests (children first), tags. To a registry without the
 * referrers API it writes the fallback tags, as the specification asks of whoever pushes.
 */
export async function pushVectorRepository(
  host: string,
  name: string,
  repository: string = `veca/${name}`,
): Promise<void> {
  await pushPackedLayout(host, { set: "cosign", prefix: `repos/${name}/` }, repository);
}

/** Where a layout lies among the packed vectors. */
export interface PackedLayout {
  readonly set: VectorSet;
  /** Its folder, with a slash at the end. */
  readonly prefix: string;
  /** Puts a blob that does not have its digest, which no registry takes, where the registry keeps its blobs. */
  readonly smuggle?: (digest: string, content: Uint8Array) => void;
  /** The layout is all that was in the registry: no fallback tag is written for its sake. */
  readonly isDump?: boolean;
}

/** Loads a packed layout as {@link pushVectorRepository} does. */
export async function pushPackedLayout(
  host: string,
  { set, prefix, smuggle, isDump = false }: PackedLayout,
  repository: string,
): Promise<void> {
  const base = `http://${host}/v2/${repository}`;
  const readVector = (path: string) => readPacked(path, set);
  const readVectorText = (path: string) => new TextDecoder().decode(readPacked(path, set));
  const entries: readonly IndexEntry[] = JSON.parse(
    readVectorText(`${prefix}index.json`),
  ).manifests;
  const isManifest = new Set(entries.map(({ digest }) => digest));
  const blobs = listVectors(`${prefix}blobs/`, set)
    .map((path) => path.slice(`${prefix}blobs/`.length).replace("/", ":"))
    .filter((digest) => !isManifest.has(digest));
  await inParallel(blobs, async (digest) => {
    const content = readVector(blobPath(prefix, digest));
    if (smuggle === undefined || digestOf(content) === digest) await putBlob(base, digest, content);
    else smuggle(digest, content);
  });

  const tags = new Set(entries.map(({ annotations }) => annotations?.[REF_NAME]));
  const fallbacks = new Map<string, IndexEntry[]>();
  for (const entry of childrenFirst(prefix, entries, readVectorText)) {
    const content = readVector(blobPath(prefix, entry.digest));
    const tag = entry.annotations?.[REF_NAME];
    const answer = await putManifest(base, tag ?? entry.digest, entry.mediaType, content);
    const manifest: Manifest = JSON.parse(new TextDecoder().decode(content));
    if (isDump || manifest.subject === undefined || answer.headers.has("oci-subject")) continue;
    const fallback = manifest.subject.digest.replace(":", "-");
    if (tags.has(fallback)) continue;
    fallbacks.set(fallback, [...(fallbacks.get(fallback) ?? []), describe(entry, manifest)]);
  }
  for (const [tag, manifests] of fallbacks) {
    const index = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests });
    await putManifest(base, tag, INDEX, new TextEncoder().encode(index));
  }
}

function describe(entry: IndexEntry, manifest: Manifest): IndexEntry {
  const artifactType = manifest.artifactType ?? manifest.config?.mediaType;
  return {
    mediaType: entry.mediaType,
    digest: entry.digest,
    size: entry.size,
    ...(artifactType !== undefined && { artifactType }),
    ...(manifest.annotations && { annotations: manifest.annotations }),
  };
}

function childrenFirst(
  prefix: string,
  entries: readonly IndexEntry[],
  readVectorText: (path: string) => string,
): readonly IndexEntry[] {
  const depth = (entry: IndexEntry): number => {
    const manifest: Manifest = JSON.parse(readVectorText(blobPath(prefix, entry.digest)));
    return 1 + Math.max(-1, ...(manifest.manifests ?? []).map(depth));
  };
  return entries
    .map((entry) => ({ entry, depth: depth(entry) }))
    .sort((left, right) => left.depth - right.depth)
    .map(({ entry }) => entry);
}

function blobPath(prefix: string, digest: string): string {
  return `${prefix}blobs/${digest.replace(":", "/")}`;
}
