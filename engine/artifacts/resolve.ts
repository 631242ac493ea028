import { isIndex, isSchema1, type Manifest, parseManifest } from "../formats/oci_manifest.ts";
import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import { CosignError, describeError } from "../model/errors.ts";
import type { Target } from "../model/job.ts";
import {
  formatReference,
  parseReference,
  type Reference,
  repositoryName,
} from "../model/reference.ts";
import type { Subject, SubjectHome } from "../model/subject.ts";
import { readLayoutRoot } from "../registry/layout.ts";
import type { Store, StoredManifest, Tag } from "../registry/store.ts";
import { companionTag } from "./companion_tag.ts";
import type { Stores } from "./stores.ts";

/** Indexes within indexes within indexes: nobody nests deeper, and cycles are impossible with digests. */
const MAX_DEPTH = 8;
/** Subjects of one target: far above any real index. */
const MAX_SUBJECTS = 10_000;

/** How far a target is followed. */
export interface ResolveOptions {
  /** Also every child of an index, nested indexes too. */
  readonly recursive: boolean;
  /** Leaves out children of the platform `unknown/unknown`: BuildKit's attestations. */
  readonly skipUnknownPlatform: boolean;
  /** Go to the image at this companion tag instead. */
  readonly attachment?: "sbom";
  readonly signal?: AbortSignal;
}

/**
 * The subjects of a target: a tag is pinned to its digest here, once. Parents come before their
 * children. By digest and not recursive, nothing is asked of the registry.
 *
 * @throws {CosignError} `IMAGE_NOT_FOUND`, `ATTACHMENT_NOT_FOUND`, `SCHEMA1_UNSUPPORTED`,
 * `LAYOUT_INVALID`, or what the registry says.
 */
export async function* resolve(
  target: Target,
  stores: Stores,
  options: ResolveOptions,
): AsyncIterable<Subject> {
  let root = await resolveRoot(target, stores, options);
  if (options.attachment !== undefined) {
    root = { subject: await resolveAttachment(root.subject, stores, options) };
  }
  const { subject } = root;
  yield subject;
  if (!options.recursive) return;
  let count = 1;
  const seen = new Set([subject.digest]);
  for await (const child of childrenOf(root, stores.of(subject.home), options, 0, seen)) {
    if (++count > MAX_SUBJECTS) {
      throw new CosignError(
        "LIMIT_EXCEEDED",
        `Index "${subject.name}" holds more than ${MAX_SUBJECTS} manifests`,
      );
    }
    yield child;
  }
}

/** A subject, and its manifest where that has been read already. */
interface Found {
  readonly subject: Subject;
  readonly stored?: StoredManifest;
}

async function resolveRoot(
  target: Target,
  stores: Stores,
  options: ResolveOptions,
): Promise<Found> {
  const store = stores.ofTarget(target);
  if (target.type === "layout") {
    const root = await readLayoutRoot(target.path);
    const stored = await manifestOf(store, root.digest, target.path, options.signal); // the bytes must have their digest
    const subject = subjectOf(target.path, { at: "layout", path: target.path }, root, []);
    return { subject, stored };
  }
  const reference = parseReference(target.reference);
  const name = formatReference(reference);
  if (reference.digest !== undefined && !options.recursive) {
    const home = homeOf(reference, reference.digest);
    return { subject: { name, digest: reference.digest, home, parents: [] } };
  }
  const wanted = reference.digest ?? reference.tag ?? "latest";
  // What may have children is read at once: a `HEAD` first would be one request more.
  const stored = options.recursive
    ? await manifestOf(store, wanted, name, options.signal)
    : undefined;
  const descriptor = stored?.descriptor ?? (await store.head(wanted, options.signal));
  if (descriptor === undefined) throw notFound(name);
  if (isSchema1(descriptor.mediaType)) throw schema1(name);
  const subject = subjectOf(name, homeOf(reference, descriptor.digest), descriptor, []);
  return { subject, ...(stored === undefined ? {} : { stored }) };
}

