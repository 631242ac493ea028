import { concatBytes } from "../model/bytes.ts";

/** One element of DER: its identifier octet and its contents. */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  /** The whole element: identifier, length, contents. */
  readonly raw: Uint8Array;
}

/** The identifier octets of the types that keys and signatures are made of (X.690 §8). */
export const TAG = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  sequence: 0x30,
} as const;

const MAX_DER_BYTES = 65_536; // an RSA-4096 private key has 2.4 KB
const MAX_ELEMENTS = 64; // of one sequence: the longest here, an RSA private key, has 9

/**
 * Reads one element of the given type that fills all of `bytes`. Attacker-controlled input: only DER
 * is taken (definite and shortest lengths, one identifier octet); nothing recurses.
 *
 * @throws {SyntaxError} when it is anything else.
 */
export function parseDer(bytes: Uint8Array, tag: number): DerElement {
  if (bytes.length > MAX_DER_BYTES) throw invalid(`longer than ${MAX_DER_BYTES} bytes`);
  const element = readElement(bytes, 0);
  if (element.end !== bytes.length) throw invalid("bytes after the end");
  return expectTag(element, tag);
}

/** Reads the elements of a SEQUENCE. @throws {SyntaxError} */
export function parseDerSequence(bytes: Uint8Array): readonly DerElement[] {
  return derElements(parseDer(bytes, TAG.sequence).content);
}

/** The elements that stand one after another in `content`. @throws {SyntaxError} */
export function derElements(content: Uint8Array): readonly DerElement[] {
  const elements: DerElement[] = [];
  for (let offset = 0; offset < content.length; ) {
    if (elements.length === MAX_ELEMENTS) throw invalid(`more than ${MAX_ELEMENTS} elements`);
    const element = readElement(content, offset);
    elements.push(element);
    offset = element.end;
  }
  return elements;
}

/** The element itself when it is there and of the type `tag`. @throws {SyntaxError} */
export function expectTag(element: DerElement | undefined, tag: number): DerElement {
  if (element === undefined) throw invalid("an element is missing");
  if (element.tag !== tag) throw invalid(`tag 0x${hex(element.tag)}, expected 0x${hex(tag)}`);
  return element;
}

/**
 * The magnitude of an INTEGER that is not negative: big-endian, without leading zeros, empty for 0.
 *
 * @throws {SyntaxError} when it is negative or not the shortest form.
 */
export function parseDerUnsigned(element: DerElement | undefined): Uint8Array {
  const { content } = expectTag(element, TAG.integer);
  const [first, second] = content;
  if (first === undefined) throw invalid("an INTEGER without contents");
  if (first >= 0x80) throw invalid("a negative INTEGER");
  if (first !== 0) return content;
  if (second !== undefined && second < 0x80) throw invalid("an INTEGER with leading zeros");
  return content.subarray(1);
}

/** The bytes of a BIT STRING of whole octets. @throws {SyntaxError} */
export function parseDerBitString(element: DerElement | undefined): Uint8Array {
  const { content } = expectTag(element, TAG.bitString);
  if (content[0] !== 0) throw invalid("a BIT STRING that is not of whole octets");
  return content.subarray(1);
}

/** The contents of an OBJECT IDENTIFIER in hexadecimal: compared as encoded, never computed. @throws {SyntaxError} */
export function parseDerOid(element: DerElement | undefined): string {
  return expectTag(element, TAG.oid).content.toHex();
}

/** Encodes one element. */
export function encodeDer(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concatBytes(...parts);
  return concatBytes(Uint8Array.of(tag, ...encodeLength(content.length)), content);
}

function encodeLength(length: number): readonly number[] {
  if (length < 0x80) return [length];
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return [0x80 | octets.length, ...octets];
}

/** An element of `bytes`. Its parts are made when they are asked for: of most nobody asks for both. */
class Element implements DerElement {
  readonly tag: number;
  /** Where it ends in its bytes. */
  readonly end: number;
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #from: number;

  constructor(bytes: Uint8Array, start: number, from: number, end: number) {
    this.tag = bytes[start] ?? 0;
    this.end = end;
    this.#bytes = bytes;
    this.#start = start;
    this.#from = from;
  }

  get content(): Uint8Array {
    return this.#bytes.subarray(this.#from, this.end);
  }

  get raw(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.end);
  }
}

function readElement(bytes: Uint8Array, start: number): Element {
  const tag = bytes[start];
  const first = bytes[start + 1];
  if (tag === undefined || first === undefined) throw invalid("cut off");
  if ((tag & 0x1f) === 0x1f) throw invalid("an identifier of several octets");
  let length = first;
  let offset = start + 2;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0) throw invalid("an indefinite length");
    if (count > 3) throw invalid("a length of more than three octets");
    length = 0;
    for (const end = offset + count; offset < end; offset++) {
      const octet = bytes[offset];
      if (octet === undefined) throw invalid("cut off");
      length = length * 256 + octet;
    }
    if (length < 0x80 || length < 256 ** (count - 1)) throw invalid("a length with leading zeros");
  }
  const end = offset + length;
  if (end > bytes.length) throw invalid("cut off");
  return new Element(bytes, start, offset, end);
}

function invalid(why: string): SyntaxError {
  return new SyntaxError(`Cannot parse DER: ${why}`);
}

function hex(octet: number): string {
  return octet.toString(16).padStart(2, "0");
}
