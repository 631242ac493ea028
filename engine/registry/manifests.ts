import { digestOf } from "../crypto/hash.ts";
import { MEDIA } from "../formats/media_types.ts";
import { isSchema1, manifestJson } from "../formats/oci_manifest.ts";
import type { Descriptor } from "../model/descriptor.ts";
import { type Digest, digestAlgorithm, isDigest } from "../model/digest.ts";
import { CosignError } from "../model/errors.ts";
import { plainText, protocolError, type Reply, registryErrors } from "./reply.ts";
import type { Scoped } from "./scoped.ts";
import type { Precondition, StoredManifest, Tag } from "./store.ts";

/** What the distribution specification makes every registry take. */
export const MAX_MANIFEST_BYTES: number = 4 * 1024 * 1024;

/** Every media type of OCI and Docker, so that what is stored comes as it is; the first ones to recognise them. */
const ACCEPT = [
  MEDIA.ociManifest,
  MEDIA.ociIndex,
  MEDIA.dockerManifest,
  MEDIA.dockerManifestList,
  "application/vnd.oci.artifact.manifest.v1+json",
  `${MEDIA.dockerSchema1Signed};q=0.2`,
  `${MEDIA.dockerSchema1};q=0.2`,
  "*/*;q=0.1",
].join(", ");

/** The descriptor of a manifest; absent when there is none. Asks by `HEAD` where the registry takes it. */
export async function headManifest(
  scoped: Scoped,
  reference: Digest | Tag,
  signal?: AbortSignal,
): Promise<Descriptor | undefined> {
  const what = `find manifest "${scoped.nameOf(reference)}"`;
  const reply = await scoped.ask({
    method: "HEAD",
    path: manifestPath(scoped, reference),
    what,
    headers: { accept: ACCEPT },
    expect: [200, 404, 405],
    limitBytes: 0,
    signal,
  });
  if (reply.status === 404) return undefined;
  const digest = reply.headers.get("docker-content-digest") ?? "";
  const length = reply.headers.get("content-length") ?? "";
  if (reply.status === 405 || !isDigest(digest) || !/^[1-9]\d{0,9}$/.test(length)) {
    return (await readManifest(scoped, reference, signal))?.descriptor;
  }
  if (isDigest(reference) && digest !== reference) throw mismatch(what, digest, reference);
  const mediaType = contentType(reply);
  if (isSchema1(mediaType)) throw schema1(what);
  return { mediaType, digest, sizeBytes: Number(length) };
}

/** A manifest, its bytes checked against the digest that was asked for or that the registry names. */
export async function readManifest(
  scoped: Scoped,
  reference: Digest | Tag,
  signal?: AbortSignal,
): Promise<StoredManifest | undefined> {
  const what = `read manifest "${scoped.nameOf(reference)}"`;
  const reply = await scoped.ask({
    method: "GET",
    path: manifestPath(scoped, reference),
    what,
    headers: { accept: ACCEPT },
    expect: [200, 404],
    limitBytes: MAX_MANIFEST_BYTES,
    signal,
  });
  if (reply.status === 404) return undefined;
  const mediaType = manifestType(reply, what);
  // The digest of a signed schema 1 manifest is not that of its bytes; nobody can sign one.
  if (isSchema1(mediaType)) throw schema1(what);
  const digest = checkedDigest(reply, reference, what);
  const etag = reply.headers.get("etag");
  return {
    descriptor: { mediaType, digest, sizeBytes: reply.body.length },
    bytes: reply.body,
    ...(etag === null ? {} : { etag }),
  };
}

/** What a registry said when a manifest was written. */
export interface Written {
  readonly digest: Digest;
  readonly etag?: string;
  /** Its `OCI-Subject`: it has made the manifest a referrer of this digest by itself. */
  readonly subject?: string;
}

/** Writes a manifest under its digest or a tag. */
export async function writeManifest(
  scoped: Scoped,
  content: Uint8Array,
  mediaType: string,
  reference: Digest | Tag,
  precondition: Precondition | undefined,
  signal?: AbortSignal,
): Promise<Written> {
  const what = `write manifest "${scoped.nameOf(reference)}"`;
  if (content.length > MAX_MANIFEST_BYTES) {
    throw new CosignError(
      "LIMIT_EXCEEDED",
      `Cannot ${what}: ${content.length} bytes, registries take ${MAX_MANIFEST_BYTES}`,
    );
  }
  const reply = await scoped.ask({
    method: "PUT",
    path: manifestPath(scoped, reference),
    what,
    headers: { "content-type": mediaType, ...conditionHeaders(precondition) },
    body: content,
    expect: [200, 201, 202],
    limitBytes: MAX_MANIFEST_BYTES,
    mayPass: missesBlob,
    signal,
  });
  const named = reply.headers.get("docker-content-digest") ?? "";
  const algorithm = isDigest(reference) ? digestAlgorithm(reference) : "sha256";
  const digest = digestOf(content, algorithm);
  if (isDigest(named) && named !== digest) {
    const other = digestOf(content, digestAlgorithm(named));
    if (named !== other) throw mismatch(what, named, other);
  }
  const etag = reply.headers.get("etag");
  const subject = reply.headers.get("oci-subject");
  return {
    digest,
    ...(etag === null ? {} : { etag }),
    ...(subject === null ? {} : { subject }),
  };
}

