import { expect, test } from "bun:test";
import { digestOf, sha256 } from "../../../engine/crypto/hash.ts";
import { utf8 } from "../../../engine/model/bytes.ts";

// FIPS 180-4, the example "abc".
const ABC_SHA256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const ABC_SHA512 =
  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

test("sha256() answers 32 raw bytes", () => {
  expect(sha256(utf8("abc")).toHex()).toBe(ABC_SHA256);
});

test("digestOf() names content by SHA-256 unless told otherwise", () => {
  expect<string>(digestOf(utf8("abc"))).toBe(`sha256:${ABC_SHA256}`);
  expect<string>(digestOf(utf8("abc"), "sha512")).toBe(`sha512:${ABC_SHA512}`);
});
