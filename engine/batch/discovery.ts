import { type ErrorReport, hasCode, reportError } from "../model/errors.ts";
import { isTag, parseRepository, type Repository, repositoryName } from "../model/reference.ts";
import type { Registry } from "../registry/session.ts";
import { matchesGlob } from "./_glob.ts";
import type { NameFilter } from "./schema.ts";

/** What a listing holds: a reference, or why there is none where one was expected. */
export type Listed =
  | { readonly kind: "found"; readonly reference: string }
  | { readonly kind: "fault"; readonly name: string; readonly reason: ErrorReport };

/** Repositories whose first page of tags is asked for before it is needed. */
const REPOSITORIES_AHEAD = 8;

/** Companions of images lie under tags: `sha256-<64 hex>` of the referrers' fallback, or with a suffix; prefixes are the user's. */
const COMPANION_TAG = /sha(?:256|512)-[0-9a-f]{64}(?:\.(?:sig|att|sbom))?$/;

/** Whether a tag names a companion of another image (a signature, an attestation, a listing of referrers). */
export function isCompanionTag(tag: string): boolean {
  return COMPANION_TAG.test(tag);
}

/**
 * The references of a repository, by its tags. Tags of companions are never among them. A
 * repository that cannot be listed is a fault, never absent.
 */
export async function* listRepository(
  registry: Registry,
  repository: Repository,
  tags: NameFilter,
  signal?: AbortSignal,
): AsyncGenerator<Listed, void, undefined> {
  const name = repositoryName(repository);
  try {
    for await (const tag of registry.tags(repository, signal)) {
      if (isCompanionTag(tag) || !isSelected(tags, tag)) continue;
      if (isTag(tag)) yield { kind: "found", reference: `${name}:${tag}` };
      else yield badName(`${name}:${tag}`, "tag");
    }
  } catch (error) {
    if (signal?.aborted === true) throw error;
    yield { kind: "fault", name, reason: reportError(error) };
  }
}

/** The references of a whole registry, by its catalog. */
export async function* listRegistry(
  registry: Registry,
  host: string,
  repositories: NameFilter,
  tags: NameFilter,
  signal?: AbortSignal,
): AsyncGenerator<Listed, void, undefined> {
  const ahead: Started[] = [];
  try {
    for await (const listing of listings(registry, host, repositories, tags, signal)) {
      ahead.push(start(listing));
      if (ahead.length >= REPOSITORIES_AHEAD) yield* finish(ahead.shift());
    }
    while (ahead.length > 0) yield* finish(ahead.shift());
  } finally {
    await Promise.allSettled(ahead.map(({ listing }) => listing.return()));
  }
}

type Listing = AsyncGenerator<Listed, void, undefined>;

interface Started {
  readonly listing: Listing;
  readonly first: Promise<IteratorResult<Listed, void>>;
}

function start(listing: Listing): Started {
  const first = listing.next();
  first.catch(() => {}); // awaited in finish(), or the listing is given up
  return { listing, first };
}

async function* finish(started: Started | undefined): Listing {
  if (started === undefined) return;
  const first = await started.first;
  if (first.done === true) return;
  yield first.value;
  yield* started.listing;
}

/** A listing of tags for each repository of the catalog; a fault of the catalog is a listing of its own. */
async function* listings(
  registry: Registry,
  host: string,
  repositories: NameFilter,
  tags: NameFilter,
  signal?: AbortSignal,
): AsyncGenerator<Listing, void, undefined> {
  try {
    for await (const path of registry.catalog(host, signal)) {
      if (!isSelected(repositories, path)) continue;
      const repository = repositoryOf(host, path);
      yield repository === undefined
        ? faultOnly(badName(`${host}/${path}`, "repository"))
        : listRepository(registry, repository, tags, signal);
    }
  } catch (error) {
    if (signal?.aborted === true) throw error;
    yield faultOnly({ kind: "fault", name: host, reason: reportError(error) });
  }
}

async function* faultOnly(fault: Listed): Listing {
  yield fault;
}

function repositoryOf(host: string, path: string): Repository | undefined {
  try {
    const repository = parseRepository(`${host}/${path}`);
    return repository.registry === host ? repository : undefined;
  } catch (error) {
    if (hasCode(error, "REFERENCE_INVALID")) return undefined;
    throw error;
  }
}

/** A name that the registry lists and no reference can have. */
function badName(name: string, what: "tag" | "repository"): Listed {
  const shown = name.slice(0, 300);
  const message = `Cannot use "${shown}": the registry lists it, but it is no name of a ${what}`;
  return { kind: "fault", name: shown, reason: { code: "REFERENCE_INVALID", message } };
}

function isSelected(filter: NameFilter, name: string): boolean {
  const included = filter.include?.some((glob) => matchesGlob(glob, name)) ?? true;
  return included && filter.exclude?.some((glob) => matchesGlob(glob, name)) !== true;
}
