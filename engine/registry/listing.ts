import { parseUtf8 } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import { isTag, parseRepository, type Repository } from "../model/reference.ts";
import type { RegistryHost } from "./host.ts";
import { protocolError, type Reply } from "./reply.ts";

/** Names a page; registries that have a limit of their own send less. */
const PAGE_SIZE = 1000;
/** A registry that ignores the page's size sends everything: some 100,000 tags. */
const MAX_PAGE_BYTES = 32 * 1024 * 1024;
/** Ten million names. */
const MAX_PAGES = 10_000;

/** The tags of a repository, page by page. @throws {CosignError} `IMAGE_NOT_FOUND` when there is no such repository. */
export async function* listTags(
  host: RegistryHost,
  { registry, repository }: Repository,
  signal?: AbortSignal,
): AsyncIterable<string> {
  const what = `list the tags of "${registry}/${repository}"`;
  const first = `/v2/${repository}/tags/list?n=${PAGE_SIZE}`;
  for await (const reply of pages(host, first, `repository:${repository}:pull`, what, signal)) {
    if (reply.status === 404) {
      throw new CosignError("IMAGE_NOT_FOUND", `Cannot ${what}: there is no such repository`);
    }
    for (const tag of names(reply, "tags", what)) {
      if (!isTag(tag)) throw protocolError(what, `it lists ${JSON.stringify(tag.slice(0, 150))}`);
      yield tag;
    }
  }
}

/** The repositories of a registry by its catalog, page by page. */
export async function* listCatalog(
  host: RegistryHost,
  signal?: AbortSignal,
): AsyncIterable<string> {
  const what = `list the repositories of "${host.name}"`;
  const first = `/v2/_catalog?n=${PAGE_SIZE}`;
  for await (const reply of pages(host, first, "registry:catalog:*", what, signal)) {
    if (reply.status === 404) {
      throw new CosignError("REGISTRY_UNSUPPORTED", `Cannot ${what}: it has no catalog`, {
        hint: "Name the repositories",
      });
    }
    for (const name of names(reply, "repositories", what)) {
      if (!isRepositoryPath(host.name, name)) {
        throw protocolError(what, `it lists ${JSON.stringify(name.slice(0, 150))}`);
      }
      yield name;
    }
  }
}

/**
 * All pages of a listing.
 *
 * @throws {CosignError} `REGISTRY_REDIRECT` when a page is said to be at another origin, `LIMIT_EXCEEDED` when there
 * are too many, `REGISTRY_PROTOCOL` when one comes again.
 */
async function* pages(
  host: RegistryHost,
  first: string,
  scope: string,
  what: string,
  signal: AbortSignal | undefined,
): AsyncIterable<Reply> {
  const seen = new Set<string>();
  let path: string | undefined = first;
  while (path !== undefined) {
    if (seen.size >= MAX_PAGES) {
      throw new CosignError("LIMIT_EXCEEDED", `Cannot ${what}: more than ${MAX_PAGES} pages`);
    }
    seen.add(path);
    const reply = await host.ask({
      method: "GET",
      path,
      what,
      scope,
      expect: [200, 404],
      limitBytes: MAX_PAGE_BYTES,
      signal,
    });
    yield reply;
    path = nextPage(reply, what);
    if (path !== undefined && seen.has(path)) throw protocolError(what, "its pages go in a circle");
  }
}

/**
 * The next page by the `Link` of an answer (RFC 8288): path and query. Only of the same origin.
 *
 * @throws {CosignError} `REGISTRY_REDIRECT`.
 */
export function nextPage(reply: Reply, what: string): string | undefined {
  const link = reply.headers.get("link");
  if (link === null) return undefined;
  for (const [, target, parameters] of link.matchAll(/<([^<>]*)>([^<]*)/g)) {
    if (!/;\s*rel\s*=\s*"?next"?\s*(?:[;,]|$)/i.test(parameters ?? "")) continue;
    const url = URL.canParse(target ?? "", reply.url)
      ? new URL(target ?? "", reply.url)
      : undefined;
    if (url === undefined || url.origin !== new URL(reply.url).origin) {
      throw new CosignError(
        "REGISTRY_REDIRECT",
        `Cannot ${what}: the next page is said to be at another host`,
      );
    }
    return `${url.pathname}${url.search}`;
  }
  return undefined;
}

function names(reply: Reply, field: "tags" | "repositories", what: string): readonly string[] {
  let root: unknown;
  try {
    root = JSON.parse(parseUtf8(reply.body));
  } catch (cause) {
    throw protocolError(what, "the answer is no JSON", cause);
  }
  const list: unknown =
    typeof root === "object" && root !== null ? Reflect.get(root, field) : undefined;
  // Go writes an empty list as null.
  if (list === null) return [];
  if (!Array.isArray(list) || !list.every((name) => typeof name === "string")) {
    throw protocolError(what, `the answer has no list "${field}"`);
  }
  return list;
}

function isRepositoryPath(registry: string, name: string): boolean {
  try {
    return parseRepository(`${registry}/${name}`).repository.endsWith(name);
  } catch {
    return false;
  }
}
