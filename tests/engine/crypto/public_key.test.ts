import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { encodeDer, TAG } from "../../../engine/crypto/der.ts";
import { encodePem } from "../../../engine/crypto/pem.ts";
import { parsePublicKeyDer, parsePublicKeyPem } from "../../../engine/crypto/public_key.ts";
import { CosignError } from "../../../engine/model/errors.ts";
import { WEAKNESSES } from "../../../engine/model/key.ts";
import { listVectors, readVectorText } from "../../support/vectors.ts";
import moduli from "./rsa_moduli.json" with { type: "json" };

setDefaultTimeout(60_000); // stretching passwords and making RSA keys takes its time on a busy machine

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text);
const OID_EC = hex("06072a8648ce3d0201");
const OID_P256 = hex("06082a8648ce3d030107");
const OID_RSA = hex("06092a864886f70d010101");
const OID_ED25519 = hex("06032b6570");
const NULL = hex("0500");
const P256_POINT = hex(
  "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
);
const ED25519_POINT = hex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");

function spki(algorithm: readonly Uint8Array[], key: Uint8Array): Uint8Array {
  const bits = encodeDer(TAG.bitString, Uint8Array.of(0), key);
  return encodeDer(TAG.sequence, encodeDer(TAG.sequence, ...algorithm), bits);
}

function rsaSpki(modulus: string, exponent = "010001"): Uint8Array {
  const integers = [modulus, exponent].map((text) => encodeDer(TAG.integer, hex(text)));
  return spki([OID_RSA, NULL], encodeDer(TAG.sequence, ...integers));
}

/** The error that reading fails with. */
function failure(read: () => unknown): CosignError {
  try {
    read();
  } catch (error) {
    if (error instanceof CosignError) return error;
    throw error;
  }
  throw new Error("no error was thrown");
}

const codeOf = (der: Uint8Array): string => failure(() => parsePublicKeyDer(der, "a key")).code;

describe("parsePublicKeyPem()", () => {
  const publicKeys = listVectors("files/").filter((path) => path.endsWith(".pub"));

  test.each(publicKeys)("reads what cosign wrote: %s", (path) => {
    const pem = readVectorText(path);
    const key = parsePublicKeyPem(pem, path);
    const name = key.type.replace("ecdsa-", "").replace("-", "");
    expect(path.includes("import-") ? path : `import-${name}`).toContain(name);
    expect(key.uri).toBe(path);
    expect(encodePem("PUBLIC KEY", key.spki)).toBe(pem);
  });

  test("finds all vectors", () => expect(publicKeys.length).toBe(30));

  test("reads RSA keys in PKCS#1", () => {
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pem = publicKey.export({ format: "pem", type: "pkcs1" }).toString();
    const key = parsePublicKeyPem(pem, "rsa.pem");
    expect(key.type).toBe("rsa-2048");
    expect(key.spki).toEqual(new Uint8Array(publicKey.export({ format: "der", type: "spki" })));
  });

  test("says what it got instead of a public key, in cosign's words", () => {
    const error = failure(() =>
      parsePublicKeyPem(readVectorText("files/key-v3.key"), "cosign.key"),
    );
    expect(error.code).toBe("KEY_INVALID");
    expect(error.message).toContain(
      "unknown Public key PEM file type: ENCRYPTED SIGSTORE PRIVATE KEY. Are you passing the correct public key?",
    );
    expect(error.hint).toContain(".pub");
  });

  test("says that a file is no PEM", () => {
    const error = failure(() => parsePublicKeyPem("hello", "hello.txt"));
    expect(error.code).toBe("KEY_INVALID");
    expect(error.message).toContain("PEM decoding failed");
    expect(error.message).toContain("hello.txt");
  });
});

