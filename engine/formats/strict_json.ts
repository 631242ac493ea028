/** As deep as Go's decoder goes is deeper than our stack; nothing honest comes near this. */
const MAX_DEPTH = 500;
/** Kinds of objects in one list whose keys are remembered. */
const MAX_KNOWN_OBJECTS = 16;

const QUOTE = 0x22;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * Reads JSON that readers may not see differently: an object in which a key stands twice is refused,
 * since the first counts for some and the last for others. Keys such as `__proto__` are plain keys.
 *
 * @throws {SyntaxError} when it is none, has such a key, or is nested deeper than 500 levels.
 */
export function parseStrictJson(text: string): unknown {
  checkKeys(text);
  return JSON.parse(text);
}

/** Looks at nothing but strings and brackets: what else is wrong, `JSON.parse()` says. */
function checkKeys(text: string): void {
  const levels: Level[] = [];
  let depth = 0;
  let from = 0; // the last string, with its quotes
  let to = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        from = at;
        at = endOfString(text, at);
        to = at + 1;
        break;
      case OPEN_OBJECT:
      case OPEN_ARRAY: {
        if (depth >= MAX_DEPTH) {
          throw new SyntaxError(`The JSON is nested deeper than ${MAX_DEPTH} levels`);
        }
        const level = levels[depth];
        if (level === undefined) levels[depth] = new Level();
        else level.open();
        depth += 1;
        break;
      }
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        depth -= 1;
        if (depth < 0) return;
        break;
      case COLON: {
        const level = levels[depth - 1];
        if (depth === 0 || level === undefined) return;
        level.add(text, from, to);
        break;
      }
    }
  }
}

/**
 * The keys of one object after another, as far out. A list of a million objects has the same keys a
 * million times: as long as they come as in an object before, nothing is kept of them.
 */
class Level {
  /** First keys of objects, each of them once, by which of them is the very first. */
  readonly #known: string[][] = [];
  #expected: string[] = [];
  #matched = 0;
  /** All keys of an object that has others. */
  #keys: Set<string> | undefined;

  open(): void {
    this.#matched = 0;
    this.#keys = undefined;
  }

  /** Takes the key that stands between two places of a text, with its quotes. @throws {SyntaxError} */
  add(text: string, from: number, to: number): void {
    if (this.#keys === undefined) {
      if (this.#matched === 0) {
        this.#expected = this.#begin(text, from, to);
      }
      if (stands(this.#expected[this.#matched], text, from, to)) {
        this.#matched += 1;
        return;
      }
      this.#expected.length = this.#matched;
      this.#keys = new Set(this.#expected);
    }
    const inside = text.slice(from + 1, to - 1);
    const isPlain = !inside.includes("\\");
    const key = isPlain ? inside : String(JSON.parse(text.slice(from, to)));
    if (this.#keys.has(key)) {
      throw new SyntaxError(`The key ${JSON.stringify(key.slice(0, 80))} stands there twice`);
    }
    if (isPlain && this.#expected.length === this.#keys.size) this.#expected.push(key);
    this.#keys.add(key);
  }

  #begin(text: string, from: number, to: number): string[] {
    for (const keys of this.#known) if (stands(keys[0], text, from, to)) return keys;
    const keys: string[] = [];
    if (this.#known.length < MAX_KNOWN_OBJECTS) this.#known.push(keys);
    return keys;
  }
}

/** Whether a key stands between two places of a text, with its quotes. */
function stands(key: string | undefined, text: string, from: number, to: number): boolean {
  return key?.length === to - from - 2 && text.startsWith(key, from + 1);
}

/** Where the string that begins at `start` has its closing quote; the text's end when it has none. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return at;
  }
  return text.length;
}
