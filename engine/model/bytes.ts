import { Buffer } from "node:buffer";

const encoder: TextEncoder = new TextEncoder();
const strictDecoder: TextDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** {@link utf8} of texts one after another, which are not joined before. */
export function utf8Joined(...texts: readonly string[]): Uint8Array {
  const whole = new Uint8Array(texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0));
  let offset = 0;
  for (const text of texts) offset += encoder.encodeInto(text, whole.subarray(offset)).written;
  return whole;
}

const PIECE_CHARACTERS = 1024 * 1024;

/** {@link utf8} of a long text piece by piece, so that it need not stand in memory twice. */
export function* utf8Pieces(text: string): Generator<Uint8Array, void, undefined> {
  for (let at = 0; at < text.length; ) {
    const end = at + PIECE_CHARACTERS;
    // Not between the halves of a surrogate pair.
    const isSplit = end < text.length && (text.codePointAt(end - 1) ?? 0) > 0xffff;
    const next = isSplit ? end - 1 : end;
    yield encoder.encode(text.slice(at, next));
    at = next;
  }
}

/**
 * The text of UTF-8 bytes.
 *
 * @throws {TypeError} when the bytes are not UTF-8.
 */
export function parseUtf8(bytes: Uint8Array): string {
  return strictDecoder.decode(bytes);
}

/** A text of one character for each byte (ISO 8859-1). */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** Standard base64 with padding (RFC 4648 §4). */
export function encodeBase64(bytes: Uint8Array): string {
  return bytes.toBase64();
}

const BASE64_CHUNK_BYTES = 0xc000; // a multiple of 3, so that only the last chunk is padded
const BASE64_CHUNK_CHARACTERS = (BASE64_CHUNK_BYTES / 3) * 4;

/** How many characters {@link encodeBase64} makes of bytes. */
export function base64Length(bytes: Uint8Array): number {
  return Math.ceil(bytes.length / 3) * 4;
}

/** Writes the base64 of bytes into `target` at an offset, without its text. @returns what was written, in bytes. */
export function writeBase64(bytes: Uint8Array, target: Uint8Array, offset: number): number {
  let at = offset;
  for (let from = 0; from < bytes.length; from += BASE64_CHUNK_BYTES) {
    const text = bytes.subarray(from, from + BASE64_CHUNK_BYTES).toBase64();
    at += encoder.encodeInto(text, target.subarray(at)).written;
  }
  return at - offset;
}

/**
 * Reads base64 as Go's `StdEncoding` does: padding is demanded, line breaks are passed over.
 *
 * @throws {SyntaxError} when `text` is anything else.
 */
export function parseBase64(text: string): Uint8Array {
  const short = parseShortBase64(text);
  if (short !== undefined) return short;
  // Asked first: a text of megabytes is not copied for nothing.
  const plain = /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]/g, "") : text;
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(plain) || plain.length % 4 !== 0) {
    throw new SyntaxError("Cannot parse base64: not the standard alphabet with padding");
  }
  const padding = plain.endsWith("==") ? 2 : Number(plain.endsWith("="));
  const bytes = new Uint8Array((plain.length / 4) * 3 - padding);
  for (let at = 0, offset = 0; at < plain.length; at += BASE64_CHUNK_CHARACTERS) {
    const { written } = bytes
      .subarray(offset)
      .setFromBase64(plain.slice(at, at + BASE64_CHUNK_CHARACTERS));
    offset += written;
  }
  return bytes;
}

const MAX_SHORT_CHARACTERS = 16_384;

/** What the runtime makes of it where nothing was passed over that is none; nothing elsewhere. */
function parseShortBase64(text: string): Uint8Array | undefined {
  if (text.length > MAX_SHORT_CHARACTERS || text.length % 4 !== 0) return undefined;
  try {
    const bytes = Uint8Array.fromBase64(text);
    const padding = text.endsWith("==") ? 2 : Number(text.endsWith("="));
    return bytes.length === (text.length / 4) * 3 - padding ? bytes : undefined;
  } catch {
    return undefined; // the slow way says what is wrong
  }
}

/** Reads standard base64, else the URL-safe alphabet (as secure-systems-lib reads DSSE envelopes). @throws {SyntaxError} */
export function parseBase64Either(text: string): Uint8Array {
  const short = parseShortBase64(text);
  if (short !== undefined) return short;
  if (!/[-_]/.test(text)) return parseBase64(text);
  return parseBase64(text.replaceAll("-", "+").replaceAll("_", "/"));
}

/** Whether two byte strings are equal. Not for secrets: it stops at the first difference. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/** One byte string after another. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  return joinBytes(parts);
}

/** {@link concatBytes} of a list, which may be longer than arguments can be. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
