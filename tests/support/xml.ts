/** An element of an XML document, with its text and the elements inside it. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  readonly text: string;
}

const ENTITIES: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  amp: "&",
  quot: '"',
  apos: "'",
};
const FORBIDDEN = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u;

/** Reads a well-formed XML 1.0 document without a document type. @throws {SyntaxError} */
export function parseXml(source: string): XmlElement {
  if (FORBIDDEN.test(source)) throw new SyntaxError("a character that XML does not allow");
  const body = source.replace(/^<\?xml version="1\.0" encoding="UTF-8"\?>\s*/, "").trimEnd();
  const cursor = { source: body, at: 0 };
  const root = readElement(cursor);
  if (cursor.at !== body.length) throw new SyntaxError("something behind the root element");
  return root;
}

interface Cursor {
  readonly source: string;
  at: number;
}

function readElement(cursor: Cursor): XmlElement {
  const head = take(cursor, /<([A-Za-z][\w.-]*)((?:\s+[A-Za-z][\w.:-]*="[^"<]*")*)\s*(\/?)>/y);
  const name = head[1] ?? "";
  const attributes: Record<string, string> = {};
  for (const [, key = "", value = ""] of (head[2] ?? "").matchAll(/([\w.:-]+)="([^"<]*)"/g)) {
    if (key in attributes) throw new SyntaxError(`two attributes ${key}`);
    attributes[key] = decodeEntities(value);
  }
  const children: XmlElement[] = [];
  let text = "";
  if (head[3] === "/") return { name, attributes, children, text };
  for (;;) {
    text += decodeEntities(take(cursor, /[^<]*/y)[0]);
    if (cursor.source.startsWith("</", cursor.at)) break;
    children.push(readElement(cursor));
  }
  const tail = take(cursor, /<\/([\w.-]+)\s*>/y);
  if (tail[1] !== name) throw new SyntaxError(`${name} ends with ${tail[1]}`);
  return { name, attributes, children, text };
}

function take(cursor: Cursor, pattern: RegExp): RegExpExecArray {
  pattern.lastIndex = cursor.at;
  const match = pattern.exec(cursor.source);
  if (match === null)
    throw new SyntaxError(
      `not well-formed at ${cursor.at}: ${cursor.source.slice(cursor.at, cursor.at + 40)}`,
    );
  cursor.at = pattern.lastIndex;
  return match;
}

function decodeEntities(text: string): string {
  return text.replaceAll(/&([^;]*);?/g, (whole, name: string) => {
    const code = /^#(\d+)$/.exec(name)?.[1];
    const character = code === undefined ? ENTITIES[name] : String.fromCodePoint(Number(code));
    if (character === undefined || !whole.endsWith(";"))
      throw new SyntaxError(`unknown entity ${whole}`);
    return character;
  });
}
