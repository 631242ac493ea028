import { MEDIA } from "../formats/media_types.ts";
import { encodeIndex, isIndex, parseManifest } from "../formats/oci_manifest.ts";
import type { Descriptor } from "../model/descriptor.ts";
import { type Digest, digestAlgorithm, digestHex } from "../model/digest.ts";
import { CosignError, describeError } from "../model/errors.ts";
import { nextPage } from "./listing.ts";
import { MAX_MANIFEST_BYTES } from "./manifests.ts";
import { protocolError, type Reply, registryErrors } from "./reply.ts";
import type { Scoped } from "./scoped.ts";
import { updateSharedManifest } from "./shared_manifest.ts";
import type { SharedWriteOptions, Store, StoredManifest } from "./store.ts";

/** Far more than anybody signs one image; what lists more is an attack on whoever reads it. */
const MAX_REFERRERS = 10_000;
/** The most statuses with which registries without the referrers API answer. */
const NOT_SUPPORTED: readonly number[] = [400, 404, 405, 406, 501];

/** What a registry was found to be able to do; of one thread, asked for once in all threads. */
export interface Abilities {
  referrersApi?: boolean;
}

/** The manifests whose subject is `digest`, all pages, by the API or else by the fallback tag. */
export async function listReferrers(
  scoped: Scoped,
  store: Store,
  abilities: Abilities,
  digest: Digest,
  signal?: AbortSignal,
): Promise<readonly Descriptor[]> {
  const answer = await askApi(scoped, abilities, digest, signal);
  if (answer !== "unsupported") return answer;
  const tag = fallbackTag(digest);
  return parseFallback(await store.manifest(tag, signal), scoped.nameOf(tag));
}

/**
 * Makes pushed manifests known as referrers where the registry does not do it by itself.
 *
 * @param referrers Those of which the registry did not say so when they were written (`OCI-Subject`).
 */
export async function announceReferrers(
  scoped: Scoped,
  store: Store,
  abilities: Abilities,
  subject: Digest,
  referrers: readonly Descriptor[],
  options: SharedWriteOptions,
): Promise<void> {
  if (referrers.length === 0) return;
  if ((await askApi(scoped, abilities, subject, options.signal)) !== "unsupported") return;
  const tag = fallbackTag(subject);
  await updateSharedManifest(
    store,
    tag,
    (existing) => {
      const listed = parseFallback(existing, scoped.nameOf(tag));
      const known = new Set(listed.map(({ digest }) => digest));
      const missing = referrers.filter(({ digest }) => !known.has(digest));
      if (missing.length === 0) return undefined;
      if (listed.length + missing.length > MAX_REFERRERS) throw tooMany(scoped.nameOf(tag));
      return { content: encodeIndex([...listed, ...missing]), mediaType: MEDIA.ociIndex };
    },
    options,
  );
}

/** Takes deleted manifests off the fallback tag; the tag itself goes when nothing is left on it. */
export async function forgetReferrers(
  scoped: Scoped,
  store: Store,
  abilities: Abilities,
  subject: Digest,
  referrers: ReadonlySet<Digest>,
  options: SharedWriteOptions,
): Promise<void> {
  if (await hasReferrersApi(scoped, abilities, subject, options.signal)) return;
  const tag = fallbackTag(subject);
  const isGone = ({ digest }: Descriptor): boolean => referrers.has(digest);
  let remains = true;
  await updateSharedManifest(
    store,
    tag,
    (existing) => {
      const listed = parseFallback(existing, scoped.nameOf(tag));
      const kept = listed.filter((referrer) => !isGone(referrer));
      remains = existing === undefined || kept.length > 0;
      if (kept.length === 0 || kept.length === listed.length) return undefined;
      return { content: encodeIndex(kept), mediaType: MEDIA.ociIndex };
    },
    options,
  );
  if (remains) return;
  const descriptor = await store.head(tag, options.signal);
  if (descriptor !== undefined) await store.remove(descriptor.digest, options.signal);
}

