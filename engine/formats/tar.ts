import { parseUtf8, utf8 } from "../model/bytes.ts";

const BLOCK = 512;
/** The end: two blocks of zeros. */
const END_BYTES = 2 * BLOCK;
/** Far above the files of any chart. */
const MAX_ENTRIES = 10_000;
const MAX_RECORDS_BYTES = 64 * 1024; // names and times of one file
const NAME_BYTES = 100;

/** One entry of an archive. */
export interface TarEntry {
  /** As it stands there: attacker-controlled, no path to write to. */
  readonly name: string;
  readonly type: "file" | "directory" | "other";
  /** A part of the archive's own bytes. */
  readonly content: Uint8Array;
}

/**
 * Writes an archive of one file, to the byte as Go's `archive/tar` writes it: ustar (POSIX.1-1988), mode 0600, no
 * owner, no time; a longer name in a record of pax.
 *
 * @param name ASCII, without slashes.
 */
export function encodeTarFile(name: string, content: Uint8Array): Uint8Array {
  if (!/^[\x21-\x2e\x30-\x7e]+$/.test(name)) throw new RangeError(`"${name}" is no name of a file`);
  const parts = [headerOf(name.slice(0, NAME_BYTES), "0", 0o600, content.length), padded(content)];
  if (name.length > NAME_BYTES) {
    const records = encodeRecord("path", name);
    const header = headerOf(`PaxHeaders.0/${name}`.slice(0, NAME_BYTES), "x", 0, records.length);
    parts.unshift(header, padded(records));
  }
  return new Uint8Array(Buffer.concat([...parts, new Uint8Array(END_BYTES)]));
}

/**
 * Reads an archive (ustar, with the long names of pax and GNU), attacker-controlled: what two programs could read
 * differently is refused.
 *
 * @throws {SyntaxError} when it is none, cut off, without an end, or of more than 10,000 entries.
 */
export function readTar(archive: Uint8Array): readonly TarEntry[] {
  const entries: TarEntry[] = [];
  let longName: string | undefined;
  let at = 0;
  for (;;) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.length < BLOCK) throw new SyntaxError("The archive has no end");
    if (header.every((byte) => byte === 0)) break;
    checkHeader(header);
    const sizeBytes = parseOctal(header.subarray(124, 136));
    const from = at + BLOCK;
    const content = archive.subarray(from, from + sizeBytes);
    if (content.length < sizeBytes) throw new SyntaxError("The archive is cut off");
    at = from + Math.ceil(sizeBytes / BLOCK) * BLOCK;
    const type = String.fromCharCode(header[156] ?? 0);
    if ((type === "x" || type === "L") && sizeBytes > MAX_RECORDS_BYTES) {
      throw new SyntaxError(`A name in the archive has ${sizeBytes} bytes`);
    }
    if (type === "x") longName = pathOfRecords(content) ?? longName;
    else if (type === "L") longName = parseUtf8(content).replace(/\0+$/, "");
    else if (type !== "g") {
      entries.push({ name: longName ?? nameOf(header), type: typeOf(type), content });
      longName = undefined;
      if (entries.length > MAX_ENTRIES) throw new SyntaxError("The archive has too many entries");
    }
  }
  if (archive.subarray(at).some((byte) => byte !== 0)) {
    throw new SyntaxError("Something stands behind the end of the archive");
  }
  return entries;
}

function headerOf(name: string, type: string, mode: number, sizeBytes: number): Uint8Array {
  const header = new Uint8Array(BLOCK);
  const put = (at: number, text: string): void => header.set(utf8(text), at);
  const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, "0");
  put(0, name);
  put(100, octal(mode, 7));
  put(108, octal(0, 7)); // owner
  put(116, octal(0, 7)); // group
  put(124, octal(sizeBytes, 11));
  put(136, octal(0, 11)); // time
  put(148, " ".repeat(8)); // the sum counts its own place as blanks
  put(156, type);
  put(257, "ustar\x0000");
  if (type === "0") {
    put(329, octal(0, 7)); // device
    put(337, octal(0, 7));
  }
  put(148, `${octal(sumOf(header), 6)}\0 `);
  return header;
}

function padded(content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(content.length / BLOCK) * BLOCK);
  bytes.set(content);
  return bytes;
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function encodeRecord(key: string, value: string): Uint8Array {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (length < rest.length + `${length}`.length) length += 1;
  return utf8(`${length}${rest}`);
}

function pathOfRecords(records: Uint8Array): string | undefined {
  let path: string | undefined;
  for (let rest = records; rest.length > 0; ) {
    const blank = rest.indexOf(0x20);
    const digits = parseUtf8(rest.subarray(0, Math.max(blank, 0)));
    const length = /^[1-9]\d{0,5}$/.test(digits) ? Number(digits) : 0;
    if (length <= blank || length > rest.length || rest[length - 1] !== 0x0a) {
      throw new SyntaxError("A record of pax has a wrong length");
    }
    const record = parseUtf8(rest.subarray(blank + 1, length - 1));
    const [key, ...value] = record.split("=");
    if (key === "size") throw new SyntaxError("A record of pax changes a size");
    if (key === "path") path = value.join("=");
    rest = rest.subarray(length);
  }
  return path;
}

function checkHeader(header: Uint8Array): void {
  const magic = Buffer.from(header.subarray(257, 262)).toString("latin1");
  if (magic !== "ustar") throw new SyntaxError("It is no tar archive");
  if (parseOctal(header.subarray(148, 156)) !== sumOf(header)) {
    throw new SyntaxError("A header of the archive has a wrong sum");
  }
}

function sumOf(header: Uint8Array): number {
  return header.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 0x20 : byte), 0);
}

function parseOctal(field: Uint8Array): number {
  const text = Buffer.from(field).toString("latin1");
  const [, digits] = /^ *([0-7]+)[\0 ]*$/.exec(text) ?? [];
  if (digits === undefined) throw new SyntaxError("A number in the archive is no octal one");
  return Number.parseInt(digits, 8);
}

function nameOf(header: Uint8Array): string {
  const text = (from: number, to: number): string =>
    parseUtf8(header.subarray(from, to)).replace(/\0[\s\S]*$/, "");
  // GNU's own form has times in the place of the prefix.
  const prefix = header[262] === 0 ? text(345, 500) : "";
  return prefix === "" ? text(0, NAME_BYTES) : `${prefix}/${text(0, NAME_BYTES)}`;
}

function typeOf(type: string): TarEntry["type"] {
  if (type === "0" || type === "\0") return "file";
  return type === "5" ? "directory" : "other";
}
