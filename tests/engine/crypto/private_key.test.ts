import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { encodeDer, TAG } from "../../../engine/crypto/der.ts";
import { parsePem } from "../../../engine/crypto/pem.ts";
import { generatePrivateKey, parsePrivateKey } from "../../../engine/crypto/private_key.ts";
import { publicKeyOf } from "../../../engine/crypto/public_key.ts";
import type { KeyType } from "../../../engine/model/key.ts";
import { readVectorText } from "../../support/vectors.ts";

setDefaultTimeout(60_000); // stretching passwords and making RSA keys takes its time on a busy machine

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text);
const der = (file: string): Uint8Array => parsePem(readVectorText(`files/${file}`)).bytes;
const withCode = (code: string, message = "") =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

const types: readonly KeyType[] = [
  "ecdsa-p256",
  "ecdsa-p384",
  "ecdsa-p521",
  "ed25519",
  "rsa-2048",
  "rsa-3072",
];
test.each(types)("generatePrivateKey() makes keys that parsePrivateKey() reads: %s", (type) => {
  const key = generatePrivateKey(type);
  expect(publicKeyOf(key, "new").type).toBe(type);
  const pkcs8 = new Uint8Array(key.export({ format: "der", type: "pkcs8" }));
  expect(parsePrivateKey(pkcs8, "pkcs8", "new").publicKey.type).toBe(type);
});

describe("parsePrivateKey()", () => {
  test.each([
    ["p256.pem", "sec1", "ecdsa-p256"],
    ["p384.pem", "sec1", "ecdsa-p384"],
    ["p521.pem", "sec1", "ecdsa-p521"],
    ["p256.pkcs8.pem", "pkcs8", "ecdsa-p256"],
    ["p384.pkcs8.pem", "pkcs8", "ecdsa-p384"],
    ["p521.pkcs8.pem", "pkcs8", "ecdsa-p521"],
    ["rsa2048.pem", "pkcs8", "rsa-2048"],
    ["rsa4096.pem", "pkcs8", "rsa-4096"],
    ["ed25519.pem", "pkcs8", "ed25519"],
  ] as const)("reads %s (%s)", (file, form, type) => {
    expect<string>(parsePrivateKey(der(file), form, file).publicKey.type).toBe(type);
  });

  test("refuses a public half that is another key's", () => {
    const own = hex(der("p256.pem").toHex());
    const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey;
    own.set(other.export({ format: "der", type: "spki" }).subarray(-65), own.length - 65);
    expect(() => parsePrivateKey(own, "sec1", "mixed.pem")).toThrow(withCode("KEY_INVALID"));
  });

  test("refuses curves that are not ours, before native code meets them", () => {
    const scalar = encodeDer(TAG.octetString, new Uint8Array(32).fill(1));
    const version = hex("020101");
    for (const parameters of [hex("06052b8104000a"), hex("3003020101")]) {
      const sec1 = encodeDer(TAG.sequence, version, scalar, encodeDer(0xa0, parameters));
      expect(() => parsePrivateKey(sec1, "sec1", "x")).toThrow(withCode("KEY_UNSUPPORTED"));
      const algorithm = encodeDer(TAG.sequence, hex("06072a8648ce3d0201"), parameters);
      const inner = encodeDer(TAG.sequence, version, scalar);
      const pkcs8 = encodeDer(
        TAG.sequence,
        hex("020100"),
        algorithm,
        encodeDer(TAG.octetString, inner),
      );
      expect(() => parsePrivateKey(pkcs8, "pkcs8", "x")).toThrow(withCode("KEY_UNSUPPORTED"));
    }
  });

  test("refuses a SEC 1 key that names no curve", () => {
    const sec1 = encodeDer(
      TAG.sequence,
      hex("020101"),
      encodeDer(TAG.octetString, new Uint8Array(32).fill(1)),
    );
    expect(() => parsePrivateKey(sec1, "sec1", "x")).toThrow(withCode("KEY_INVALID", "curve"));
  });

  test("holds keys to the policy of public keys", () => {
    const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
    const pkcs1 = new Uint8Array(weak.export({ format: "der", type: "pkcs1" }));
    expect(() => parsePrivateKey(pkcs1, "pkcs1", "weak.pem")).toThrow(withCode("KEY_WEAK", "1024"));
    const other = generateKeyPairSync("x25519").privateKey;
    const pkcs8 = new Uint8Array(other.export({ format: "der", type: "pkcs8" }));
    expect(() => parsePrivateKey(pkcs8, "pkcs8", "x")).toThrow(withCode("KEY_UNSUPPORTED"));
  });

  test("refuses what is no key, and a key in another form than said", () => {
    for (const bytes of [new Uint8Array(0), hex("3000"), der("p256.pem")]) {
      expect(() => parsePrivateKey(bytes, "pkcs8", "x")).toThrow(withCode("KEY_INVALID"));
    }
    expect(() => parsePrivateKey(der("p256.pkcs8.pem"), "sec1", "x")).toThrow(
      withCode("KEY_INVALID"),
    );
  });
});
