import { describe, expect, test } from "bun:test";
import { conventionsOf, parseSizeBytes } from "../../../engine/cli/conventions.ts";
import { hasCode } from "../../../engine/model/errors.ts";

const NOW = new Date("2026-07-17T12:34:56.789Z");
const NO_FLAGS = { "attachment-tag-prefix": undefined };

function conventions(
  flags: Parameters<typeof conventionsOf>[0],
  env: Record<string, string> = {},
): { value: ReturnType<typeof conventionsOf>; told: string } {
  const told: string[] = [];
  const value = conventionsOf(flags, env, NOW, { write: (text) => told.push(text) });
  return { value, told: told.join("") };
}

describe("conventionsOf()", () => {
  test("has cosign's defaults", () => {
    expect(conventions(NO_FLAGS).value).toEqual({
      tagPrefix: "",
      dockerMediaTypes: false,
      maxAttachmentBytes: 134_217_728,
    });
  });

  test("reads cosign's variables", () => {
    const { value } = conventions(NO_FLAGS, {
      COSIGN_REPOSITORY: "signatures",
      COSIGN_DOCKER_MEDIA_TYPES: "1",
      COSIGN_MAX_ATTACHMENT_SIZE: "45MiB",
    });
    expect(value).toEqual({
      tagPrefix: "",
      dockerMediaTypes: true,
      maxAttachmentBytes: 47_185_920,
      targetRepository: "index.docker.io/library/signatures",
    });
  });

  test("says that a size is none, and keeps the default", () => {
    const { value, told } = conventions(NO_FLAGS, { COSIGN_MAX_ATTACHMENT_SIZE: "much" });
    expect(value.maxAttachmentBytes).toBe(134_217_728);
    expect(told).toContain("COSIGN_MAX_ATTACHMENT_SIZE");
  });

  test("takes the time of creation from the clock, or from SOURCE_DATE_EPOCH", () => {
    const flags = { ...NO_FLAGS, "record-creation-timestamp": true };
    expect(conventions(flags).value.createdAt).toBe("2026-07-17T12:34:56Z");
    expect(conventions(flags, { SOURCE_DATE_EPOCH: "0" }).value.createdAt).toBe(
      "1970-01-01T00:00:00Z",
    );
    expect(conventions(NO_FLAGS, { SOURCE_DATE_EPOCH: "0" }).value.createdAt).toBeUndefined();
    expect(() => conventions(flags, { SOURCE_DATE_EPOCH: "soon" })).toThrow("SOURCE_DATE_EPOCH");
  });

  test("refuses a repository and a prefix that are none", () => {
    let error: unknown;
    try {
      conventions(NO_FLAGS, { COSIGN_REPOSITORY: "Upper/Case" });
    } catch (thrown) {
      error = thrown;
    }
    expect(hasCode(error, "REFERENCE_INVALID")).toBe(true);
    for (const prefix of ["-x", ".x", "a/b", "a:b", "x".repeat(53)]) {
      expect(() => conventions({ "attachment-tag-prefix": prefix })).toThrow("no tag can begin so");
    }
    expect(conventions({ "attachment-tag-prefix": "pre-" }).value.tagPrefix).toBe("pre-");
  });
});

test("parseSizeBytes() reads sizes as go-humanize", () => {
  for (const [text, sizeBytes] of [
    ["5120", 5120],
    ["20K", 20_000],
    ["20KB", 20_000],
    ["20 kb", 20_000],
    ["20KiB", 20_480],
    ["20Ki", 20_480],
    ["45MiB", 47_185_920],
    ["1.5G", 1_500_000_000],
    ["1,024B", 1024],
    ["0", 0],
  ] as const) {
    expect([text, parseSizeBytes(text)]).toEqual([text, sizeBytes]);
  }
  for (const text of ["", "x", "-1", "1Z", "1 2", "K", "9999999999TB"]) {
    expect([text, parseSizeBytes(text)]).toEqual([text, undefined]);
  }
});
