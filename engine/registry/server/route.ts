import { type Digest, parseDigest } from "../../model/digest.ts";
import { Refusal } from "./refusal.ts";

/** What a path of the distribution API means. Names and digests in it have been checked. */
export type Route =
  | { readonly at: "base" }
  | { readonly at: "catalog" }
  | { readonly at: "tags"; readonly repository: string }
  | { readonly at: "manifest"; readonly repository: string; readonly reference: string }
  | { readonly at: "blob"; readonly repository: string; readonly digest: Digest }
  | { readonly at: "referrers"; readonly repository: string; readonly digest: Digest }
  | { readonly at: "uploads"; readonly repository: string }
  | { readonly at: "upload"; readonly repository: string; readonly id: string };

// OCI distribution-spec, "Pulling manifests". Neither can name a parent directory, begin with an
// underscore component or hold a slash that the registry has not put there: they become paths.
const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const MAX_NAME_LENGTH = 255; // what clients allow, and what a file system takes for one component
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether `text` is the name of a repository. */
export function isRepositoryName(text: string): boolean {
  return text.length <= MAX_NAME_LENGTH && NAME.test(text);
}

/** Whether `text` is a tag. */
export function isTagName(text: string): boolean {
  return TAG.test(text);
}

/**
 * Reads the path of a request.
 *
 * @param path Attacker-controlled: as it stood in the request line, without the query.
 * @throws {Refusal} 404 for what is no endpoint, 400 for bad names and digests.
 */
export function parseRoute(path: string): Route {
  const plain = decodePath(path);
  if (plain === "/v2/" || plain === "/v2") return { at: "base" };
  if (plain === "/v2/_catalog") return { at: "catalog" };
  const [, uploads, id] = /^\/v2\/(.+)\/blobs\/uploads(?:\/([^/]*))?$/.exec(plain) ?? [];
  if (uploads !== undefined) {
    const repository = parseName(uploads);
    if (id === undefined || id === "") return { at: "uploads", repository };
    if (!UUID.test(id)) {
      throw new Refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
    }
    return { at: "upload", repository, id };
  }
  const [, tags] = /^\/v2\/(.+)\/tags\/list$/.exec(plain) ?? [];
  if (tags !== undefined) return { at: "tags", repository: parseName(tags) };
  const [, name, kind, last] =
    /^\/v2\/(.+)\/(manifests|blobs|referrers)\/([^/]+)$/.exec(plain) ?? [];
  if (name === undefined || last === undefined) {
    throw new Refusal(404, "UNSUPPORTED", "no such endpoint");
  }
  const repository = parseName(name);
  if (kind === "manifests") return { at: "manifest", repository, reference: last };
  const digest = parseWantedDigest(last);
  return kind === "blobs"
    ? { at: "blob", repository, digest }
    : { at: "referrers", repository, digest };
}

/** Reads a digest that a client named. @throws {Refusal} 400 when it is malformed or of another algorithm. */
export function parseWantedDigest(text: string): Digest {
  try {
    return parseDigest(text);
  } catch {
    throw new Refusal(400, "DIGEST_INVALID", "a digest is sha256: or sha512: and lower-case hex", {
      detail: { digest: text.slice(0, 150) },
    });
  }
}

function parseName(name: string): string {
  if (isRepositoryName(name)) return name;
  throw new Refusal(400, "NAME_INVALID", "invalid repository name", {
    detail: { name: name.slice(0, MAX_NAME_LENGTH) },
  });
}

function decodePath(path: string): string {
  try {
    return path.includes("%") ? decodeURIComponent(path) : path;
  } catch {
    throw new Refusal(400, "NAME_INVALID", "the path is not percent-encoded UTF-8");
  }
}