describe("parsePublicKeyDer() and EC", () => {
  test("takes a named curve and an uncompressed point", () => {
    expect(parsePublicKeyDer(spki([OID_EC, OID_P256], P256_POINT), "x").type).toBe("ecdsa-p256");
  });

  test("refuses explicit parameters, even those of a named curve (CVE-2020-0601)", () => {
    expect(codeOf(spki([OID_EC, hex("3003020101")], P256_POINT))).toBe("KEY_UNSUPPORTED");
  });

  test.each([
    ["secp256k1", "06052b8104000a"],
    ["brainpoolP256r1", "06092b2403030208010107"],
    ["an identifier that ends in P-256's", "060a2a8648ce3d8086480107"],
  ])("refuses other curves: %s", (_name, oid) => {
    expect(codeOf(spki([OID_EC, hex(oid)], P256_POINT))).toBe("KEY_UNSUPPORTED");
  });

  test.each([
    ["no parameters", spki([OID_EC], P256_POINT)],
    ["NULL parameters", spki([OID_EC, NULL], P256_POINT)],
    ["a compressed point", spki([OID_EC, OID_P256], hex(`03${P256_POINT.toHex().slice(2, 66)}`))],
    ["the hybrid form of a point", spki([OID_EC, OID_P256], P256_POINT.with(0, 7))],
    ["the point at infinity", spki([OID_EC, OID_P256], hex("00"))],
    ["a point that is not on the curve", spki([OID_EC, OID_P256], P256_POINT.with(64, 0))],
    [
      "coordinates that are too large",
      spki([OID_EC, OID_P256], new Uint8Array(65).fill(255).with(0, 4)),
    ],
    ["coordinates of zero", spki([OID_EC, OID_P256], new Uint8Array(65).with(0, 4))],
    ["a point of another curve's size", spki([OID_EC, OID_P256], new Uint8Array(97).with(0, 4))],
  ])("refuses %s", (_what, der) => {
    expect(codeOf(der)).toBe("KEY_INVALID");
  });
});

describe("parsePublicKeyDer() and RSA", () => {
  test("takes a sound key of 2048 bits", () => {
    expect(parsePublicKeyDer(rsaSpki(`00${moduli.sound}`), "x").type).toBe("rsa-2048");
  });

  test.each([
    ["the structure of ROCA (CVE-2017-15361)", moduli.roca, "ROCA"],
    ["primes that are too close", moduli.closePrimes, "too close"],
    ["a small factor", moduli.smallFactor, "divisible by 743"],
    ["an even modulus", `${moduli.sound.slice(0, -1)}e`, "divisible by 2"],
  ])("refuses %s as weak", (_what, modulus, why) => {
    const error = failure(() => parsePublicKeyDer(rsaSpki(`00${modulus}`), "weak.pub"));
    expect(error.code).toBe("KEY_WEAK");
    expect(error.message).toContain(why);
    expect(error.message).toContain("weak.pub");
  });

  test.each([
    ["1", "01"],
    ["3", "03"],
    ["65535", "00ffff"],
    ["65539", "010003"],
    ["2^32 + 65537", "0100010001"],
  ])("refuses the public exponent %s as weak", (_what, exponent) => {
    expect(codeOf(rsaSpki(`00${moduli.sound}`, exponent))).toBe("KEY_WEAK");
  });

  test.each([512, 1024, 2047])("refuses %d bits as weak", (bits) => {
    const leading = bits % 8 === 0 ? `00${"ff".repeat(bits / 8)}` : `7f${"ff".repeat(255)}`;
    expect(codeOf(rsaSpki(leading))).toBe("KEY_WEAK");
  });

  test.each([2056, 2560, 4104, 8192])("refuses %d bits as unsupported", (bits) => {
    expect(codeOf(rsaSpki(`00${"ff".repeat(bits / 8)}`))).toBe("KEY_UNSUPPORTED");
  });

  test.each([
    ["no parameters", spki([OID_RSA], encodeDer(TAG.sequence))],
    ["an empty key", spki([OID_RSA, NULL], encodeDer(TAG.sequence))],
    ["a negative modulus", rsaSpki(moduli.sound)],
    [
      "an integer more",
      spki([OID_RSA, NULL], encodeDer(TAG.sequence, hex("020101"), hex("020101"), hex("020101"))),
    ],
  ])("refuses %s", (_what, der) => {
    expect(codeOf(der)).toBe("KEY_INVALID");
  });

  test("refuses keys that are bound to PSS", () => {
    const pss = spki([hex("06092a864886f70d01010a"), NULL], encodeDer(TAG.sequence));
    expect(codeOf(pss)).toBe("KEY_UNSUPPORTED");
  });
});

