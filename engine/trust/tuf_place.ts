import { join } from "node:path";
import { isObject } from "../formats/go_json.ts";
import { parseStrictJson } from "../formats/strict_json.ts";
import { readShort } from "../io/blob.ts";
import { type Environment, parseGoBool } from "../io/env.ts";
import { readFileBytes } from "../io/files.ts";
import { parseUtf8 } from "../model/bytes.ts";
import { CosignError, describeError, hasCode } from "../model/errors.ts";
import { embeddedRoot, SIGSTORE_MIRROR, STAGING_MIRROR } from "./embedded.ts";
import { MAX_ROOT_BYTES } from "./tuf_metadata.ts";

/** Which TUF repository a run believes, and where it keeps what it fetched. */
export interface TufPlace {
  /** URL. */
  readonly mirror: string;
  /** The `root.json` that everything is led back to. */
  readonly anchor: Uint8Array;
  /** Of this mirror; none when nothing may be kept. */
  readonly directory?: string;
}

const MAX_REMOTE_BYTES = 65_536;
/** What the mirror was called before it had an address: the bucket, and its two names on the web. */
const SIGSTORE_NAMES: ReadonlySet<string> = new Set([
  "sigstore-tuf-root",
  "https://sigstore-tuf-root.storage.googleapis.com",
  "https://storage.googleapis.com/sigstore-tuf-root",
]);

/**
 * Where TUF's files are kept: `TUF_ROOT`, else `~/.sigstore/root`, as cosign has it.
 *
 * @returns nothing without a home, or when `SIGSTORE_NO_CACHE` asks for memory.
 */
export function tufDirectory(env: Environment): string | undefined {
  if (parseGoBool(env["SIGSTORE_NO_CACHE"] ?? "") === true) return undefined;
  const home = env["HOME"] || env["USERPROFILE"];
  return env["TUF_ROOT"] || (home ? join(home, ".sigstore", "root") : undefined);
}

/**
 * The repository that a run believes, as cosign finds it: the mirror of `TUF_MIRROR`, of the last
 * `initialize`, or Sigstore's own. Of Sigstore's own the root came with this program; of another it is
 * the file `TUF_ROOT_JSON`, or the one that `initialize` has kept.
 *
 * @throws {CosignError} `TRUST_UNAVAILABLE` when another mirror has no root here; `TRUST_INVALID`,
 * `FILE_READ`.
 */
export async function findTufPlace(env: Environment, signal: AbortSignal): Promise<TufPlace> {
  const all = tufDirectory(env);
  const mirror = canonicalMirror(env["TUF_MIRROR"] || (await lastMirror(all)) || SIGSTORE_MIRROR);
  const directory = all === undefined ? undefined : join(all, mirrorFolder(mirror));
  const kept = directory === undefined ? {} : { directory };
  if (mirror === SIGSTORE_MIRROR) return { mirror, anchor: await embeddedRoot(mirror), ...kept };
  const named = env["TUF_ROOT_JSON"];
  if (named) {
    return { mirror, anchor: await readShort(named, MAX_ROOT_BYTES, { env, signal }), ...kept };
  }
  const root = directory === undefined ? undefined : await readRoot(directory);
  if (root !== undefined) return { mirror, anchor: root, ...kept };
  if (mirror === STAGING_MIRROR) return { mirror, anchor: await embeddedRoot(mirror), ...kept };
  throw new CosignError(
    "TRUST_UNAVAILABLE",
    `Cannot trust the TUF mirror ${JSON.stringify(mirror)}: could not find cached root.json`,
    { hint: "Name its root: initialize --mirror URL --root FILE, or TUF_ROOT_JSON" },
  );
}

/** One name for one mirror. */
export function canonicalMirror(url: string): string {
  const plain = url.replace(/\/+$/, "");
  return SIGSTORE_NAMES.has(plain) ? SIGSTORE_MIRROR : plain;
}

/** The folder of a mirror below the directory of all: cosign's name for it. */
export function mirrorFolder(mirror: string): string {
  const name = mirror.replace(/^https?:\/\//, "").replaceAll(/[/:]/g, "-");
  return name.toLowerCase();
}

/** What `initialize` has noted: `remote.json`. */
async function lastMirror(directory: string | undefined): Promise<string | undefined> {
  if (directory === undefined) return undefined;
  const path = join(directory, "remote.json");
  const bytes = await readIfThere(path, MAX_REMOTE_BYTES);
  if (bytes === undefined) return undefined;
  try {
    const remote = parseStrictJson(parseUtf8(bytes));
    const mirror = isObject(remote) ? remote["mirror"] : undefined;
    if (typeof mirror === "string") return mirror;
    throw new SyntaxError("it names no mirror");
  } catch (cause) {
    throw new CosignError("TRUST_INVALID", `Cannot read "${path}": ${describeError(cause)}`, {
      cause,
      hint: "Run initialize again",
    });
  }
}

async function readRoot(directory: string): Promise<Uint8Array | undefined> {
  return await readIfThere(join(directory, "root.json"), MAX_ROOT_BYTES);
}

async function readIfThere(path: string, limitBytes: number): Promise<Uint8Array | undefined> {
  try {
    return await readFileBytes(path, limitBytes);
  } catch (error) {
    if (hasCode(error, "FILE_READ")) {
      const { cause } = error;
      if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    }
    throw error;
  }
}
