import { isObject } from "../formats/go_json.ts";
import { parseStrictJson } from "../formats/strict_json.ts";
import { parseUtf8 } from "../model/bytes.ts";

/** What every TUF metadata file says of itself. */
export interface MetadataFacts {
  readonly version: number;
  readonly expires: Date;
}

/** Of a `root.json`, as tuf-js and go-tuf have it: Sigstore's has 6 KB. */
export const MAX_ROOT_BYTES = 512_000;
const MAX_SIGNATURES = 64; // Sigstore's root has 9

/**
 * Reads what a metadata file says of itself (TUF §4.3), and refuses what the library would pass over:
 * a key that stands twice, a time of expiry that is none and so never comes, one key under two names,
 * which would be counted twice for a threshold (GHSA-3633-5h82-39pq).
 *
 * @throws {SyntaxError}
 */
export function parseMetadataFacts(bytes: Uint8Array): MetadataFacts {
  const whole = parseStrictJson(parseUtf8(bytes));
  const signed = isObject(whole) ? whole["signed"] : undefined;
  const signatures = isObject(whole) ? whole["signatures"] : undefined;
  if (!isObject(signed) || !Array.isArray(signatures)) {
    throw new SyntaxError("it is no TUF metadata");
  }
  if (signatures.length > MAX_SIGNATURES) {
    throw new SyntaxError(
      `it has ${signatures.length} signatures, at most ${MAX_SIGNATURES} count`,
    );
  }
  const { version, expires } = signed;
  if (typeof version !== "number" || !Number.isSafeInteger(version) || version < 1) {
    throw new SyntaxError("its version is no number above 0");
  }
  const time = new Date(typeof expires === "string" ? expires : Number.NaN);
  if (Number.isNaN(time.getTime())) throw new SyntaxError("its time of expiry is none");
  checkKeys(signed);
  checkKeys(signed["delegations"]);
  return { version, expires: time };
}

/** Refuses one public key under two names. */
function checkKeys(signed: unknown): void {
  const keys = isObject(signed) ? signed["keys"] : undefined;
  if (!isObject(keys)) return;
  const seen = new Set<unknown>();
  for (const key of Object.values(keys)) {
    const value = isObject(key) ? key["keyval"] : undefined;
    const publicKey = isObject(value) ? value["public"] : undefined;
    if (typeof publicKey !== "string") continue;
    if (seen.has(publicKey.trim())) throw new SyntaxError("it has one key under two names");
    seen.add(publicKey.trim());
  }
}
