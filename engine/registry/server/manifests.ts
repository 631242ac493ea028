import { createHash } from "node:crypto";
import { type Digest, digestAlgorithm, isDigest, parseDigest } from "../../model/digest.ts";
import type { Call, Service } from "./call.ts";
import { checkPreconditions, entityTag, isKnown } from "./conditions.ts";
import { parseManifestContent } from "./manifest_content.ts";
import {
  type KeptManifest,
  keepManifest,
  readManifest,
  readTag,
  removeManifest,
  removeTag,
} from "./manifest_files.ts";
import { Refusal, unknownRepository } from "./refusal.ts";
import type { Reply } from "./reply.ts";
import { isTagName, parseWantedDigest } from "./route.ts";
import { hasRepository } from "./storage.ts";

/** What the specification asks registries to take at least, and what ours does at most. */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/** `GET` and `HEAD` of a manifest. `Accept` is not asked: a manifest is what was pushed, or nothing. */
export function getManifest(
  service: Service,
  call: Call,
  repository: string,
  reference: string,
): Reply {
  const { digest, mediaType, bytes } = findManifest(service, repository, reference);
  const headers = { "Docker-Content-Digest": digest, ETag: entityTag(digest) };
  if (isKnown(call.headers["if-none-match"], digest)) return { status: 304, headers };
  return { status: 200, headers: { ...headers, "Content-Type": mediaType }, body: bytes };
}

/** `PUT` of a manifest, by tag or by digest; by digest with any number of `tag` parameters. */
export async function putManifest(
  service: Service,
  call: Call,
  repository: string,
  reference: string,
): Promise<Reply> {
  const wanted = reference.includes(":") ? parseWantedDigest(reference) : undefined;
  const tags = wanted === undefined ? [reference] : call.query.getAll("tag");
  for (const tag of tags) checkTag(tag);
  const bytes = await readManifestBody(call);
  const digest = digestOf(bytes, wanted);
  const content = parseManifestContent(bytes, call.headers["content-type"]);
  await keepManifest(
    service.storage,
    repository,
    { digest, mediaType: content.mediaType, bytes },
    {
      tags,
      ...(content.subject !== undefined && { subject: content.subject }),
      guard: () => checkPreconditions(call.headers, currentDigest(service, repository, reference)),
    },
  );
  return {
    status: 201,
    headers: {
      Location: `/v2/${repository}/manifests/${digest}`,
      "Docker-Content-Digest": digest,
      ETag: entityTag(digest),
      ...(wanted !== undefined && tags.length > 0 && { "OCI-Tag": tags }),
      ...(service.referrers && content.subject !== undefined && { "OCI-Subject": content.subject }),
    },
  };
}

/** `DELETE` of a tag, or of a manifest with all its tags. */
export function deleteManifest(
  service: Service,
  call: Call,
  repository: string,
  reference: string,
): Reply {
  const { storage } = service;
  const manifest = findManifest(service, repository, reference);
  checkPreconditions(call.headers, manifest.digest);
  if (reference.includes(":")) {
    const { subject } = parseManifestContent(manifest.bytes, manifest.mediaType);
    removeManifest(storage, repository, manifest.digest, subject);
  } else {
    removeTag(storage, repository, reference);
  }
  return { status: 202 };
}

function findManifest(service: Service, repository: string, reference: string): KeptManifest {
  const digest = reference.includes(":")
    ? parseWantedDigest(reference)
    : currentDigest(service, repository, reference);
  const manifest = digest && readManifest(service.storage, repository, digest);
  if (manifest !== undefined) return manifest;
  if (!hasRepository(service.storage, repository)) throw unknownRepository(repository);
  throw new Refusal(404, "MANIFEST_UNKNOWN", "manifest unknown to registry", {
    detail: { reference: reference.slice(0, 150) },
  });
}

function currentDigest(
  service: Service,
  repository: string,
  reference: string,
): Digest | undefined {
  if (isTagName(reference)) return readTag(service.storage, repository, reference);
  if (!isDigest(reference)) return undefined;
  return readManifest(service.storage, repository, reference)?.digest;
}

function checkTag(tag: string): void {
  if (isTagName(tag)) return;
  throw new Refusal(400, "MANIFEST_INVALID", "invalid tag", { detail: { tag: tag.slice(0, 150) } });
}

async function readManifestBody(call: Call): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = Number(call.headers["content-length"] ?? 0);
  if (sizeBytes <= MAX_MANIFEST_BYTES) {
    sizeBytes = 0;
    for await (const chunk of call.body) {
      sizeBytes += chunk.length;
      if (sizeBytes > MAX_MANIFEST_BYTES) break;
      chunks.push(chunk);
    }
  }
  if (sizeBytes <= MAX_MANIFEST_BYTES) return Buffer.concat(chunks);
  throw new Refusal(413, "MANIFEST_INVALID", `a manifest has at most ${MAX_MANIFEST_BYTES} bytes`);
}

function digestOf(bytes: Uint8Array, wanted: Digest | undefined): Digest {
  const algorithm = wanted === undefined ? "sha256" : digestAlgorithm(wanted);
  const digest = parseDigest(`${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`);
  if (wanted === undefined || wanted === digest) return digest;
  throw new Refusal(400, "DIGEST_INVALID", "provided digest did not match uploaded content", {
    detail: { provided: wanted, computed: digest },
  });
}
