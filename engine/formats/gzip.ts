import { gunzipSync, gzipSync } from "node:zlib";
import { describeError } from "../model/errors.ts";

/** Where the header says on which system it was made (RFC 1952 §2.3.1), and what it says when it does not tell. */
const SYSTEM_AT = 9;
const UNKNOWN_SYSTEM = 255;

/** Compresses fast, without a time, a name or a system in it: the same on each. */
export function gzip(bytes: Uint8Array): Uint8Array {
  const packed = new Uint8Array(gzipSync(bytes, { level: 1 }));
  packed[SYSTEM_AT] = UNKNOWN_SYSTEM;
  return packed;
}

/** Whether bytes begin as gzip does (RFC 1952 §2.3.1). */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * Decompresses gzip (RFC 1952), attacker-controlled: it ends at the limit, however small the input was.
 *
 * @throws {SyntaxError} when it is none, cut off, followed by something else, or longer than `limitBytes`.
 */
export function gunzip(bytes: Uint8Array, limitBytes: number): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: limitBytes });
  } catch (cause) {
    const isLong = cause instanceof RangeError;
    const why = isLong ? `longer than ${limitBytes} bytes` : describeError(cause);
    throw new SyntaxError(`Cannot decompress: ${why}`, { cause });
  }
}
