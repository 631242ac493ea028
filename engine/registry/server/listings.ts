import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { MEDIA } from "../../formats/media_types.ts";
import type { Digest } from "../../model/digest.ts";
import type { Call, Service } from "./call.ts";
import { parseManifestContent } from "./manifest_content.ts";
import { listReferrers, listTags, readManifest } from "./manifest_files.ts";
import { Refusal, unknownRepository } from "./refusal.ts";
import { jsonReply, type Reply } from "./reply.ts";
import { hasRepository } from "./storage.ts";

/** `GET` of the tags of a repository. */
export function getTags(service: Service, call: Call, repository: string): Reply {
  if (!hasRepository(service.storage, repository)) throw unknownRepository(repository);
  const { entries, headers } = pageOf(
    listTags(service.storage, repository),
    service,
    call,
    `/v2/${repository}/tags/list`,
  );
  return jsonReply({ name: repository, tags: entries }, headers);
}

/** `GET` of the repositories (`/v2/_catalog`, which OCI reserves and Docker's registry describes). */
export async function getCatalog(service: Service, call: Call): Promise<Reply> {
  const names: string[] = [];
  await collectRepositories(join(service.storage.dir, "repositories"), "", names);
  const { entries, headers } = pageOf(names.sort(), service, call, "/v2/_catalog");
  return jsonReply({ repositories: entries }, headers);
}

/** A listing stops at this many bytes, so that clients which read it as a manifest can. */
const MAX_LISTING_BYTES = 2 * 1024 * 1024;

/** `GET` of the manifests whose `subject` is `subject`, as an image index. */
export function getReferrers(
  service: Service,
  call: Call,
  repository: string,
  subject: Digest,
): Reply {
  if (!service.referrers) throw new Refusal(404, "UNSUPPORTED", "the referrers API is turned off");
  const filter = call.query.get("artifactType");
  const limit = pageLimit(service, call);
  const last = call.query.get("last") ?? "";
  const manifests: object[] = [];
  let next: Digest | undefined;
  let sizeBytes = 0;
  let previous: Digest | undefined;
  for (const digest of listReferrers(service.storage, repository, subject)) {
    if (digest <= last) continue;
    const descriptor = describeReferrer(service, repository, digest);
    if (descriptor === undefined) continue;
    if (filter !== null && descriptor.artifactType !== filter) continue;
    const bytes = JSON.stringify(descriptor).length;
    if (
      manifests.length >= limit ||
      (manifests.length > 0 && sizeBytes + bytes > MAX_LISTING_BYTES)
    ) {
      next = previous;
      break;
    }
    manifests.push(descriptor);
    sizeBytes += bytes;
    previous = digest;
  }
  return jsonReply(
    { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests },
    {
      ...(filter !== null && { "OCI-Filters-Applied": "artifactType" }),
      ...(next !== undefined && linkTo(`/v2/${repository}/referrers/${subject}`, call, next)),
    },
    MEDIA.ociIndex,
  );
}

interface Referrer {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

function describeReferrer(
  service: Service,
  repository: string,
  digest: Digest,
): Referrer | undefined {
  const manifest = readManifest(service.storage, repository, digest);
  if (manifest === undefined) return undefined;
  const { mediaType, bytes } = manifest;
  const { artifactType, annotations } = parseManifestContent(bytes, mediaType);
  return {
    mediaType,
    digest,
    size: bytes.length,
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations !== undefined && { annotations }),
  };
}

function pageOf(
  sorted: readonly string[],
  service: Service,
  call: Call,
  path: string,
): { readonly entries: readonly string[]; readonly headers: Readonly<Record<string, string>> } {
  const limit = pageLimit(service, call);
  const last = call.query.get("last");
  const rest = last === null ? sorted : sorted.filter((entry) => entry > last);
  const entries = rest.slice(0, limit);
  const end = entries.at(-1);
  const isMore = end !== undefined && rest.length > entries.length;
  return { entries, headers: isMore ? linkTo(path, call, end) : {} };
}

function pageLimit(service: Service, call: Call): number {
  const text = call.query.get("n");
  if (text === null) return service.pageSize;
  if (!/^[0-9]{1,15}$/.test(text)) {
    throw new Refusal(400, "UNSUPPORTED", "n is a number of entries");
  }
  return Math.min(Number(text), service.pageSize);
}

// RFC 8288. The other parameters stay, so that a filter holds on every page.
function linkTo(path: string, call: Call, last: string): Readonly<Record<string, string>> {
  const query = new URLSearchParams(call.query);
  query.set("last", last);
  return { Link: `<${path}?${query}>; rel="next"` };
}

async function collectRepositories(dir: string, name: string, names: string[]): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    if (entry.name === "_") names.push(name);
    else {
      const child = name === "" ? entry.name : `${name}/${entry.name}`;
      await collectRepositories(join(dir, entry.name), child, names);
    }
  }
}
