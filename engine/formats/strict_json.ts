/** As deep as Go's decoder goes is deeper than our stack; nothing honest comes near this. */
const MAX_DEPTH = 500;

/** Strings, and the characters that open, close and part things. All else is between them. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/gs;

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

function checkKeys(text: string): void {
  // One entry a level: the keys of an object so far, nothing for an array.
  const levels: (Set<string> | undefined)[] = [];
  let last = "";
  for (const [token] of text.matchAll(TOKEN)) {
    switch (token) {
      case "{":
      case "[":
        if (levels.length >= MAX_DEPTH) {
          throw new SyntaxError(`The JSON is nested deeper than ${MAX_DEPTH} levels`);
        }
        levels.push(token === "{" ? new Set() : undefined);
        break;
      case "}":
      case "]":
        levels.pop();
        break;
      case ":": {
        const key: unknown = last.includes("\\") ? JSON.parse(last) : last.slice(1, -1);
        const keys = levels.at(-1);
        if (typeof key !== "string" || keys === undefined) break; // JSON.parse says what is wrong
        if (keys.has(key)) {
          throw new SyntaxError(`The key ${JSON.stringify(key.slice(0, 80))} stands there twice`);
        }
        keys.add(key);
        break;
      }
      case ",":
        break;
      default:
        last = token;
    }
  }
}
