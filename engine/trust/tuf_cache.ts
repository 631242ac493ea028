import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { explainFileError, readFileBytes, writeWholeFile } from "../io/files.ts";
import { CosignError, hasCode } from "../model/errors.ts";

/**
 * What was fetched of a TUF repository: files in a directory that several processes may use at once,
 * or nothing but memory where there is no directory or nothing can be written to it.
 */
export interface TufCache {
  /** Nothing when it is not there, cannot be read, or is longer than the limit. */
  read(name: string, limitBytes: number): Promise<Uint8Array | undefined>;
  /** Keeps a file. What cannot be written is remembered here and tells why in {@link fault}. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /** Why something could not be written: `FILE_WRITE`. */
  readonly fault: CosignError | undefined;
}

/** Names that mean a device to Windows, whatever their ending. */
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;
const MAX_NAME = 255; // characters of a part of a path

/**
 * Opens the files in a directory; it need not be there yet.
 *
 * @param directory None for memory only.
 * @param options `isFresh`: nothing that lies there already is read. Default false.
 */
export function openTufCache(
  directory: string | undefined,
  { isFresh = false }: { readonly isFresh?: boolean } = {},
): TufCache {
  const kept = new Map<string, Uint8Array>();
  let fault: CosignError | undefined;
  return {
    read: async (name, limitBytes) => {
      const path = pathOf(directory, name);
      const known = kept.get(name);
      if (known !== undefined || path === undefined || isFresh) return known;
      try {
        return await readFileBytes(path, limitBytes);
      } catch (error) {
        if (hasCode(error, "FILE_READ", "LIMIT_EXCEEDED")) return undefined;
        throw error;
      }
    },
    write: async (name, bytes) => {
      const path = pathOf(directory, name);
      kept.set(name, bytes);
      if (path === undefined || fault !== undefined) return;
      fault = await keep(path, bytes);
    },
    get fault() {
      return fault;
    },
  };
}

/**
 * Checks that a name of a repository's stays below the directory that it is put into, here and on
 * the mirror, on every system (CVE-2026-24137, CVE-2026-24686).
 *
 * @returns the name.
 * @throws {CosignError} `TRUST_INVALID`.
 */
export function plainName(name: string): string {
  const parts = name.split("/");
  const isPlain = parts.every(
    (part) =>
      part !== "" &&
      part !== "." &&
      part !== ".." &&
      part.length <= MAX_NAME &&
      !/[\\:\p{Cc}]|[. ]$/u.test(part) &&
      !DEVICE.test(part),
  );
  if (isPlain) return name;
  throw new CosignError(
    "TRUST_INVALID",
    `The TUF repository names a file ${JSON.stringify(name.slice(0, 120))}, which is no plain name`,
  );
}

function pathOf(directory: string | undefined, name: string): string | undefined {
  return directory === undefined ? undefined : join(directory, plainName(name));
}

async function keep(path: string, bytes: Uint8Array): Promise<CosignError | undefined> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeWholeFile(path, bytes, { mode: 0o600, replace: true });
    return undefined;
  } catch (cause) {
    if (cause instanceof CosignError) return cause;
    return new CosignError(
      "FILE_WRITE",
      `Cannot write file "${path}": ${explainFileError(cause)}`,
      {
        cause,
      },
    );
  }
}