/**
 * Whether a manifest was refused for a blob that is not there. We have just pushed it; docker-registry
 * rewrites a blob's link in place when somebody else pushes the same one, and misses it meanwhile.
 */
function missesBlob(reply: Reply): boolean {
  if (reply.status !== 400 && reply.status !== 404) return false;
  return registryErrors(reply).some(({ code }) => /^(MANIFEST_)?BLOB_UNKNOWN$/.test(code));
}

/** Deletes a manifest by digest, or a tag. What is not there is deleted already. */
export async function removeManifest(
  scoped: Scoped,
  reference: Digest | Tag,
  signal?: AbortSignal,
): Promise<void> {
  const what = `delete "${scoped.nameOf(reference)}"`;
  const reply = await scoped.ask({
    method: "DELETE",
    path: manifestPath(scoped, reference),
    what,
    expect: [200, 202, 204, 404, 400, 405],
    limitBytes: MAX_MANIFEST_BYTES,
    signal,
  });
  if (reply.status !== 400 && reply.status !== 405) return;
  throw new CosignError(
    "REGISTRY_UNSUPPORTED",
    `Cannot ${what}: the registry does not delete ${isDigest(reference) ? "manifests" : "tags"}`,
    { hint: "Delete it with the registry's own means, or turn deletion on there" },
  );
}

function manifestPath(scoped: Scoped, reference: Digest | Tag): string {
  return `/v2/${scoped.repository}/manifests/${reference}`;
}

function conditionHeaders(precondition: Precondition | undefined): Record<string, string> {
  if (precondition === undefined) return {};
  return "ifMatch" in precondition
    ? { "if-match": precondition.ifMatch }
    : { "if-none-match": "*" };
}

function checkedDigest(reply: Reply, reference: Digest | Tag, what: string): Digest {
  const named = reply.headers.get("docker-content-digest");
  if (isDigest(reference)) {
    const actual = digestOf(reply.body, digestAlgorithm(reference));
    if (actual !== reference) throw mismatch(what, actual, reference);
    const namesOther = named !== null && isDigest(named) && sameAlgorithm(named, reference);
    if (namesOther && named !== reference) throw mismatch(what, named, reference);
    return reference;
  }
  if (named === null || !isDigest(named)) return digestOf(reply.body);
  const actual = digestOf(reply.body, digestAlgorithm(named));
  if (actual !== named) throw mismatch(what, actual, named);
  return named;
}

function sameAlgorithm(a: Digest, b: Digest): boolean {
  return digestAlgorithm(a) === digestAlgorithm(b);
}

/** The media type by the header; where that says nothing, by the body. They must not contradict each other. */
function manifestType(reply: Reply, what: string): string {
  const header = contentType(reply);
  const body = ownMediaType(reply.body);
  if (header === "" || header === "application/json" || header === "application/octet-stream") {
    return body ?? header;
  }
  if (body !== undefined && body !== header) {
    throw protocolError(
      what,
      `the registry says it is "${plainText(header)}", the manifest itself "${plainText(body)}"`,
    );
  }
  return header;
}

function contentType(reply: Reply): string {
  return (reply.headers.get("content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

function ownMediaType(bytes: Uint8Array): string | undefined {
  try {
    const root = manifestJson(bytes);
    if (typeof root !== "object" || root === null || !("mediaType" in root)) return undefined;
    return typeof root.mediaType === "string" ? root.mediaType : undefined;
  } catch {
    return undefined; // whoever parses the manifest says so
  }
}

function mismatch(what: string, got: string, wanted: string): CosignError {
  return new CosignError("DIGEST_MISMATCH", `Cannot ${what}: digest is ${got}, expected ${wanted}`);
}

function schema1(what: string): CosignError {
  return new CosignError(
    "SCHEMA1_UNSUPPORTED",
    `Cannot ${what}: it is a manifest of Docker's schema 1, which cannot be signed`,
    { hint: "Push the image again with a current tool" },
  );
}