describe("parsePublicKeyDer() and weak keys that are allowed by name", () => {
  const p224 = generateKeyPairSync("ec", { namedCurve: "P-224" }).publicKey;
  const rsa = (modulusLength: number, publicExponent = 65537) =>
    generateKeyPairSync("rsa", { modulusLength, publicExponent }).publicKey;
  const weak = [
    ["P-224", p224, "ecdsa-p224", ["ecdsa-p224"]],
    ["RSA of 1024 bits", rsa(1024), "rsa-1024", ["rsa-1024"]],
    ["RSA of 1536 bits", rsa(1536), "rsa-1536", ["rsa-1536"]],
    ["the public exponent 3", rsa(2048, 3), "rsa-2048", ["rsa-exponent-3"]],
    ["two weaknesses at once", rsa(1024, 3), "rsa-1024", ["rsa-1024", "rsa-exponent-3"]],
  ] as const;

  test.each(weak)("takes %s with its name, and tells of it", (_what, key, type, names) => {
    const der = new Uint8Array(key.export({ format: "der", type: "spki" }));
    const read = parsePublicKeyDer(der, "x", names);
    expect(read).toMatchObject({ type, weaknesses: names });
    for (const missing of names) {
      const others = WEAKNESSES.filter((name) => name !== missing);
      const error = failure(() => parsePublicKeyDer(der, "x", others));
      expect(error).toMatchObject({ code: "KEY_WEAK" });
      expect(error.hint).toContain(`--allow-weak-key ${missing}`);
    }
  });

  test("says nothing of a sound key for which weaknesses are allowed", () => {
    const key = parsePublicKeyDer(spki([OID_EC, OID_P256], P256_POINT), "x", WEAKNESSES);
    expect(key.weaknesses).toBeUndefined();
  });

  test.each([
    ["512 bits", rsaSpki(`00${"ff".repeat(64)}`)],
    ["the public exponent 1", rsaSpki(`00${moduli.sound}`, "01")],
    ["the structure of ROCA", rsaSpki(`00${moduli.roca}`)],
    ["the structure of ROCA beside the exponent 3", rsaSpki(`00${moduli.roca}`, "03")],
    ["primes that are too close", rsaSpki(`00${moduli.closePrimes}`)],
    ["a small factor", rsaSpki(`00${moduli.smallFactor}`)],
    ["a point of small order", spki([OID_ED25519], new Uint8Array(32))],
  ])("refuses %s whatever is allowed", (_what, der) => {
    const error = failure(() => parsePublicKeyDer(der, "x", WEAKNESSES));
    expect(error).toMatchObject({ code: "KEY_WEAK" });
    expect(error.hint).not.toContain("--allow-weak-key");
  });
});

describe("parsePublicKeyDer() and Ed25519", () => {
  test("takes a point", () => {
    expect(parsePublicKeyDer(spki([OID_ED25519], ED25519_POINT), "x").type).toBe("ed25519");
  });

  test.each([
    ["parameters", spki([OID_ED25519, NULL], ED25519_POINT)],
    ["31 bytes", spki([OID_ED25519], ED25519_POINT.subarray(1))],
    ["33 bytes", spki([OID_ED25519], Uint8Array.of(...ED25519_POINT, 0))],
    ["what is no point", spki([OID_ED25519], hex(`02${"00".repeat(31)}`))],
  ])("refuses %s", (_what, der) => {
    expect(codeOf(der)).toBe("KEY_INVALID");
  });

  test.each([
    ["the neutral element", `01${"00".repeat(31)}`],
    ["order 2", `ec${"ff".repeat(30)}7f`],
    ["order 4", "00".repeat(32)],
    ["order 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"],
  ])("refuses points of small order as weak: %s", (_what, point) => {
    expect(codeOf(spki([OID_ED25519], hex(point)))).toBe("KEY_WEAK");
  });
});

describe("parsePublicKeyDer()", () => {
  test("refuses other types of keys", () => {
    const { publicKey } = generateKeyPairSync("x25519");
    const der = new Uint8Array(publicKey.export({ format: "der", type: "spki" }));
    expect(codeOf(der)).toBe("KEY_UNSUPPORTED");
  });

  test("refuses every cut and every byte behind the end", () => {
    const good = spki([OID_EC, OID_P256], P256_POINT);
    for (let length = 0; length < good.length; length++) {
      expect(codeOf(good.subarray(0, length))).toBe("KEY_INVALID");
    }
    expect(codeOf(Uint8Array.of(...good, 0))).toBe("KEY_INVALID");
  });

  test("never lets through what it cannot use: any byte changed", () => {
    const good = spki([OID_EC, OID_P256], P256_POINT);
    for (let at = 0; at < good.length; at++) {
      const changed = good.with(at, (good[at] ?? 0) ^ 0x55);
      expect(["KEY_INVALID", "KEY_UNSUPPORTED"]).toContain(codeOf(changed));
    }
  });

  test("gives a key object that is the key", () => {
    const key = parsePublicKeyDer(spki([OID_EC, OID_P256], P256_POINT), "x");
    expect(key.key.export({ format: "der", type: "spki" }).equals(key.spki)).toBeTrue();
  });
});
