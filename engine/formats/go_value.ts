import { base64Length, utf8, writeBase64 } from "../model/bytes.ts";
import { encodeGoJson, isObject, type Json, orderKeys, setMember } from "./go_json.ts";

/**
 * What Go's `encoding/json` writes beside plain {@link Json}: byte strings, as base64, and maps. Both may
 * have hundreds of megabytes, so that no copy of them is made on the way.
 */
export type GoValue =
  | Json
  /** Written as a number, whatever its size. */
  | bigint
  | Uint8Array
  | GoMap
  | readonly GoValue[]
  | { readonly [key: string]: GoValue | undefined };

/** A value of parsed JSON as Go reads it into a map: the keys of all its objects are written in order. */
export class GoMap {
  readonly value: unknown;

  /** @param value Came out of `JSON.parse()`. */
  constructor(value: unknown) {
    this.value = value;
  }
}

type Part = string | Uint8Array;

/** Kinds of objects whose order of keys is remembered. */
const MAX_KNOWN_ORDERS = 32;

/** Encodes a value as `encodeGoJson()` does. */
export function encodeGoValue(value: GoValue): string {
  return partsOf(value)
    .map((part) => (typeof part === "string" ? part : part.toBase64()))
    .join("");
}

/** The UTF-8 bytes of {@link encodeGoValue}, without its text in between. */
export function encodeGoValueBytes(value: GoValue): Uint8Array {
  const parts = partsOf(value).map((part) =>
    typeof part === "string" ? utf8(part) : { raw: part },
  );
  const sizes = parts.map((part) => ("raw" in part ? base64Length(part.raw) : part.length));
  const whole = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  let offset = 0;
  for (const part of parts) {
    if ("raw" in part) offset += writeBase64(part.raw, whole, offset);
    else {
      whole.set(part, offset);
      offset += part.length;
    }
  }
  return whole;
}

/** The text of a value; byte strings by themselves, between their quotes. */
function partsOf(value: GoValue): readonly Part[] {
  const parts: Part[] = [];
  let text = "";
  const collect = (each: GoValue): void => {
    if (each instanceof Uint8Array) {
      parts.push(`${text}"`, each);
      text = '"';
    } else if (each instanceof GoMap) text += encodeMap(each.value);
    else if (isList(each)) {
      text += "[";
      for (const [at, member] of each.entries()) {
        if (at > 0) text += ",";
        collect(member);
      }
      text += "]";
    } else if (isObject(each)) {
      text += "{";
      let comma = "";
      for (const [key, member] of Object.entries(each as { [key: string]: GoValue | undefined })) {
        if (member === undefined) continue;
        text += `${comma}${encodeGoJson(key)}:`;
        comma = ",";
        collect(member);
      }
      text += "}";
    } else text += typeof each === "bigint" ? String(each) : encodeGoJson(each);
  };
  collect(value);
  parts.push(text);
  return parts;
}

function isList(value: unknown): value is readonly GoValue[] {
  return Array.isArray(value);
}

/** By the native encoder, from shallow copies: there may be millions of objects, and they go at once. */
function encodeMap(map: unknown): string {
  const orders = new KeyOrders();
  let isInOrder = true;
  const inOrder = (_key: string, value: unknown): unknown => {
    if (value instanceof GoMap) return inOrder("", value.value);
    if (!isObject(value)) return value;
    const order = orders.of(Object.keys(value));
    isInOrder &&= order.isKept;
    if (order.isSame) return value;
    const sorted: Record<string, unknown> = {};
    for (const key of order.sorted) setMember(sorted, key, value[key]);
    return sorted;
  };
  const text = encodeGoJson(map as Json, inOrder);
  return isInOrder ? text : encodeInOrder(map);
}

interface KeyOrder {
  readonly keys: readonly string[];
  readonly sorted: readonly string[];
  /** They are in order already. */
  readonly isSame: boolean;
  /** An object keeps this order: it puts keys that are numbers first, whatever comes first. */
  readonly isKept: boolean;
}

/** In what order the keys of objects go. Most objects have the keys of another. */
class KeyOrders {
  readonly #known: KeyOrder[] = [];

  of(keys: readonly string[]): KeyOrder {
    for (const each of this.#known) if (areEqual(each.keys, keys)) return each;
    const sorted = orderKeys(keys);
    const made = Object.keys(Object.fromEntries(sorted.map((key) => [key, null])));
    const order = {
      keys,
      sorted,
      isSame: areEqual(keys, sorted),
      isKept: areEqual(made, sorted),
    };
    if (this.#known.length < MAX_KNOWN_ORDERS) this.#known.push(order);
    return order;
  }
}

function areEqual(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function encodeInOrder(value: unknown): string {
  if (value instanceof GoMap) return encodeInOrder(value.value);
  if (Array.isArray(value)) return `[${value.map(encodeInOrder).join(",")}]`;
  if (!isObject(value)) return encodeGoJson(value as Json); // null, or a scalar: it came out of JSON
  const members = orderKeys(Object.keys(value)).map(
    (key) => `${encodeGoJson(key)}:${encodeInOrder(value[key])}`,
  );
  return `{${members.join(",")}}`;
}
