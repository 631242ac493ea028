import { Refusal } from "./refusal.ts";

/** A part of something, at least one byte long. */
export interface ByteRange {
  readonly startByte: number;
  readonly sizeBytes: number;
}

/**
 * Reads a `Range` header (RFC 9110 §14.2).
 *
 * @returns the one range it asks for; nothing when there is none, or several, or another unit: then
 *   the whole is sent.
 * @throws {Refusal} 416 when the range has no byte in common with what there is.
 */
export function parseRange(header: string | undefined, wholeBytes: number): ByteRange | undefined {
  const [, first = "", last = ""] = /^bytes=([0-9]{0,15})-([0-9]{0,15})$/.exec(header ?? "") ?? [];
  if (first === "" && last === "") return undefined;
  const startByte = first === "" ? Math.max(0, wholeBytes - Number(last)) : Number(first);
  const endByte =
    first === "" || last === "" ? wholeBytes - 1 : Math.min(Number(last), wholeBytes - 1);
  if (startByte > endByte) {
    throw new Refusal(
      416,
      "SIZE_INVALID",
      `range is not in the ${wholeBytes} bytes that there are`,
      {
        headers: { "Content-Range": `bytes */${wholeBytes}` },
      },
    );
  }
  return { startByte, sizeBytes: endByte - startByte + 1 };
}

/**
 * Reads the `Content-Range` of a chunk, which is not HTTP's (OCI distribution-spec, "Pushing a blob in
 * chunks"): `0-1023`, both ends inclusive.
 *
 * @throws {Refusal} 400 when it is anything else.
 */
export function parseChunkRange(header: string): ByteRange {
  const [, first, last] = /^([0-9]{1,15})-([0-9]{1,15})$/.exec(header) ?? [];
  const startByte = Number(first);
  const endByte = Number(last);
  if (first === undefined || startByte > endByte) {
    throw new Refusal(400, "BLOB_UPLOAD_INVALID", "Content-Range of a chunk is FIRST-LAST");
  }
  return { startByte, sizeBytes: endByte - startByte + 1 };
}
