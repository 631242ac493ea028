import { fileURLToPath } from "node:url";
import type { Environment } from "../io/env.ts";
import { readFileBytes } from "../io/files.ts";
import { redactUrl } from "../io/http.ts";
import type { PlainFetch } from "../io/plain_fetch.ts";
import { concatBytes } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";

const MAX_KEY_BYTES = 262_144; // an RSA-4096 key has 5 KB; the rest is for text around it

/** What the text of a key is read with. */
export interface KeyTextContext {
  readonly env: Environment;
  readonly signal: AbortSignal;
  readonly fetch: PlainFetch;
}

/**
 * The scheme of a key URI; nothing for the path of a file. `pkcs11:` (RFC 7512) has no slashes.
 */
export function keyScheme(uri: string): string | undefined {
  const scheme = /^(?:([A-Za-z][A-Za-z0-9+.-]*):\/\/|(pkcs11):)/.exec(uri);
  return (scheme?.[1] ?? scheme?.[2])?.toLowerCase();
}

/**
 * Reads the text of a key from where its URI says: a path, `file://`, `env://NAME`, `http(s)://`.
 *
 * @returns nothing for another scheme: that is a plugin's.
 * @throws {CosignError} `KEY_NOT_FOUND`, `LIMIT_EXCEEDED`.
 */
export async function readKeyText(
  uri: string,
  context: KeyTextContext,
): Promise<string | undefined> {
  switch (keyScheme(uri)) {
    case undefined:
      return decode(await readFileBytes(uri, MAX_KEY_BYTES, "KEY_NOT_FOUND"));
    case "file":
      return decode(await readFileBytes(filePath(uri), MAX_KEY_BYTES, "KEY_NOT_FOUND"));
    case "env":
      return readVariable(uri.slice("env://".length), context);
    case "http":
    case "https":
      return decode(await download(uri, context));
    default:
      return undefined;
  }
}

function filePath(uri: string): string {
  try {
    return fileURLToPath(uri);
  } catch (error) {
    throw new CosignError("KEY_NOT_FOUND", `Cannot read key "${uri}": ${describeError(error)}`, {
      hint: "Name the file by its path",
    });
  }
}

function readVariable(name: string, { env }: KeyTextContext): string {
  const text = env[name];
  if (text !== undefined) return text;
  throw new CosignError(
    "KEY_NOT_FOUND",
    `Cannot read key: loading URL: env var $${name} not found`,
  );
}

async function download(uri: string, { fetch, signal }: KeyTextContext): Promise<Uint8Array> {
  const shown = redactUrl(uri);
  const response = await request(uri, shown, { fetch, signal });
  if (!response.ok) {
    await response.body?.cancel();
    throw new CosignError(
      "KEY_NOT_FOUND",
      `Cannot read key: loading URL ${shown}: server returned HTTP ${response.status}`,
    );
  }
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of response.body ?? []) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_KEY_BYTES) {
      throw new CosignError(
        "LIMIT_EXCEEDED",
        `Cannot read key "${shown}": longer than ${MAX_KEY_BYTES} bytes`,
      );
    }
    chunks.push(chunk);
  }
  return concatBytes(...chunks);
}

async function request(
  uri: string,
  shown: string,
  { fetch, signal }: Pick<KeyTextContext, "fetch" | "signal">,
): Promise<Response> {
  try {
    return await fetch(uri, { signal });
  } catch (error) {
    if (error instanceof CosignError) throw error;
    signal.throwIfAborted();
    throw new CosignError("KEY_NOT_FOUND", `Cannot read key "${shown}": ${describeError(error)}`, {
      cause: error,
    });
  }
}

/** Keys are ASCII; what stands around them in a file may be anything. */
function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
