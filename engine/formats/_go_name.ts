import { type DerElement, derElements, expectTag, parseDerOid, TAG } from "../crypto/der.ts";
import { parseUtf8 } from "../model/bytes.ts";
import type { GoValue } from "./go_value.ts";
import { dottedOid } from "./x509.ts";

const TAG_SET = 0x31;
const TEXT_TAGS = {
  utf8: 0x0c,
  numeric: 0x12,
  printable: 0x13,
  t61: 0x14,
  ia5: 0x16,
  bmp: 0x1e,
} as const;
/** Attributes that Go has a field for, in the order of its fields; 2.5.4.x by its last number. */
const FIELDS = [
  ["Country", 6],
  ["Organization", 10],
  ["OrganizationalUnit", 11],
  ["Locality", 7],
  ["Province", 8],
  ["StreetAddress", 9],
  ["PostalCode", 17],
] as const;
const [SERIAL_NUMBER, COMMON_NAME] = [5, 3] as const;

/** A Name (RFC 5280 §4.1.2.4) as Go's `pkix.Name`. @throws {SyntaxError} */
export function goName(name: DerElement): GoValue {
  const attributes = derElements(expectTag(name, TAG.sequence).content)
    .flatMap((set) => derElements(expectTag(set, TAG_SET).content))
    .map(parseAttribute);
  const valuesOf = (number: number) =>
    attributes.flatMap(({ oid, value }) => (oid === `2.5.4.${number}` ? [value] : []));
  return {
    ...Object.fromEntries(FIELDS.map(([field, number]) => [field, orNull(valuesOf(number))])),
    SerialNumber: valuesOf(SERIAL_NUMBER).at(-1) ?? "",
    CommonName: valuesOf(COMMON_NAME).at(-1) ?? "",
    Names: orNull(attributes.map(({ oid, value }) => ({ Type: goOid(oid), Value: value }))),
    ExtraNames: null,
  };
}

/** An OBJECT IDENTIFIER in dots as Go's `asn1.ObjectIdentifier`. */
export function goOid(dotted: string): readonly number[] {
  return dotted.split(".").map(Number);
}

/** Go's slice that nothing was appended to is null. */
export function orNull<T>(list: readonly T[]): readonly T[] | null {
  return list.length === 0 ? null : list;
}

function parseAttribute(element: DerElement): { readonly oid: string; readonly value: string } {
  const [oid, value] = derElements(expectTag(element, TAG.sequence).content);
  if (value === undefined) throw new SyntaxError("an attribute of a name without its value");
  return { oid: dottedOid(parseDerOid(oid)), value: textOf(value) };
}

function textOf({ tag, content }: DerElement): string {
  switch (tag) {
    case TEXT_TAGS.utf8:
      return parseUtf8(content);
    case TEXT_TAGS.bmp:
      return new TextDecoder("utf-16be").decode(content).replace(/\0$/, "");
    case TEXT_TAGS.numeric:
    case TEXT_TAGS.printable:
    case TEXT_TAGS.t61:
    case TEXT_TAGS.ia5:
      return String.fromCharCode(...content); // ISO 8859-1
    default:
      throw new SyntaxError(`a name with a string of the type ${tag}`);
  }
}
