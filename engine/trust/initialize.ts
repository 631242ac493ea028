import { join } from "node:path";
import { encodeGoJson } from "../formats/go_json.ts";
import { utf8 } from "../model/bytes.ts";
import { type CosignError, hasCode } from "../model/errors.ts";
import { embeddedRoot, SIGSTORE_MIRROR, STAGING_MIRROR } from "./embedded.ts";
import { trustedRootIn } from "./open.ts";
import { signingConfigIn } from "./open_signing_config.ts";
import { refreshTuf, type TrustContext, type Tuf } from "./tuf.ts";
import { openTufCache } from "./tuf_cache.ts";
import { canonicalMirror, mirrorFolder, tufDirectory } from "./tuf_place.ts";
import type { TufRepository } from "./tuf_repository.ts";

/** Which repository is believed from now on. */
export interface InitializeOptions {
  /** URL. */
  readonly mirror: string;
  /** The `root.json` that it must lead back to. Default: Sigstore's, or that of its staging instance. */
  readonly root?: Uint8Array;
}

/** What was fetched and kept. */
export interface Initialized {
  /** Where; nothing when nothing may be kept. */
  readonly directory?: string;
  readonly mirror: string;
  readonly repository: TufRepository;
  /** Whether it has a `trusted_root.json`; else its keys stand one by one. */
  readonly hasTrustedRoot: boolean;
  /** Why it has no signing config that can be read. */
  readonly configFault?: CosignError;
}

/**
 * Fetches a TUF repository from its first root on, whatever was kept of it before, reads what it says,
 * and makes it the one that later runs believe.
 *
 * @throws {CosignError} `TRUST_…`; `FILE_WRITE` when it cannot be kept. A mirror that is away, or
 * lies, takes nothing away that was there.
 */
export async function initializeTrust(
  options: InitializeOptions,
  context: TrustContext,
): Promise<Initialized> {
  const mirror = canonicalMirror(options.mirror);
  const directory = tufDirectory(context.env);
  const embedded = mirror === STAGING_MIRROR ? STAGING_MIRROR : SIGSTORE_MIRROR;
  const place = {
    mirror,
    anchor: options.root ?? (await embeddedRoot(embedded)),
    ...(directory === undefined ? {} : { directory: join(directory, mirrorFolder(mirror)) }),
  };
  const cache = openTufCache(place.directory, { isFresh: true });
  const repository = await refreshTuf(place, cache, context);
  const tuf = { place, cache, repository };
  const configFault = await faultOfConfig(tuf);
  await trustedRootIn(tuf);
  const hasTrustedRoot = repository.targets.some(({ name }) => name === "trusted_root.json");
  if (cache.fault !== undefined) throw cache.fault;
  if (directory !== undefined) await noteMirror(directory, mirror);
  return {
    ...(directory === undefined ? {} : { directory }),
    mirror,
    repository,
    hasTrustedRoot,
    ...(configFault === undefined ? {} : { configFault }),
  };
}

async function faultOfConfig(tuf: Tuf): Promise<CosignError | undefined> {
  try {
    await signingConfigIn(tuf, "signing_config.v0.2.json");
    return undefined;
  } catch (error) {
    if (hasCode(error, "SIGNING_CONFIG_INVALID")) return error;
    throw error;
  }
}

async function noteMirror(directory: string, mirror: string): Promise<void> {
  const all = openTufCache(directory);
  await all.write("remote.json", utf8(encodeGoJson({ mirror })));
  if (all.fault !== undefined) throw all.fault;
}
