import type { TrustedAuthority, TrustedLog, TrustedRoot } from "../formats/trusted_root.ts";
import { parseTrustedRoot } from "../formats/trusted_root_json.ts";
import { readShort } from "../io/blob.ts";
import { CosignError, describeError } from "../model/errors.ts";
import { authoritiesOf, certificatesOf, logsOf } from "./bare_material.ts";
import { embeddedTrustedRoot } from "./embedded.ts";
import { openTuf, type TrustContext, type Tuf } from "./tuf.ts";

export type { TrustContext } from "./tuf.ts";

/** Where a run's trust comes from: files or URLs; what is absent was not named. */
export interface TrustSources {
  /** A Sigstore trusted root; then nothing else counts. */
  readonly trustedRoot?: string;
  /** Authorities of signing certificates that the user has named. */
  readonly authorities?: readonly TrustedAuthority[];
  /** PEM: a timestamp authority's certificate first, its root last. */
  readonly timestampChain?: string;
  /** The parts that are asked: where the user has named all of these, Sigstore's are not fetched. Default: all. */
  readonly needs?: ReadonlySet<TrustPart>;
}

/** A part of a trusted root. */
export type TrustPart = keyof TrustedRoot;

const MAX_ROOT_BYTES = 16 * 1024 * 1024; // the public one has 12 KB
const MAX_PEM_BYTES = 1024 * 1024;
const PARTS: readonly TrustPart[] = [
  "logs",
  "ctLogs",
  "certificateAuthorities",
  "timestampAuthorities",
];

/**
 * Opens the trusted root of a run: a file, or that of the TUF repository, whose parts the variables
 * `SIGSTORE_…` and the user's own certificates replace.
 *
 * @throws {CosignError} `TRUST_INVALID`, `TRUST_EXPIRED`, `TRUST_UNAVAILABLE`, `FILE_READ`, `LIMIT_EXCEEDED`.
 */
export async function openTrustedRoot(
  sources: TrustSources,
  context: TrustContext,
): Promise<TrustedRoot> {
  const { trustedRoot, needs = new Set(PARTS) } = sources;
  if (trustedRoot !== undefined) return await readTrustedRoot(trustedRoot, context);
  const own = await openOwn(sources, context);
  const isEnough = PARTS.every((part) => own[part] !== undefined || !needs.has(part));
  const sigstore = isEnough ? undefined : await openSigstore(context);
  return {
    logs: own.logs ?? sigstore?.logs ?? [],
    ctLogs: own.ctLogs ?? sigstore?.ctLogs ?? [],
    certificateAuthorities: own.certificateAuthorities ?? sigstore?.certificateAuthorities ?? [],
    timestampAuthorities: own.timestampAuthorities ?? sigstore?.timestampAuthorities ?? [],
  };
}

/** Reads a file of a trusted root. @throws {CosignError} `TRUST_INVALID`, `FILE_READ`, `LIMIT_EXCEEDED`. */
export async function readTrustedRoot(path: string, context: TrustContext): Promise<TrustedRoot> {
  return trustedRootOf(await readShort(path, MAX_ROOT_BYTES, context), `trusted root "${path}"`);
}

/**
 * Opens the trusted root of the TUF repository: its target `trusted_root.json`, else its keys one by one.
 *
 * @throws {CosignError} as {@link openTrustedRoot}.
 */
export async function openSigstore(context: TrustContext): Promise<TrustedRoot> {
  return await trustedRootIn(await openTuf(context));
}

/** What a repository that was opened says whom to believe. @throws {CosignError} as {@link openTrustedRoot}. */
export async function trustedRootIn({ repository, place }: Tuf): Promise<TrustedRoot> {
  if (repository === undefined) {
    return trustedRootOf(await embeddedTrustedRoot(), "the trusted root of this program");
  }
  const bytes = await repository.read("trusted_root.json", MAX_ROOT_BYTES);
  if (bytes !== undefined) return trustedRootOf(bytes, `trusted_root.json of "${place.mirror}"`);
  const { readSigstoreTargets } = await import("./sigstore_targets.ts");
  return await readSigstoreTargets(repository);
}

/** What the user has named instead of Sigstore's. */
async function openOwn(
  { authorities, timestampChain }: TrustSources,
  context: TrustContext,
): Promise<Partial<TrustedRoot>> {
  const { env } = context;
  const logs = await readLogs(env["SIGSTORE_REKOR_PUBLIC_KEY"], context);
  const ctLogs = await readLogs(env["SIGSTORE_CT_LOG_PUBLIC_KEY_FILE"], context);
  const certificateAuthorities =
    authorities ?? (await readAuthorities(env["SIGSTORE_ROOT_FILE"], context));
  const chain = timestampChain ?? env["SIGSTORE_TSA_CERTIFICATE_FILE"];
  const timestampAuthorities = await readChain(chain, context);
  return {
    ...(logs === undefined ? {} : { logs }),
    ...(ctLogs === undefined ? {} : { ctLogs }),
    ...(certificateAuthorities === undefined ? {} : { certificateAuthorities }),
    ...(timestampAuthorities === undefined ? {} : { timestampAuthorities }),
  };
}

async function readLogs(
  path: string | undefined,
  context: TrustContext,
): Promise<readonly TrustedLog[] | undefined> {
  if (!path) return undefined;
  return logsOf(await readShort(path, MAX_PEM_BYTES, context), path);
}

async function readAuthorities(
  path: string | undefined,
  context: TrustContext,
): Promise<readonly TrustedAuthority[] | undefined> {
  if (!path) return undefined;
  const bytes = await readShort(path, MAX_PEM_BYTES, context);
  return authoritiesOf(certificatesOf(bytes, `certificates "${path}"`), path);
}

async function readChain(
  path: string | undefined,
  context: TrustContext,
): Promise<readonly TrustedAuthority[] | undefined> {
  if (!path) return undefined;
  const bytes = await readShort(path, MAX_PEM_BYTES, context);
  return [{ uri: path, chain: certificatesOf(bytes, `certificates "${path}"`), validFor: {} }];
}

function trustedRootOf(bytes: Uint8Array, what: string): TrustedRoot {
  try {
    return parseTrustedRoot(bytes);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new CosignError("TRUST_INVALID", `Cannot read ${what}: ${describeError(cause)}`, {
      cause,
    });
  }
}
