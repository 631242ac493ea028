import { type Digest, isDigest } from "./digest.ts";
import { CosignError } from "./errors.ts";

/** The registry that a reference without one means. */
export const DEFAULT_REGISTRY = "index.docker.io";

/** A repository: where manifests and blobs lie. */
export interface Repository {
  /** Host and port: `index.docker.io`, `127.0.0.1:5000`. */
  readonly registry: string;
  /** Path: `library/alpine`. */
  readonly repository: string;
}

/** A reference as go-containerregistry's weak mode reads it. Without a digest there is always a tag. */
export interface Reference extends Repository {
  readonly tag?: string;
  readonly digest?: Digest;
}

/** Past `resolve`, only this is accepted. */
export type PinnedReference = Repository & { readonly digest: Digest };

const MAX_REFERENCE_LENGTH = 1024; // generous: 255 for the path, 128 for the tag, 253 for the host
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?)(?::[0-9]{1,5})?$/;
const PATH = /^[a-z0-9_.\-/]{2,255}$/;
const TAG = /^[A-Za-z0-9_.-]{1,128}$/;

/**
 * Reads an image reference: default registry `index.docker.io`, `library/` for its one-part names,
 * default tag `latest`; `name:tag@digest` keeps only the digest.
 *
 * @throws {CosignError} `REFERENCE_INVALID`.
 */
export function parseReference(text: string): Reference {
  if (text.length > MAX_REFERENCE_LENGTH) throw invalid(text, "too long");
  const at = text.indexOf("@");
  if (at >= 0) {
    const digest = text.slice(at + 1);
    if (!isDigest(digest)) throw invalid(text, "the part behind @ is no digest");
    return { ...parseRepository(splitTag(text.slice(0, at), text).base, text), digest };
  }
  const { base, tag } = splitTag(text, text);
  return { ...parseRepository(base, text), tag: tag ?? "latest" };
}

/** Reads the name of a repository, without tag or digest. @throws {CosignError} `REFERENCE_INVALID`. */
export function parseRepository(name: string, whole: string = name): Repository {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const hasHost = slash >= 0 && (/[.:]/.test(first) || first === "localhost");
  const registry = canonicalRegistry(hasHost ? first : "", whole);
  const path = hasHost ? name.slice(slash + 1) : name;
  if (
    !PATH.test(path) ||
    path.split("/").some((part) => part === "" || part === "." || part === "..")
  ) {
    throw invalid(whole, "the repository may only have lower-case letters, digits and _ - . /");
  }
  const implicit = registry === DEFAULT_REGISTRY && !path.includes("/");
  return { registry, repository: implicit ? `library/${path}` : path };
}

/** Reads the name of a registry: host and optional port. @throws {CosignError} `REFERENCE_INVALID`. */
export function parseRegistry(name: string): string {
  return canonicalRegistry(name, name);
}

/** `registry/repository`, as cosign prints it and as simple signing names it. */
export function repositoryName(repository: Repository): string {
  return `${repository.registry}/${repository.repository}`;
}

/** The whole reference as text, the digest before the tag. */
export function formatReference(reference: Reference): string {
  const name = repositoryName(reference);
  return reference.digest !== undefined
    ? `${name}@${reference.digest}`
    : `${name}:${reference.tag}`;
}

/** Whether `text` is a tag that registries take. */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

function canonicalRegistry(host: string, whole: string): string {
  if (host === "" || host === "docker.io") return DEFAULT_REGISTRY;
  if (!HOST.test(host)) throw invalid(whole, "the registry is no host name with an optional port");
  return host;
}

function splitTag(text: string, whole: string): { base: string; tag?: string } {
  const colon = text.lastIndexOf(":");
  if (colon < 0 || text.includes("/", colon)) return { base: text };
  const tag = text.slice(colon + 1);
  if (!TAG.test(tag)) throw invalid(whole, "the part behind : is no tag");
  return { base: text.slice(0, colon), tag };
}

function invalid(text: string, why: string): CosignError {
  return new CosignError(
    "REFERENCE_INVALID",
    `Cannot parse reference ${JSON.stringify(text.slice(0, 200))}: ${why}`,
    { hint: "A reference is REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@sha256:HEX" },
  );
}
