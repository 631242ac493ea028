import { describe, expect, test } from "bun:test";
import {
  leafHash,
  nodeHash,
  rangesOfProof,
  rootOfInclusion,
  splitOf,
} from "../../../engine/crypto/merkle.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import { MerkleTree } from "../../support/_sigstore_tree.ts";

/** The leaves of RFC 6962's reference implementation, and the roots over the first of them. */
const LEAVES = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
].map((hex) => Uint8Array.fromHex(hex));
const ROOTS = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

describe("rootOfInclusion()", () => {
  test("leads from every leaf to the roots of the reference implementation", () => {
    for (const [last, root] of ROOTS.entries()) {
      const tree = new MerkleTree();
      for (const leaf of LEAVES.slice(0, last + 1)) tree.append(leaf);
      for (const [index, leaf] of LEAVES.slice(0, last + 1).entries()) {
        const got = rootOfInclusion(leafHash(leaf), index, last + 1, tree.proof(index));
        expect(got.toHex()).toBe(root);
      }
    }
  });
});

describe("rangesOfProof()", () => {
  test("names what the hashes of proofs are over, in their order, for every leaf of trees up to 40", () => {
    const tree = new MerkleTree();
    const hashOver = (start: number, end: number): Uint8Array => {
      if (end - start === 1) return tree.leafHash(start);
      const middle = start + splitOf(end - start);
      return nodeHash(hashOver(start, middle), hashOver(middle, end));
    };
    for (let size = 1; size <= 40; size++) {
      tree.append(utf8(`leaf ${size}`));
      for (let index = 0; index < size; index++) {
        const hashes = rangesOfProof(index, size).map(({ start, end }) => hashOver(start, end));
        expect(hashes).toEqual([...tree.proof(index)]);
      }
    }
  });

  test("is short for the largest trees, and covers all other leaves", () => {
    const size = 2 ** 52 + 12_345;
    const ranges = rangesOfProof(2 ** 40, size);
    expect(ranges.length).toBeLessThanOrEqual(53);
    expect(ranges.reduce((sum, { start, end }) => sum + end - start, 0)).toBe(size - 1);
  });
});
