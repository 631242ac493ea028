import { encodeBase64, parseBase64 } from "../model/bytes.ts";

/** One block of PEM. */
export interface PemBlock {
  /** What stands behind `BEGIN`: `PUBLIC KEY`. */
  readonly type: string;
  readonly bytes: Uint8Array;
  /** The text behind the block. */
  readonly rest: string;
}

const COLUMNS = 64; // RFC 7468 §2
const BEGIN = "-----BEGIN ";
const END = "-----END ";
const DASHES = "-----";

/**
 * Reads the first block of PEM as Go's `pem.Decode` does: any text may stand before and after it, a
 * malformed block is passed over. Attacker-controlled input: the time grows with its length only.
 *
 * @throws {SyntaxError} when there is no block, or when it has headers (RFC 1421), which no key of
 * cosign's has: they would announce an encryption of their own.
 */
export function parsePem(text: string): PemBlock {
  for (let start = findMarker(text, BEGIN, 0); start >= 0; ) {
    const block = readBlock(text, start);
    if (typeof block !== "number") return block;
    start = findMarker(text, BEGIN, block);
  }
  throw new SyntaxError("Cannot parse PEM: no block");
}

/** Encodes a block: 64 columns, no headers, a line break at the end. */
export function encodePem(type: string, bytes: Uint8Array): string {
  const lines = encodeBase64(bytes).match(new RegExp(`.{1,${COLUMNS}}`, "g")) ?? [];
  return [`${BEGIN}${type}${DASHES}`, ...lines, `${END}${type}${DASHES}`, ""].join("\n");
}

/** The block whose marker stands at `start`, or where to look for the next one. */
function readBlock(text: string, start: number): PemBlock | number {
  const first = readLine(text, start + BEGIN.length);
  if (!first.line.endsWith(DASHES)) return first.next;
  const type = first.line.slice(0, -DASHES.length);
  if (readLine(text, first.next).line.includes(":")) {
    throw new SyntaxError(`Cannot parse PEM of type "${type}": it has headers`);
  }
  // No base64 has a dash: the first one must begin the end line. So nothing is searched twice.
  const end = text.indexOf("-", first.next);
  if (end < 0 || findMarker(text.slice(end - 1, end + END.length), END, 0) < 0) return first.next;
  const last = readLine(text, end + END.length);
  if (last.line !== `${type}${DASHES}`) return first.next;
  try {
    const bytes = parseBase64(text.slice(first.next, end).replaceAll(/[ \t\r\n]/g, ""));
    return { type, bytes, rest: text.slice(last.next) };
  } catch {
    return first.next; // not base64: no block
  }
}

/** Where `marker` stands at the beginning of a line, `from` on; -1 when nowhere. */
function findMarker(text: string, marker: string, from: number): number {
  if (from === 0 && text.startsWith(marker)) return 0;
  const newline = text.indexOf(`\n${marker}`, Math.max(from - 1, 0));
  return newline < 0 ? -1 : newline + 1;
}

/** The line at `start` without its end and the blanks before that, and where the next line starts. */
function readLine(text: string, start: number): { line: string; next: number } {
  const newline = text.indexOf("\n", start);
  const next = newline < 0 ? text.length : newline + 1;
  const line = text.slice(start, newline < 0 ? next : newline).replace(/\r$/, "");
  return { line: line.replace(/[ \t]+$/, ""), next };
}
