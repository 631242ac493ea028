/** How many hashes, or entries, a full tile has (c2sp.org/tlog-tiles). */
export const TILE_WIDTH = 256;

const HASH_BYTES = 32;
const LENGTH_BYTES = 2;

/**
 * The path of a tile behind the log's own (c2sp.org/tlog-tiles, "Merkle Tree").
 *
 * @param level Of hashes, or `entries` for the leaves themselves.
 * @param width Fewer than 256 for a tile that is not full.
 */
export function tilePath(level: number | "entries", index: number, width: number): string {
  const digits = `${index}`.padStart(Math.ceil(`${index}`.length / 3) * 3, "0");
  const parts = digits.match(/\d{3}/g) ?? [];
  const place = parts.map((part, i) => (i === parts.length - 1 ? part : `x${part}`)).join("/");
  return `tile/${level}/${place}${width < TILE_WIDTH ? `.p/${width}` : ""}`;
}

/** The hashes of a tile, 32 bytes each. @throws {SyntaxError} when there are fewer than `width`. */
export function parseTile(bytes: Uint8Array, width: number): readonly Uint8Array[] {
  if (bytes.length < width * HASH_BYTES || bytes.length % HASH_BYTES !== 0) {
    throw new SyntaxError(`the tile has ${bytes.length} bytes, expected ${width * HASH_BYTES}`);
  }
  return Array.from({ length: width }, (_, i) =>
    bytes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  );
}

/**
 * One entry of a bundle of entries (c2sp.org/tlog-tiles, "Log Entries").
 *
 * @param position In the bundle.
 * @throws {SyntaxError} when it has fewer.
 */
export function parseTiledEntry(bytes: Uint8Array, position: number): Uint8Array {
  let offset = 0;
  for (let i = 0; ; i++) {
    const high = bytes[offset];
    const low = bytes[offset + 1];
    if (high === undefined || low === undefined) break;
    const start = offset + LENGTH_BYTES;
    const end = start + high * 256 + low;
    if (end > bytes.length) break;
    if (i === position) return bytes.slice(start, end);
    offset = end;
  }
  throw new SyntaxError(`the bundle of entries has no entry at ${position}`);
}
