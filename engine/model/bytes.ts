const encoder: TextEncoder = new TextEncoder();
const strictDecoder: TextDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/**
 * The text of UTF-8 bytes.
 *
 * @throws {TypeError} when the bytes are not UTF-8.
 */
export function parseUtf8(bytes: Uint8Array): string {
  return strictDecoder.decode(bytes);
}

/** Standard base64 with padding (RFC 4648 §4). */
export function encodeBase64(bytes: Uint8Array): string {
  return bytes.toBase64();
}

/**
 * Reads base64 as Go's `StdEncoding` does: padding is demanded, line breaks are passed over.
 *
 * @throws {SyntaxError} when `text` is anything else.
 */
export function parseBase64(text: string): Uint8Array {
  const plain = text.replaceAll(/[\r\n]/g, "");
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(plain) || plain.length % 4 !== 0) {
    throw new SyntaxError("Cannot parse base64: not the standard alphabet with padding");
  }
  return Uint8Array.fromBase64(plain);
}

/** Reads standard base64, else the URL-safe alphabet (as secure-systems-lib reads DSSE envelopes). @throws {SyntaxError} */
export function parseBase64Either(text: string): Uint8Array {
  return parseBase64(text.replaceAll("-", "+").replaceAll("_", "/"));
}

/** Whether two byte strings are equal. Not for secrets: it stops at the first difference. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** One byte string after another. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
