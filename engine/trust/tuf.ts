import type { Environment } from "../io/env.ts";
import { CosignError, hasCode } from "../model/errors.ts";
import { embeddedTrustedRoot, SIGSTORE_MIRROR } from "./embedded.ts";
import { openTufCache, type TufCache } from "./tuf_cache.ts";
import { openMirror } from "./tuf_mirror.ts";
import { findTufPlace, type TufPlace } from "./tuf_place.ts";
import type { TufRepository } from "./tuf_repository.ts";

/** What opening trust needs of the world. */
export interface TrustContext {
  readonly env: Environment;
  readonly signal: AbortSignal;
  /** Nothing is fetched: what was fetched before must do. Default false. */
  readonly offline?: boolean;
  /** Is told, in one line, what could not be refreshed. Default: nobody is. */
  readonly warn?: (line: string) => void;
  /** Sent to mirrors. */
  readonly userAgent?: string;
  /** Time for all that a mirror is asked, in milliseconds. Default 60,000. */
  readonly refreshMs?: number;
}

/** A repository that was asked as far as that is possible. */
export interface Tuf {
  readonly place: TufPlace;
  readonly cache: TufCache;
  /** Absent when Sigstore's own was never fetched and is away: there is what came with the program. */
  readonly repository?: TufRepository;
}

const REFRESH_MS = 60_000; // a mirror that gives a byte now and then is away, too
const OFFLINE_HINT =
  "Name the keys yourself: --trusted-root FILE; or fetch them once while there is a network: initialize";

/**
 * Brings the repository that a run believes up to date: once for all that the process does, since
 * trusted root and signing config come from one state of it. When the mirror is away, it goes on from
 * what was kept, if that has not expired, and says so.
 *
 * @throws {CosignError} `TRUST_UNAVAILABLE`, `TRUST_EXPIRED`, `TRUST_INVALID`; `USAGE` for a mirror that is none.
 */
export function openTuf(context: TrustContext): Promise<Tuf> {
  const known = opened.get(context.env);
  if (known !== undefined) return known;
  const opening = open(context);
  opened.set(context.env, opening);
  opening.catch(() => opened.delete(context.env));
  return opening;
}

/** By the environment, which stands for the process. */
const opened: WeakMap<Environment, Promise<Tuf>> = new WeakMap();

/**
 * Brings a repository up to date by its mirror, or fails.
 *
 * @throws {CosignError} as {@link openTuf}.
 */
export async function refreshTuf(
  place: TufPlace,
  cache: TufCache,
  context: TrustContext,
): Promise<TufRepository> {
  const { loadTufRepository } = await import("./tuf_repository.ts");
  const { env, userAgent, refreshMs = REFRESH_MS } = context;
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(tooSlow(place, refreshMs)), refreshMs);
  const signal = AbortSignal.any([context.signal, deadline.signal]);
  try {
    const mirror = openMirror(place.mirror, {
      env,
      signal,
      ...(userAgent === undefined ? {} : { userAgent }),
    });
    const seeds = place.mirror === SIGSTORE_MIRROR ? [await embeddedTrustedRoot()] : [];
    return await loadTufRepository({ anchor: place.anchor, cache, mirror, seeds });
  } finally {
    clearTimeout(timer);
  }
}

async function open(context: TrustContext): Promise<Tuf> {
  const place = await findTufPlace(context.env, context.signal);
  const cache = openTufCache(place.directory);
  if (context.offline === true) return await openKept(place, cache);
  try {
    return { place, cache, repository: await refreshTuf(place, cache, context) };
  } catch (error) {
    if (!hasCode(error, "TRUST_UNAVAILABLE")) throw error;
    const kept = await openKept(place, cache, error);
    context.warn?.(staleLine(kept, error));
    return kept;
  }
}

/** @param why It could not be refreshed; nothing when it was not tried. */
async function openKept(place: TufPlace, cache: TufCache, why?: CosignError): Promise<Tuf> {
  const { loadTufRepository } = await import("./tuf_repository.ts");
  const isSigstore = place.mirror === SIGSTORE_MIRROR;
  try {
    const seeds = isSigstore ? [await embeddedTrustedRoot()] : [];
    const repository = await loadTufRepository({ anchor: place.anchor, cache, seeds });
    return { place, cache, repository };
  } catch (error) {
    if (!hasCode(error, "TRUST_UNAVAILABLE")) throw error;
    if (isSigstore) return { place, cache };
    throw new CosignError(
      "TRUST_UNAVAILABLE",
      why?.message ?? `Nothing of the TUF mirror "${place.mirror}" was fetched before`,
      { cause: error, hint: why?.hint ?? OFFLINE_HINT },
    );
  }
}

function staleLine({ place, repository }: Tuf, why: CosignError): string {
  const until = repository?.metadata.map(({ expires }) => expires.getTime()) ?? [];
  const instead =
    repository === undefined
      ? "the keys that came with this program are used"
      : `the keys that were fetched before are used, which is right until ${new Date(Math.min(...until)).toISOString()}`;
  return `Cannot refresh the keys from "${place.mirror}": ${instead}. ${why.message}`;
}

function tooSlow({ mirror }: TufPlace, afterMs: number): CosignError {
  return new CosignError(
    "TRUST_UNAVAILABLE",
    `The TUF mirror "${mirror}" has not given its files after ${afterMs} ms`,
  );
}