/** Whether the registry lists referrers by itself; found out once per registry. */
export async function hasReferrersApi(
  scoped: Scoped,
  abilities: Abilities,
  subject: Digest,
  signal?: AbortSignal,
): Promise<boolean> {
  return (await askApi(scoped, abilities, subject, signal)) !== "unsupported";
}

/** The tag where referrers are listed without the API (OCI distribution-spec, "Referrers Tag Schema"). */
export function fallbackTag(digest: Digest): string {
  return `${digestAlgorithm(digest)}-${digestHex(digest).slice(0, 64)}`;
}

/** Asks the API; whether there is one is found out once per registry, by whoever asks first. */
async function askApi(
  scoped: Scoped,
  abilities: Abilities,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<readonly Descriptor[] | "unsupported"> {
  let first: Awaited<ReturnType<typeof readApi>> | undefined;
  abilities.referrersApi ??= await scoped.host.services.shared.once(
    `referrers-api:${scoped.host.name}`,
    async () => {
      first = await readApi(scoped, digest, signal);
      // An unknown repository says nothing of the registry.
      return { value: Array.isArray(first), ...(first === "unknown" ? { expiresAtMs: 0 } : {}) };
    },
    signal,
  );
  if (first === "unknown") delete abilities.referrersApi;
  if (first === undefined && !abilities.referrersApi) return "unsupported";
  const answer = first ?? (await readApi(scoped, digest, signal));
  return answer === "unknown" ? "unsupported" : answer;
}

async function readApi(
  scoped: Scoped,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<readonly Descriptor[] | "unsupported" | "unknown"> {
  const what = `list the referrers of "${scoped.nameOf(digest)}"`;
  const found: Descriptor[] = [];
  const seen = new Set<string>();
  let path: string | undefined = `/v2/${scoped.repository}/referrers/${digest}`;
  while (path !== undefined) {
    if (seen.has(path)) throw protocolError(what, "its pages go in a circle");
    seen.add(path);
    const reply: Reply = await scoped.ask({
      method: "GET",
      path,
      what,
      headers: { accept: MEDIA.ociIndex },
      expect: [200, ...NOT_SUPPORTED],
      limitBytes: MAX_MANIFEST_BYTES,
      budget: "referrers",
      signal,
    });
    if (!isReferrersIndex(reply)) {
      if (seen.size > 1) throw protocolError(what, `page ${seen.size} has status ${reply.status}`);
      const isUnknown = registryErrors(reply).some(({ code }) => code === "NAME_UNKNOWN");
      return isUnknown ? "unknown" : "unsupported";
    }
    found.push(...parseIndex(reply.body, MEDIA.ociIndex, what));
    if (found.length > MAX_REFERRERS) throw tooMany(scoped.nameOf(digest));
    path = nextPage(reply, what);
  }
  return found;
}

/** A page that says 200 to everything is no referrers API. */
function isReferrersIndex({ status, headers }: Reply): boolean {
  const type = (headers.get("content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase();
  return status === 200 && type === MEDIA.ociIndex;
}

function parseFallback(stored: StoredManifest | undefined, name: string): readonly Descriptor[] {
  if (stored === undefined) return [];
  const what = `read the referrers at "${name}"`;
  const { mediaType } = stored.descriptor;
  if (!isIndex(mediaType)) throw protocolError(what, "the tag is no index");
  return parseIndex(stored.bytes, mediaType, what);
}

function parseIndex(bytes: Uint8Array, mediaType: string, what: string): readonly Descriptor[] {
  try {
    const manifest = parseManifest(bytes, mediaType);
    return manifest.kind === "index" ? manifest.manifests : [];
  } catch (cause) {
    throw protocolError(what, describeError(cause), cause);
  }
}

function tooMany(name: string): CosignError {
  return new CosignError(
    "LIMIT_EXCEEDED",
    `Cannot list the referrers of "${name}": more than ${MAX_REFERRERS}`,
  );
}
