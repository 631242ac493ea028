import { describe, expect, test } from "bun:test";
import { encodeTagName, parseTagName } from "../../../../engine/registry/server/tag_name.ts";

describe("encodeTagName()", () => {
  test.each(["latest", "Latest", "LATEST", "v1.0-RC_1", "_", "v1.", "A".repeat(128)])(
    "parseTagName() reads what encodeTagName() made of %p",
    (tag) => {
      expect(parseTagName(encodeTagName(tag))).toBe(tag);
    },
  );

  test("encodeTagName() tells tags apart where the file system does not tell cases apart", () => {
    const names = ["abc", "Abc", "aBc", "abC", "ABC"].map((tag) => encodeTagName(tag));
    expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(5);
  });

  test("encodeTagName() of the longest tag is a name that file systems take", () => {
    expect(encodeTagName("Z".repeat(128)).length).toBeLessThanOrEqual(255);
  });

  test.each(["", "latest", "latest^", "LATEST^0", "a/b^0", "latest^g", ".DS_Store"])(
    "parseTagName() passes over %p",
    (name) => {
      expect(parseTagName(name)).toBeUndefined();
    },
  );
});
