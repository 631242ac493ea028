import { describe, expect, test } from "bun:test";
import { encodePem, parsePem } from "../../../engine/crypto/pem.ts";
import {
  COSIGN_KEY_PEM_TYPES,
  encodeCosignKey,
  parseCosignKey,
} from "../../../engine/formats/cosign_key.ts";
import { parseUtf8, utf8 } from "../../../engine/model/bytes.ts";
import { listVectors, readVectorText } from "../../support/vectors.ts";

const PEM_TYPE = COSIGN_KEY_PEM_TYPES.sigstore;
const REAL = readVectorText("files/key-v3.key");
const JSON_TEXT = parseUtf8(parsePem(REAL).bytes);
const N = '"N":65536';

const wrap = (json: string, type: string = PEM_TYPE): string => encodePem(type, utf8(json));
const encryptedKeys = listVectors("files/").filter((path) => path.endsWith(".key"));

test.each(encryptedKeys)(
  "parseCosignKey() and encodeCosignKey() keep what cosign wrote: %s",
  (path) => {
    const pem = readVectorText(path);
    const isFirstGeneration = /-v1(?:-pkcs8)?\.key$/.test(path);
    const type = isFirstGeneration ? COSIGN_KEY_PEM_TYPES.cosign : COSIGN_KEY_PEM_TYPES.sigstore;
    expect(encodeCosignKey(parseCosignKey(pem), type)).toBe(pem);
  },
);

test("the vectors have 30 encrypted keys", () => expect(encryptedKeys.length).toBe(30));

describe("parseCosignKey()", () => {
  test("takes text around the key, Windows line ends, JSON with blanks and members it does not know", () => {
    const spaced = JSON.stringify({ note: { N: 1 }, ...JSON.parse(JSON_TEXT) }, undefined, 2);
    for (const pem of [`hello\n${REAL}bye`, REAL.replaceAll("\n", "\r\n"), wrap(`${spaced}\n`)]) {
      expect(parseCosignKey(pem)).toEqual(parseCosignKey(REAL));
    }
  });

  test.each([
    ["PUBLIC KEY", "unsupported pem type: PUBLIC KEY"],
    ["EC PRIVATE KEY", "unsupported pem type: EC PRIVATE KEY"],
    ["ENCRYPTED PRIVATE KEY", "unsupported pem type: ENCRYPTED PRIVATE KEY"],
  ])("refuses another type of PEM in cosign's words: %s", (type, message) => {
    expect(() => parseCosignKey(wrap(JSON_TEXT, type))).toThrow(message);
  });

  test("refuses what is no PEM, and PEM with headers, in cosign's words", () => {
    expect(() => parseCosignKey("hello")).toThrow("invalid pem block");
    const withHeaders = REAL.replace("\n", "\nProc-Type: 4,ENCRYPTED\n\n");
    expect(() => parseCosignKey(withHeaders)).toThrow("invalid pem block");
  });

  // cosign's own texts, as cosign 3.1.2 prints them.
  test.each([
    ["another derivation", ['"scrypt"', '"x"'], 'decrypt: encrypted: unknown kdf name "x"'],
    ["another cipher", ['"nacl/secretbox"', '"x"'], 'decrypt: encrypted: unknown cipher name "x"'],
    ["N = 16384", [N, '"N":16384'], "decrypt: unsupported scrypt parameters"],
    ["N = 2^30", [N, '"N":1073741824'], "decrypt: unsupported scrypt parameters"],
    ["N = 1e5", [N, '"N":1e5'], "decrypt: unsupported scrypt parameters"],
    ["r = 1024", ['"r":8', '"r":1024'], "decrypt: unsupported scrypt parameters"],
    ["p = 1048576", ['"p":1', '"p":1048576'], "decrypt: unsupported scrypt parameters"],
    [
      "a nonce of 3 bytes",
      [/"nonce":"[^"]*"/, '"nonce":"AAAA"'],
      "decrypt: encrypted: incorrect nonce size",
    ],
  ] as const)("refuses %s", (_what, [from, to], message) => {
    expect(() => parseCosignKey(wrap(JSON_TEXT.replace(from, to)))).toThrow(message);
  });

  test.each([
    ["no JSON", "hello"],
    ["nothing", ""],
    ["null", "null"],
    ["an array", "[]"],
    ["a text", '"kdf"'],
    ["text behind the JSON", `${JSON_TEXT}x`],
    ["two objects", `${JSON_TEXT}${JSON_TEXT}`],
    ["a text for N", JSON_TEXT.replace(N, '"N":"65536"')],
    ["N that is not whole", JSON_TEXT.replace(N, '"N":65536.5')],
    ["no parameters", JSON_TEXT.replace(/"params":\{[^}]*\},/, "")],
    ["no salt", JSON_TEXT.replace(/"salt":"[^"]*"/, '"x":""')],
    ["a salt of 3 bytes", JSON_TEXT.replace(/"salt":"[^"]*"/, '"salt":"AAAA"')],
    ["a number for the salt", JSON_TEXT.replace(/"salt":"[^"]*"/, '"salt":1')],
    ["no ciphertext", JSON_TEXT.replace(/,"ciphertext":"[^"]*"/, "")],
    ["a ciphertext that is not base64", JSON_TEXT.replace(/"ciphertext":"/, '"ciphertext":"*')],
    ["an array for the derivation", JSON_TEXT.replace(/"kdf":\{/, '"kdf":[],"x":{')],
    ["a doubled ciphertext", JSON_TEXT.replace("{", '{"ciphertext":"AAAA",')],
    ["a doubled N", JSON_TEXT.replace(N, `"N":16384,${N}`)],
    ["a doubled key, escaped", JSON_TEXT.replace(N, `"\\u004e":16384,${N}`)],
    ["a doubled derivation", JSON_TEXT.replace("{", '{"kdf":{},')],
    ["__proto__", JSON_TEXT.replace("{", '{"__proto__":{"ciphertext":"AAAA"},')],
    ["the derivation in __proto__ only", JSON_TEXT.replace('"kdf"', '"__proto__":{"kdf":1},"x"')],
    ["constructor", JSON_TEXT.replace("{", '{"constructor":1,')],
    ["more than 64 KiB", JSON_TEXT.replace("{", `{"x":"${"a".repeat(70_000)}",`)],
    ["sixty thousand brackets", "[".repeat(60_000)],
  ])("refuses %s", (_what, json) => {
    expect(() => parseCosignKey(wrap(json))).toThrow(SyntaxError);
  });

  test("refuses what is no UTF-8", () => {
    const bytes = Uint8Array.of(
      ...utf8(JSON_TEXT.slice(0, -1)),
      ...utf8(',"x":"'),
      0xff,
      0x22,
      0x7d,
    );
    expect(() => parseCosignKey(encodePem(PEM_TYPE, bytes))).toThrow(SyntaxError);
  });

  test("is not misled by what looks like a key inside a text", () => {
    const json = JSON_TEXT.replace("{", '{"note":"\\"kdf\\": 1, \\\\",');
    expect(parseCosignKey(wrap(json))).toEqual(parseCosignKey(REAL));
  });
});
