import { encodeBase64 } from "../../engine/model/bytes.ts";

/** JSON as it is parsed. */
export type Tree =
  | null
  | boolean
  | number
  | string
  | readonly Tree[]
  | { readonly [name: string]: Tree };

/** One thing that was changed in a tree. */
export interface Mutation {
  readonly tree: Tree;
  /** Where, and how: `tlogEntries.0.logIndex: one more`. */
  readonly what: string;
}

type Path = readonly (string | number)[];

/** Every place of a tree, the root first. */
function placesOf(tree: Tree, path: Path = []): readonly Path[] {
  if (typeof tree !== "object" || tree === null) return [path];
  return [path, ...Object.entries(tree).flatMap(([name, part]) => placesOf(part, [...path, name]))];
}

/** The part of a tree at a place; nothing when it has no such place. */
function partAt(tree: Tree, path: Path): Tree | undefined {
  return path.reduce<Tree | undefined>(
    (part, name) =>
      typeof part === "object" && part !== null
        ? (part as { readonly [name: string]: Tree })[name]
        : undefined,
    tree,
  );
}

/** The tree with another part at a place; without it when there is none. */
function replaced(tree: Tree, path: Path, part: Tree | undefined): Tree {
  const [name, ...rest] = path;
  if (name === undefined || typeof tree !== "object" || tree === null) return part ?? null;
  if (Array.isArray(tree)) {
    const at = Number(name);
    if (rest.length === 0 && part === undefined) return tree.filter((_, i) => i !== at);
    return tree.map((each, i) => (i === at ? replaced(each, rest, part) : each));
  }
  const entries = Object.entries(tree).flatMap(([key, each]) => {
    if (key !== name) return [[key, each] as const];
    if (rest.length === 0 && part === undefined) return [];
    return [[key, replaced(each, rest, part)] as const];
  });
  return Object.fromEntries(entries);
}

/**
 * Every sort of change at every place of a tree: left out, of another type, twice, in another order,
 * a bit, a byte or a number more or less.
 *
 * @param random Says which bit, which byte.
 */
export function* mutationsOf(tree: Tree, random: () => number): Generator<Mutation> {
  const below = (limit: number): number => Math.floor(random() * limit);
  for (const path of placesOf(tree).slice(1)) {
    const part = partAt(tree, path);
    const name = path.join(".");
    const change = (what: string, other: Tree | undefined): Mutation => ({
      tree: replaced(tree, path, other),
      what: `${name}: ${what}`,
    });
    yield change("left out", undefined);
    for (const other of [null, true, 0, -1, 2 ** 53, "", "x", [], {}, [[]], { a: 1 }]) {
      yield change(`is ${JSON.stringify(other)}`, other);
    }
    if (typeof part === "string") yield* textMutations(part, below, change);
    if (typeof part === "number") {
      yield change("one more", part + 1);
      yield change("a fraction", part + 0.5);
    }
    if (Array.isArray(part)) {
      yield change("twice", [...part, ...part]);
      yield change("reversed and twice", [...part, ...part.toReversed()]);
      yield change(
        "many times",
        Array.from({ length: 100 }, () => part[0] ?? null),
      );
      yield change("nested", [part]);
    }
  }
}

/** Every part of a tree in exchange for the same part of another. */
export function* graftsOf(tree: Tree, other: Tree): Generator<Mutation> {
  for (const path of placesOf(tree).slice(1)) {
    const part = partAt(other, path);
    if (part === undefined || JSON.stringify(part) === JSON.stringify(partAt(tree, path))) continue;
    yield { tree: replaced(tree, path, part), what: `${path.join(".")}: of the other` };
    const own = partAt(tree, path);
    if (!Array.isArray(own) || !Array.isArray(part)) continue;
    yield {
      tree: replaced(tree, path, [...own, ...part]),
      what: `${path.join(".")}: and the other's`,
    };
    yield {
      tree: replaced(tree, path, [...part, ...own]),
      what: `${path.join(".")}: the other's first`,
    };
  }
}

function* textMutations(
  text: string,
  below: (limit: number) => number,
  change: (what: string, other: Tree) => Mutation,
): Generator<Mutation> {
  const at = below(text.length);
  yield change(
    "another letter",
    text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1),
  );
  yield change("longer", `${text}A`);
  yield change("shorter", text.slice(0, -1));
  yield change("spaced", ` ${text}`);
  yield change("with a NUL", `${text}\0`);
  if (/^\d+$/.test(text)) {
    yield change("one more", `${BigInt(text) + 1n}`);
    yield change("a float", `${text}e0`);
    yield change("a leading zero", `0${text}`);
  }
  const bytes = bytesOf(text);
  if (bytes === undefined) return;
  // Every byte of what is short, and as many of what is long.
  for (let i = 0; i < Math.min(bytes.length, FLIPS); i++) {
    const place = bytes.length <= FLIPS ? i : below(bytes.length);
    const bit = below(8);
    const flipped = bytes.with(place, (bytes[place] ?? 0) ^ (1 << bit));
    yield change(`bit ${bit} of byte ${place}`, encodeBase64(flipped));
  }
  yield change("cut", encodeBase64(bytes.subarray(0, below(bytes.length))));
  yield change("a byte more", encodeBase64(Uint8Array.from([...bytes, below(256)])));
  const within = treeOf(bytes);
  if (within === undefined) return;
  for (const { tree, what } of mutationsOf(within, () => below(2 ** 20) / 2 ** 20)) {
    const json = encodeBase64(new TextEncoder().encode(JSON.stringify(tree)));
    if (json !== text) yield change(`within, ${what}`, json);
  }
}

const FLIPS = 24;

/** What base64 stands for; nothing when it is none. */
function bytesOf(text: string): Uint8Array | undefined {
  if (text.length < 8 || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text))
    return undefined;
  return Uint8Array.fromBase64(text);
}

/** JSON in bytes; nothing when they are none. */
function treeOf(bytes: Uint8Array): Tree | undefined {
  if (bytes[0] !== 0x7b) return undefined;
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
