import { type DerElement, derElements, expectTag, parseDerSequence, TAG } from "../crypto/der.ts";

/** The types of names that have a short one of their own (RFC 4514 §3, X.520). */
export type NameType =
  | "C"
  | "O"
  | "OU"
  | "L"
  | "ST"
  | "STREET"
  | "POSTALCODE"
  | "CN"
  | "SERIALNUMBER";

/** One part of a name. */
export interface NamePart {
  /** Absent when the type has no short name here. */
  readonly type?: NameType;
  /** The content of the OBJECT IDENTIFIER, in hexadecimal. */
  readonly oid: string;
  readonly value: string;
}

/** What follows `550406`…: OBJECT IDENTIFIERs below 2.5.4. */
const TYPES: ReadonlyMap<string, NameType> = new Map([
  ["550406", "C"],
  ["55040a", "O"],
  ["55040b", "OU"],
  ["550407", "L"],
  ["550408", "ST"],
  ["550409", "STREET"],
  ["550411", "POSTALCODE"],
  ["550403", "CN"],
  ["550405", "SERIALNUMBER"],
]);
const FORMAT_ORDER: readonly NameType[] = [...TYPES.values()].reverse();
/** Of these a name has one: the last counts. */
const SINGLE: ReadonlySet<NameType> = new Set(["CN", "SERIALNUMBER"]);
const TAG_BMP_STRING = 0x1e;
const TAG_SET = 0x31;

/** Reads a name (RFC 5280 §4.1.2.4), as it stands in certificates: its parts in order. @throws {SyntaxError} */
export function parseDistinguishedName(der: Uint8Array): readonly NamePart[] {
  return parseDerSequence(der).flatMap((set) =>
    derElements(expectTag(set, TAG_SET).content).map(parsePart),
  );
}

/** As Go's `pkix.Name` prints it: the most special first, in RFC 2253's words; empty for a name without parts. */
export function formatDistinguishedName(parts: readonly NamePart[]): string {
  const groups = FORMAT_ORDER.map((type) => {
    const named = parts.filter((part) => part.type === type);
    return SINGLE.has(type) ? named.slice(-1) : named;
  });
  const others = parts.filter(({ type }) => type === undefined).map((part) => [part]);
  return [...groups, ...others.reverse()]
    .filter((group) => group.length > 0)
    .map((group) => group.map(formatPart).join("+"))
    .join(",");
}

function formatPart({ type, oid, value }: NamePart): string {
  const escaped = value
    .replaceAll(/[,+"\\<>;]/g, (character) => `\\${character}`)
    .replace(/^[ #]/, (character) => `\\${character}`)
    .replace(/ $/, "\\ ");
  return `${type ?? oid}=${escaped}`;
}

function parsePart(element: DerElement): NamePart {
  const [oid, value] = derElements(expectTag(element, TAG.sequence).content);
  const id = expectTag(oid, TAG.oid).content.toHex();
  const type = TYPES.get(id);
  return { oid: id, value: textOf(value), ...(type === undefined ? {} : { type }) };
}

function textOf(value: DerElement | undefined): string {
  if (value === undefined) throw new SyntaxError("a name has no value");
  const encoding = value.tag === TAG_BMP_STRING ? "utf-16be" : "utf-8";
  return new TextDecoder(encoding).decode(value.content);
}
