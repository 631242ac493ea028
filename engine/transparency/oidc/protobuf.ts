import { concatBytes, utf8 } from "../../model/bytes.ts";

const LENGTH_DELIMITED = 2;

/** A text field of a message (protobuf.dev, "Encoding"). */
export function encodeTextField(number: number, text: string): Uint8Array {
  const bytes = utf8(text);
  return concatBytes(
    Uint8Array.from(varint((number << 3) | LENGTH_DELIMITED)),
    Uint8Array.from(varint(bytes.length)),
    bytes,
  );
}

/**
 * The values of the text, bytes and message fields of this number; all others are passed over.
 *
 * @throws {SyntaxError} when it is no message.
 */
export function readFields(message: Uint8Array, number: number): readonly Uint8Array[] {
  const found: Uint8Array[] = [];
  let at = 0;
  const readVarint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = message[at];
      if (byte === undefined) break;
      at += 1;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new SyntaxError("A number does not end");
  };
  const take = (length: number): Uint8Array => {
    if (length > message.length - at) throw new SyntaxError("A field goes beyond the end");
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const key = readVarint();
    switch (key % 8) {
      case 0:
        readVarint();
        break;
      case 1:
        take(8);
        break;
      case 5:
        take(4);
        break;
      case LENGTH_DELIMITED: {
        const value = take(readVarint());
        if (Math.floor(key / 8) === number) found.push(value);
        break;
      }
      default:
        throw new SyntaxError("A field of no known type");
    }
  }
  return found;
}

function varint(value: number): readonly number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}
