import { gunzipSync, gzipSync } from "node:zlib";
import { describeError } from "../model/errors.ts";

/** Compresses fast, without a time or a name in it: the same bytes give the same bytes. */
export function gzip(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(gzipSync(bytes, { level: 1 }));
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
