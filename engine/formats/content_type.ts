/** So many bytes are looked at (WHATWG MIME Sniffing, "resource header"; Go takes 512 of them). */
export const SNIFFED_BYTES = 512;

interface Signature {
  readonly type: string;
  /** Compared with the beginning, byte by byte. */
  readonly pattern: string;
  /** Bits of each byte that count; all when absent. */
  readonly mask?: string;
  /** Spaces and line ends at the beginning are passed over. */
  readonly skipsSpace?: boolean;
}

const TAGS = [
  "<!DOCTYPE HTML",
  "<HTML",
  "<HEAD",
  "<SCRIPT",
  "<IFRAME",
  "<H1",
  "<DIV",
  "<FONT",
  "<TABLE",
  "<A",
  "<STYLE",
  "<TITLE",
  "<B",
  "<BODY",
  "<BR",
  "<P",
  "<!--",
];

/** In the order in which Go's `net/http` tries them. */
const BEFORE_MP4: readonly Signature[] = [
  { type: "text/xml; charset=utf-8", pattern: "<?xml", skipsSpace: true },
  { type: "application/pdf", pattern: "%PDF-" },
  { type: "application/postscript", pattern: "%!PS-Adobe-" },
  { type: "text/plain; charset=utf-16be", pattern: "\xfe\xff\0\0", mask: "\xff\xff\0\0" },
  { type: "text/plain; charset=utf-16le", pattern: "\xff\xfe\0\0", mask: "\xff\xff\0\0" },
  { type: "text/plain; charset=utf-8", pattern: "\xef\xbb\xbf\0", mask: "\xff\xff\xff\0" },
  { type: "image/x-icon", pattern: "\0\0\x01\0" },
  { type: "image/x-icon", pattern: "\0\0\x02\0" },
  { type: "image/bmp", pattern: "BM" },
  { type: "image/gif", pattern: "GIF87a" },
  { type: "image/gif", pattern: "GIF89a" },
  riff("image/webp", "WEBPVP"),
  { type: "image/png", pattern: "\x89PNG\r\n\x1a\n" },
  { type: "image/jpeg", pattern: "\xff\xd8\xff" },
  {
    type: "audio/aiff",
    pattern: "FORM\0\0\0\0AIFF",
    mask: "\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff",
  },
  { type: "audio/mpeg", pattern: "ID3" },
  { type: "application/ogg", pattern: "OggS\0" },
  { type: "audio/midi", pattern: "MThd\0\0\0\x06" },
  riff("video/avi", "AVI "),
  riff("audio/wave", "WAVE"),
];

const AFTER_MP4: readonly Signature[] = [
  { type: "video/webm", pattern: "\x1a\x45\xdf\xa3" },
  {
    type: "application/vnd.ms-fontobject",
    pattern: `${"\0".repeat(34)}LP`,
    mask: `${"\0".repeat(34)}\xff\xff`,
  },
  { type: "font/ttf", pattern: "\0\x01\0\0" },
  { type: "font/otf", pattern: "OTTO" },
  { type: "font/collection", pattern: "ttcf" },
  { type: "font/woff", pattern: "wOFF" },
  { type: "font/woff2", pattern: "wOF2" },
  { type: "application/x-gzip", pattern: "\x1f\x8b\x08" },
  { type: "application/zip", pattern: "PK\x03\x04" },
  { type: "application/x-rar-compressed", pattern: "Rar!\x1a\x07\0" },
  { type: "application/x-rar-compressed", pattern: "Rar!\x1a\x07\x01\0" },
  { type: "application/wasm", pattern: "\0asm" },
];

/**
 * The media type of a file by its first bytes, as Go's `http.DetectContentType` finds it (the sniffing
 * standard of the WHATWG), without parameters: `text/plain`, `application/octet-stream`.
 *
 * @param bytes The beginning; {@link SNIFFED_BYTES} are enough.
 */
export function detectContentType(bytes: Uint8Array): string {
  const head = bytes.subarray(0, SNIFFED_BYTES);
  const text = head.subarray(firstNonSpace(head));
  const type =
    (isHtml(text) ? "text/html" : undefined) ??
    firstMatch(BEFORE_MP4, head, text) ??
    (isMp4(head) ? "video/mp4" : undefined) ??
    firstMatch(AFTER_MP4, head, text) ??
    (text.some(isBinary) ? "application/octet-stream" : "text/plain");
  return type.split(";", 1)[0] ?? type;
}

function riff(type: string, form: string): Signature {
  return {
    type,
    pattern: `RIFF\0\0\0\0${form}`,
    mask: `\xff\xff\xff\xff\0\0\0\0${"\xff".repeat(form.length)}`,
  };
}

function firstMatch(
  signatures: readonly Signature[],
  head: Uint8Array,
  text: Uint8Array,
): string | undefined {
  return signatures.find((signature) => matches(signature, signature.skipsSpace ? text : head))
    ?.type;
}

function matches({ pattern, mask }: Signature, bytes: Uint8Array): boolean {
  if (bytes.length < pattern.length) return false;
  for (let i = 0; i < pattern.length; i++) {
    const bits = mask === undefined ? 0xff : mask.charCodeAt(i);
    if (((bytes[i] ?? 0) & bits) !== pattern.charCodeAt(i)) return false;
  }
  return true;
}

/** A tag of HTML, in any case, and behind it a space or `>`. */
function isHtml(text: Uint8Array): boolean {
  return TAGS.some((tag) => {
    if (text.length <= tag.length) return false;
    const letters = Buffer.from(text.subarray(0, tag.length)).toString("latin1");
    const end = text[tag.length];
    return letters.replaceAll(/[a-z]/g, upper) === tag && (end === 0x20 || end === 0x3e);
  });
}

function upper(letter: string): string {
  return letter.toUpperCase();
}

/** ISO base media: a box `ftyp` whose brands begin with `mp4`. */
function isMp4(head: Uint8Array): boolean {
  if (head.length < 12) return false;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const sizeBytes = view.getUint32(0);
  if (head.length < sizeBytes || sizeBytes % 4 !== 0 || view.getUint32(4) !== 0x66747970)
    return false;
  for (let at = 8; at < sizeBytes; at += 4) {
    if (at === 12) continue; // the version of the brand before
    if (head[at] === 0x6d && head[at + 1] === 0x70 && head[at + 2] === 0x34) return true;
  }
  return false;
}

function firstNonSpace(bytes: Uint8Array): number {
  const at = bytes.findIndex((byte) => ![0x09, 0x0a, 0x0c, 0x0d, 0x20].includes(byte));
  return at < 0 ? bytes.length : at;
}

function isBinary(byte: number): boolean {
  return (
    byte <= 0x08 ||
    byte === 0x0b ||
    (byte >= 0x0e && byte <= 0x1a) ||
    (byte >= 0x1c && byte <= 0x1f)
  );
}