async function resolveAttachment(
  image: Subject,
  stores: Stores,
  options: ResolveOptions,
): Promise<Subject> {
  const store = stores.companionsOf(image);
  const tag = companionTag(image.digest, "sbom", stores.conventions.tagPrefix);
  const descriptor = await store.head(tag, options.signal);
  const name = `${store.name}:${tag}`;
  if (descriptor === undefined) {
    throw new CosignError("ATTACHMENT_NOT_FOUND", `Cannot find the attachment "${name}"`, {
      hint: "The image has no SBOM attached",
    });
  }
  const home: SubjectHome =
    image.home.at === "layout" ? image.home : homeOf(parseReference(name), descriptor.digest);
  return subjectOf(name, home, descriptor, []);
}

async function* childrenOf(
  { subject: parent, stored: known }: Found,
  store: Store,
  options: ResolveOptions,
  depth: number,
  seen: Set<Digest>,
): AsyncIterable<Subject> {
  if (parent.mediaType === undefined || !isIndex(parent.mediaType)) return;
  if (depth >= MAX_DEPTH) {
    throw new CosignError(
      "LIMIT_EXCEEDED",
      `Index "${parent.name}" is nested deeper than ${MAX_DEPTH}`,
    );
  }
  const stored = known ?? (await manifestOf(store, parent.digest, parent.name, options.signal));
  const manifest = parseStored(stored.bytes, stored.descriptor.mediaType, parent.name);
  if (manifest.kind !== "index") return;
  for (const descriptor of manifest.manifests) {
    if (seen.has(descriptor.digest)) continue;
    seen.add(descriptor.digest);
    if (options.skipUnknownPlatform && isUnknownPlatform(descriptor)) continue;
    const name = `${store.name}@${descriptor.digest}`;
    const child = subjectOf(name, childHome(parent.home, descriptor.digest), descriptor, [
      ...parent.parents,
      parent.digest,
    ]);
    yield child;
    yield* childrenOf({ subject: child }, store, options, depth + 1, seen);
  }
}

async function manifestOf(
  store: Store,
  reference: Digest | Tag,
  name: string,
  signal?: AbortSignal,
): Promise<StoredManifest> {
  const stored = await store.manifest(reference, signal);
  if (stored === undefined) throw notFound(name);
  return stored;
}

/** Reads a manifest that a store handed out. @throws {CosignError} `REGISTRY_PROTOCOL`. */
export function parseStored(bytes: Uint8Array, mediaType: string, name: string): Manifest {
  try {
    return parseManifest(bytes, mediaType);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new CosignError(
      "REGISTRY_PROTOCOL",
      `Cannot read manifest "${name}": ${describeError(cause)}`,
      {
        cause,
      },
    );
  }
}

function subjectOf(
  name: string,
  home: SubjectHome,
  descriptor: Descriptor,
  parents: readonly Digest[],
): Subject {
  return {
    name,
    digest: descriptor.digest,
    home,
    mediaType: descriptor.mediaType,
    sizeBytes: descriptor.sizeBytes,
    ...(descriptor.platform === undefined ? {} : { platform: descriptor.platform }),
    parents,
  };
}

function homeOf(reference: Reference, digest: Digest): SubjectHome {
  const { registry, repository } = reference;
  return { at: "registry", reference: { registry, repository, digest } };
}

function childHome(parent: SubjectHome, digest: Digest): SubjectHome {
  return parent.at === "layout" ? parent : homeOf(parent.reference, digest);
}

function isUnknownPlatform({ platform }: Descriptor): boolean {
  return platform?.os === "unknown" && platform.architecture === "unknown";
}

function notFound(name: string): CosignError {
  return new CosignError("IMAGE_NOT_FOUND", `image tag not found: ${name}`);
}

function schema1(name: string): CosignError {
  return new CosignError(
    "SCHEMA1_UNSUPPORTED",
    `"${name}" is a Docker schema 1 manifest, which has no digest that a signature could name`,
    { hint: "Push the image again with a current client" },
  );
}

/** The repository of a subject as a simple-signing payload names it; empty in a layout. */
export function dockerReferenceOf(subject: Subject): string {
  return subject.home.at === "registry" ? repositoryName(subject.home.reference) : "";
}
