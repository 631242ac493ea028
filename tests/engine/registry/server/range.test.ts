import { describe, expect, test } from "bun:test";
import { parseChunkRange, parseRange } from "../../../../engine/registry/server/range.ts";

describe("parseRange()", () => {
  test.each([
    ["bytes=0-0", 0, 1],
    ["bytes=500-1499", 500, 1000],
    ["bytes=500-", 500, 1548],
    ["bytes=-500", 1548, 500],
    ["bytes=-5000", 0, 2048],
    ["bytes=2000-5000", 2000, 48],
  ])("parseRange() reads %p of 2,048 bytes (RFC 9110 §14.1.2)", (header, startByte, sizeBytes) => {
    expect(parseRange(header, 2048)).toEqual({ startByte, sizeBytes });
  });

  test.each([undefined, "", "bytes=-", "bytes=0-1,5-6", "lines=0-1", "bytes=a-b", "bytes 0-1"])(
    "parseRange() asks for the whole when the header is %p",
    (header) => {
      expect(parseRange(header, 2048)).toBeUndefined();
    },
  );

  test.each(["bytes=2048-", "bytes=5000-10000", "bytes=500-0", "bytes=-0"])(
    "parseRange() refuses %p of 2,048 bytes and says how many there are",
    (header) => {
      expect(() => parseRange(header, 2048)).toThrow(
        expect.objectContaining({ status: 416, headers: { "Content-Range": "bytes */2048" } }),
      );
    },
  );

  test("parseRange() refuses any range of nothing", () => {
    expect(() => parseRange("bytes=0-0", 0)).toThrow(expect.objectContaining({ status: 416 }));
  });
});

describe("parseChunkRange()", () => {
  test("parseChunkRange() reads both ends inclusively", () => {
    expect(parseChunkRange("1024-2047")).toEqual({ startByte: 1024, sizeBytes: 1024 });
  });

  test.each(["", "bytes 0-1/2", "0-", "-1", "5-4", "0-1,2-3", "a-b"])(
    "parseChunkRange() refuses %p",
    (header) => {
      expect(() => parseChunkRange(header)).toThrow(
        expect.objectContaining({ status: 400, code: "BLOB_UPLOAD_INVALID" }),
      );
    },
  );
});
