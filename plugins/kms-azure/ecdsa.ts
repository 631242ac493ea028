const [SEQUENCE, INTEGER, LONG_FORM] = [0x30, 0x02, 0x81];

/**
 * An ECDSA signature as ASN.1 DER (SEC 1 §C.8), of the two numbers in a row that JOSE has (RFC 7518 §3.4).
 *
 * @throws {SyntaxError} when it does not have `2 * sizeBytes` bytes.
 */
export function derSignature(raw: Uint8Array, sizeBytes: number): Uint8Array {
  if (raw.length !== 2 * sizeBytes) {
    throw new SyntaxError(`a signature of ${raw.length} bytes, expected ${2 * sizeBytes}`);
  }
  const numbers = [...integer(raw.subarray(0, sizeBytes)), ...integer(raw.subarray(sizeBytes))];
  const length = numbers.length < 0x80 ? [numbers.length] : [LONG_FORM, numbers.length];
  return Uint8Array.from([SEQUENCE, ...length, ...numbers]);
}

/** Without zeros at its front but the one that keeps it positive. */
function integer(bytes: Uint8Array): readonly number[] {
  const start = bytes.findIndex((byte) => byte !== 0);
  const digits = start < 0 ? [0] : [...bytes.subarray(start)];
  const content = (digits[0] ?? 0) >= 0x80 ? [0, ...digits] : digits;
  return [INTEGER, content.length, ...content];
}
