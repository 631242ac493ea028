import { sha256 } from "../../engine/crypto/hash.ts";
import { concatBytes } from "../../engine/model/bytes.ts";

const TILE_WIDTH = 256;
const HASH_BYTES = 32;

/** A Merkle tree as RFC 6962 §2.1 defines it: slow, and after the standard's recursions. */
export class MerkleTree {
  readonly #leaves: Uint8Array[] = [];
  readonly entries: Uint8Array[] = [];

  /** @returns the index of the new entry. */
  append(entry: Uint8Array): number {
    this.#leaves.push(sha256(concatBytes(Uint8Array.of(0), entry)));
    return this.entries.push(entry) - 1;
  }

  get size(): number {
    return this.entries.length;
  }

  leafHash(index: number): Uint8Array {
    return this.#leaves[index] ?? new Uint8Array();
  }

  root(size: number = this.size): Uint8Array {
    return headOf(this.#leaves.slice(0, size));
  }

  proof(index: number, size: number = this.size): readonly Uint8Array[] {
    return pathOf(index, this.#leaves.slice(0, size));
  }

  /** The hashes of one tile (c2sp.org/tlog-tiles), as many as there are; nothing when there are fewer than `width`. */
  tile(level: number, index: number, width: number = TILE_WIDTH): Uint8Array | undefined {
    const below = TILE_WIDTH ** level;
    const hashes = Array.from({ length: width }, (_, i) => {
      const start = (index * TILE_WIDTH + i) * below;
      return start + below <= this.size
        ? headOf(this.#leaves.slice(start, start + below))
        : new Uint8Array();
    });
    return hashes.every(({ length }) => length === HASH_BYTES) ? concatBytes(...hashes) : undefined;
  }

  /** A bundle of entries, each behind its length in two bytes. */
  entryTile(index: number, width: number = TILE_WIDTH): Uint8Array | undefined {
    const entries = this.entries.slice(index * TILE_WIDTH, index * TILE_WIDTH + width);
    if (entries.length !== width) return undefined;
    return concatBytes(
      ...entries.flatMap((entry) => [Uint8Array.of(entry.length >> 8, entry.length & 255), entry]),
    );
  }
}

function headOf(leaves: readonly Uint8Array[]): Uint8Array {
  const [first] = leaves;
  if (first === undefined) return sha256(new Uint8Array());
  if (leaves.length === 1) return first;
  const k = splitOf(leaves.length);
  return sha256(concatBytes(Uint8Array.of(1), headOf(leaves.slice(0, k)), headOf(leaves.slice(k))));
}

function pathOf(index: number, leaves: readonly Uint8Array[]): readonly Uint8Array[] {
  if (leaves.length <= 1) return [];
  const k = splitOf(leaves.length);
  return index < k
    ? [...pathOf(index, leaves.slice(0, k)), headOf(leaves.slice(k))]
    : [...pathOf(index - k, leaves.slice(k)), headOf(leaves.slice(0, k))];
}

/** The largest power of two below `size`. */
function splitOf(size: number): number {
  let k = 1;
  while (k * 2 < size) k *= 2;
  return k;
}
