import { concatBytes } from "../model/bytes.ts";
import { sha256 } from "./hash.ts";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
const HASH_BYTES = 32;

/** The hash of an entry as a leaf of the tree (RFC 6962 §2.1). */
export function leafHash(entry: Uint8Array): Uint8Array {
  return sha256(concatBytes(LEAF, entry));
}

/** The hash of an inner node of the tree (RFC 6962 §2.1). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concatBytes(NODE, left, right));
}

/** Leaves of a tree: from `start` on, without `end`. */
export interface LeafRange {
  readonly start: number;
  readonly end: number;
}

/**
 * What the hashes of a proof of inclusion are over (RFC 6962 §2.1.1), from the leaf upwards.
 *
 * @param index Less than `treeSize`.
 */
export function rangesOfProof(index: number, treeSize: number): readonly LeafRange[] {
  const ranges: LeafRange[] = [];
  let start = 0;
  let end = treeSize;
  while (end - start > 1) {
    const middle = start + splitOf(end - start);
    if (index < middle) {
      ranges.push({ start: middle, end });
      end = middle;
    } else {
      ranges.push({ start, end: middle });
      start = middle;
    }
  }
  return ranges.reverse();
}

/** The largest power of two that is less than `size`; `size` is 2 or more. */
export function splitOf(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

/**
 * The root that a proof of inclusion leads to (RFC 9162 §2.1.3.2).
 *
 * @param leaf 32 bytes, from {@link leafHash}.
 * @param hashes 32 bytes each, from the leaf upwards.
 * @throws {SyntaxError} when the index is not in the tree, or the proof has not the length it must have.
 */
export function rootOfInclusion(
  leaf: Uint8Array,
  index: number,
  treeSize: number,
  hashes: readonly Uint8Array[],
): Uint8Array {
  if (!Number.isSafeInteger(treeSize) || !Number.isSafeInteger(index) || index < 0) {
    throw new SyntaxError("the index or the size of the tree is no number of one");
  }
  if (index >= treeSize) {
    throw new SyntaxError(`the index is ${index}, the tree has ${treeSize} leaves`);
  }
  let position = index;
  let last = treeSize - 1;
  let hash = leaf;
  for (const sibling of hashes) {
    if (sibling.length !== HASH_BYTES) throw new SyntaxError("a hash that has not 32 bytes");
    if (last === 0) throw new SyntaxError("more hashes than the tree has levels");
    if (position % 2 === 1 || position === last) {
      hash = nodeHash(sibling, hash);
      // The last node of a level without a right neighbour moves up as it is.
      while (position % 2 === 0 && position !== 0) {
        position /= 2;
        last = Math.floor(last / 2);
      }
    } else hash = nodeHash(hash, sibling);
    position = Math.floor(position / 2);
    last = Math.floor(last / 2);
  }
  if (last !== 0) throw new SyntaxError("fewer hashes than the tree has levels");
  return hash;
}
