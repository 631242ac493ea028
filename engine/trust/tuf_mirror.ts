import { fileURLToPath } from "node:url";
import type { Environment } from "../io/env.ts";
import { readFileBytes } from "../io/files.ts";
import { redactUrl } from "../io/http.ts";
import { plainFetch } from "../io/plain_fetch.ts";
import { CosignError, describeError, hasCode } from "../model/errors.ts";

/** Where the files of a TUF repository are read. Nothing that comes from there is believed. */
export interface TufMirror {
  /** As it is told to people. */
  readonly name: string;
  /**
   * Reads a file by its path below the mirror.
   *
   * @returns nothing when the mirror says that it has none (403 or 404).
   * @throws {CosignError} `TRUST_UNAVAILABLE` when the mirror cannot be asked, `TRUST_INVALID` when
   * the file is longer than `limitBytes`, or why the signal fired.
   */
  read(path: string, limitBytes: number): Promise<Uint8Array | undefined>;
}

/** What a mirror is asked with. */
export interface MirrorContext {
  readonly env: Environment;
  readonly signal: AbortSignal;
  readonly userAgent?: string;
}

/** A mirror that is away is noticed soon: most have a cache, and go on with that. */
const TIMEOUT_MS = 15_000;
const ATTEMPTS = 3;
const HINT = "Check the network and TUF_MIRROR, or name the keys yourself: --trusted-root FILE";

/**
 * Opens a mirror: `http://…`, `https://…`, or `file:///…` for what was carried here.
 *
 * @throws {CosignError} `USAGE` when it is none of these.
 */
export function openMirror(url: string, context: MirrorContext): TufMirror {
  const name = redactUrl(url);
  const scheme = URL.canParse(url) ? new URL(url).protocol : "";
  const base = url.replace(/\/+$/, "");
  if (scheme === "file:") {
    return { name, read: (path, limit) => readFile(`${base}/${path}`, limit) };
  }
  if (scheme !== "http:" && scheme !== "https:") {
    throw new CosignError("USAGE", `The TUF mirror ${name} is no URL of http, https or file`);
  }
  return { name, read: (path, limit) => readUrl(`${base}/${path}`, limit, context) };
}

async function readFile(url: string, limitBytes: number): Promise<Uint8Array | undefined> {
  try {
    return await readFileBytes(fileURLToPath(url), limitBytes);
  } catch (error) {
    if (hasCode(error, "LIMIT_EXCEEDED")) throw tooLong(error);
    if (error instanceof CosignError && isAbsent(error.cause)) return undefined;
    throw new CosignError("TRUST_UNAVAILABLE", describeError(error), { cause: error });
  }
}

async function readUrl(
  url: string,
  limitBytes: number,
  { env, signal, userAgent }: MirrorContext,
): Promise<Uint8Array | undefined> {
  let response: Response;
  try {
    response = await plainFetch(env)(url, {
      signal,
      limitBytes,
      timeoutMs: TIMEOUT_MS,
      attempts: ATTEMPTS,
      ...(userAgent === undefined ? {} : { headers: { "user-agent": userAgent } }),
    });
  } catch (error) {
    if (hasCode(error, "LIMIT_EXCEEDED")) throw tooLong(error);
    if (signal.aborted || !(error instanceof CosignError)) throw error;
    throw new CosignError("TRUST_UNAVAILABLE", error.message, { cause: error, hint: HINT });
  }
  if (response.ok) return await response.bytes();
  if (response.status === 403 || response.status === 404) return undefined;
  throw new CosignError(
    "TRUST_UNAVAILABLE",
    `Cannot read "${redactUrl(url)}": the TUF mirror answers ${response.status}`,
    { hint: HINT },
  );
}

function tooLong(cause: CosignError): CosignError {
  return new CosignError("TRUST_INVALID", cause.message, { cause });
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
