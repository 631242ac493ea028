import { expect, test } from "bun:test";
import {
  isExperimental,
  namedGeneration,
  signatureFormats,
} from "../../../engine/cli/generation.ts";
import { exitCodeFor } from "../../../engine/model/exit_code.ts";

test("signatureFormats() takes --format before --new-bundle-format before the generation", () => {
  expect(signatureFormats(undefined, undefined, 1)).toEqual(["legacy"]);
  expect(signatureFormats(undefined, undefined, 2)).toEqual(["legacy"]);
  expect(signatureFormats(undefined, undefined, 3)).toEqual(["bundle"]);
  expect(signatureFormats(undefined, true, 1)).toEqual(["bundle"]);
  expect(signatureFormats(undefined, false, 3)).toEqual(["legacy"]);
  expect(signatureFormats("legacy", true, 3)).toEqual(["legacy"]);
  expect(signatureFormats("bundle", false, 1)).toEqual(["bundle"]);
  expect(signatureFormats("both", false, 1)).toEqual(["legacy", "bundle"]);
});

test("namedGeneration() is absent when nobody named one", () => {
  expect([namedGeneration("1"), namedGeneration("2"), namedGeneration("3")]).toEqual([1, 2, 3]);
  expect(namedGeneration(undefined)).toBeUndefined();
});

test("isExperimental() reads the variable as Go does", () => {
  expect(isExperimental({ COSIGN_EXPERIMENTAL: "t" })).toBe(true);
  expect(isExperimental({ COSIGN_EXPERIMENTAL: "0" })).toBe(false);
  expect(isExperimental({ COSIGN_EXPERIMENTAL: "yes" })).toBe(false);
  expect(isExperimental({})).toBe(false);
});

test("exitCodeFor() follows the generation that was named", () => {
  const codes = [
    "NO_SIGNATURES",
    "IMAGE_NOT_FOUND",
    "NO_MATCHING_SIGNATURES",
    "USAGE",
    "REGISTRY_NETWORK",
    "KEY_INVALID",
  ] as const;
  expect(codes.map((code) => exitCodeFor(code))).toEqual([10, 11, 12, 2, 20, 1]);
  expect(codes.map((code) => exitCodeFor(code, 1))).toEqual([1, 1, 1, 1, 1, 1]);
  expect(codes.map((code) => exitCodeFor(code, 2))).toEqual([10, 11, 12, 1, 1, 1]);
  expect(codes.map((code) => exitCodeFor(code, 3))).toEqual([10, 11, 12, 1, 1, 1]);
  expect(codes.map((code) => exitCodeFor(code, 3, false))).toEqual([1, 1, 1, 1, 1, 1]);
  expect(codes.map((code) => exitCodeFor(code, undefined, false))).toEqual([10, 11, 12, 2, 20, 1]);
});
