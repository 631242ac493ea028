import { expect, test } from "bun:test";
import { detectContentType } from "../../../engine/formats/content_type.ts";

const latin1 = (text: string): Uint8Array =>
  Uint8Array.from(text, (letter) => letter.charCodeAt(0));

// The standard's signatures (WHATWG MIME Sniffing §6 and §7) as Go's net/http has them.
const CASES: readonly (readonly [string, string])[] = [
  ["", "text/plain"],
  ["just a text", "text/plain"],
  ["\x01\x02\x03", "application/octet-stream"],
  ["text\x1bwith an escape", "text/plain"],
  ["text\x07with a bell", "application/octet-stream"],
  ["<HtMl><bOdY>blah blah blah</body></html>", "text/html"],
  ["   <!DOCTYPE HTML>...", "text/html"],
  ["\n<!-- a comment -->", "text/html"],
  ["\n<!-->", "text/html"],
  ["<p>x", "text/html"],
  ["<pre>x", "text/plain"],
  ["<a", "text/plain"],
  ['\n<?xml version="1.0"?>', "text/xml"],
  ["%PDF-1.7", "application/pdf"],
  ["%!PS-Adobe-3.0", "application/postscript"],
  ["\xfe\xff\0t", "text/plain"],
  ["\xff\xfet\0", "text/plain"],
  ["\xef\xbb\xbftext", "text/plain"],
  ["\0\0\x01\0", "image/x-icon"],
  ["BM...", "image/bmp"],
  ["GIF87a...", "image/gif"],
  ["GIF89a...", "image/gif"],
  ["RIFFb\xb8\0\0WEBPVP", "image/webp"],
  ["\x89PNG\r\n\x1a\n", "image/png"],
  ["\xff\xd8\xff", "image/jpeg"],
  ["FORM\0\0\0\0AIFF", "audio/aiff"],
  ["ID3\x03", "audio/mpeg"],
  ["OggS\0", "application/ogg"],
  ["MThd\0\0\0\x06\0\x01", "audio/midi"],
  ["RIFFb\xb8\0\0WAVEfmt ", "audio/wave"],
  ["RIFF,O\n\0AVI LIST", "video/avi"],
  ["\0\0\0\x18ftypmp42\0\0\0\0mp42isom<\x06t\xbfmdat", "video/mp4"],
  ["\0\0\0\x18ftypisom\0\0\0\0avc1isom<\x06t\xbfmdat", "application/octet-stream"],
  ["\x1a\x45\xdf\xa3", "video/webm"],
  ["\0\x01\0\0", "font/ttf"],
  ["OTTO", "font/otf"],
  ["ttcf", "font/collection"],
  ["wOFF", "font/woff"],
  ["wOF2", "font/woff2"],
  [`${"\0".repeat(34)}LP`, "application/vnd.ms-fontobject"],
  ["\x1f\x8b\x08", "application/x-gzip"],
  ["PK\x03\x04", "application/zip"],
  ["Rar!\x1a\x07\0", "application/x-rar-compressed"],
  ["Rar!\x1a\x07\x01\0", "application/x-rar-compressed"],
  ["\0asm\x01\0\0\0", "application/wasm"],
  ["{}", "text/plain"],
];

test.each(CASES)("detectContentType() finds what %j is", (text, type) => {
  expect(detectContentType(latin1(text))).toBe(type);
});

test("detectContentType() looks at 512 bytes and no more", () => {
  expect(detectContentType(latin1(`${" ".repeat(511)}x\0`))).toBe("text/plain");
  expect(detectContentType(latin1(`${"x".repeat(511)}\0`))).toBe("application/octet-stream");
});
