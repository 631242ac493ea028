import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { ed25519, ed25519ph } from "@noble/curves/ed25519.js";
import { p256, p384, p521 } from "@noble/curves/nist.js";
import { signDigest } from "../../../engine/crypto/digest_signature.ts";
import { generatePrivateKey } from "../../../engine/crypto/private_key.ts";
import {
  parsePublicKeyDer,
  parsePublicKeyPem,
  publicKeyOf,
} from "../../../engine/crypto/public_key.ts";
import { signMessage, verifySignature } from "../../../engine/crypto/signature.ts";
import { parseBase64, utf8 } from "../../../engine/model/bytes.ts";
import { hasCode } from "../../../engine/model/errors.ts";
import type { KeyType, PublicKey } from "../../../engine/model/key.ts";
import { readVector, readVectorText } from "../../support/vectors.ts";
import ecdsaCases from "./ecdsa_cases.json" with { type: "json" };

setDefaultTimeout(60_000); // stretching passwords and making RSA keys takes its time on a busy machine

const DIGESTS = ["sha224", "sha256", "sha384", "sha512"] as const;
const hex = (text: string): Uint8Array => Uint8Array.fromHex(text);

/** The scheme, or the code of the error. */
function outcome(...args: Parameters<typeof verifySignature>): string {
  try {
    return verifySignature(...args);
  } catch (error) {
    if (hasCode(error, "SIGNATURE_INVALID")) return error.code;
    throw error;
  }
}

describe("verifySignature() with ECDSA", () => {
  for (const { curve, spki, message, cases } of ecdsaCases) {
    const key = parsePublicKeyDer(hex(spki), curve);
    test.each(cases)(`${curve}: $comment`, ({ signature, valid }) => {
      const expected = valid === false ? "SIGNATURE_INVALID" : `ecdsa-${valid}`;
      expect(outcome(key, utf8(message), hex(signature))).toBe(expected);
    });
  }

  test("agrees with noble over signatures by either", () => {
    const curves = { "ecdsa-p256": p256, "ecdsa-p384": p384, "ecdsa-p521": p521 };
    for (const [type, curve] of Object.entries(curves)) {
      const { secretKey, publicKey } = curve.keygen();
      const key = ecKey(type, curve.Point.fromBytes(publicKey).toBytes(false));
      const message = utf8(`message for ${type}`);
      const digest = type === "ecdsa-p256" ? "sha256" : type === "ecdsa-p384" ? "sha384" : "sha512";
      const signature = curve.sign(message, secretKey, { format: "der", lowS: false });
      expect(outcome(key, message, signature)).toBe(`ecdsa-${digest}`);
      expect(outcome(key, utf8("another message"), signature)).toBe("SIGNATURE_INVALID");
    }
  });

  test("takes only the digest that is asked for", () => {
    const [key, privateKey] = pair("ecdsa-p384");
    const message = utf8("hello");
    for (const made of DIGESTS) {
      const signature = signMessage(privateKey, key.type, message, made);
      for (const only of DIGESTS) {
        const expected = made === only ? `ecdsa-${only}` : "SIGNATURE_INVALID";
        expect(outcome(key, message, signature, only)).toBe(expected);
      }
      const isUsual = made === "sha256" || made === "sha384";
      expect(outcome(key, message, signature)).toBe(
        isUsual ? `ecdsa-${made}` : "SIGNATURE_INVALID",
      );
    }
  });

  test("refuses P-256 signatures over another digest than SHA-256", () => {
    const [key, privateKey] = pair("ecdsa-p256");
    const signature = signMessage(privateKey, key.type, utf8("hello"), "sha512");
    expect(outcome(key, utf8("hello"), signature)).toBe("SIGNATURE_INVALID");
    expect(outcome(key, utf8("hello"), signature, "sha512")).toBe("ecdsa-sha512");
  });
});

describe("verifySignature() with Ed25519", () => {
  // RFC 8032 §7.1, tests 1 to 3.
  const rfc = [
    ["9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", ""],
    ["4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "72"],
    ["c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", "af82"],
  ] as const;
  const rfcSignatures = [
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
  ];
  const message = hex("af82");
  const key = edKey(ed25519.getPublicKey(hex(rfc[2][0])));
  const good = hex(rfcSignatures[2] ?? "");

  test.each(rfc.map((each, i) => [i + 1, ...each, rfcSignatures[i] ?? ""] as const))(
    "takes RFC 8032 §7.1, test %d",
    (_number, secret, text, signature) => {
      const point = ed25519.getPublicKey(hex(secret));
      expect(outcome(edKey(point), hex(text), hex(signature))).toBe("ed25519");
    },
  );

  test("takes and makes Ed25519ph: RFC 8032 §7.3", () => {
    const secret = hex("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42");
    const signature = hex(
      "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406",
    );
    const phKey = edKey(ed25519.getPublicKey(secret));
    expect(outcome(phKey, utf8("abc"), signature)).toBe("ed25519ph");
    expect(outcome(phKey, utf8("abd"), signature)).toBe("SIGNATURE_INVALID");
    expect(outcome(phKey, utf8("abc"), signature, "sha512")).toBe("ed25519ph");
    expect(outcome(phKey, utf8("abc"), signature, "sha256")).toBe("SIGNATURE_INVALID");

    const der = new Uint8Array([...hex("302e020100300506032b657004220420"), ...secret]);
    const privateKey = createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" });
    expect(signMessage(privateKey, "ed25519", utf8("abc"), "sha512")).toEqual(signature);
    const digest = createHash("sha512").update("abc").digest();
    expect(signDigest(privateKey, "ed25519", digest, "sha512")).toEqual(signature);
  });

  test("refuses S + L, which is S to verifiers that do not look (RFC 8032 §5.1.7) (tweetnacl 253, CVE-2026-33895)", () => {
    for (const [scheme, made] of [
      ["ed25519", good],
      ["ed25519ph", ed25519ph.sign(message, hex(rfc[2][0]))],
    ] as const) {
      expect(outcome(key, message, made)).toBe(scheme);
      for (const times of [1n, 2n, 8n]) {
        const changed = withScalar(made, (s) => s + times * ed25519.Point.Fn.ORDER);
        expect(outcome(key, message, changed)).toBe("SIGNATURE_INVALID");
      }
    }
  });

  test.each([
    ["nothing", new Uint8Array(0)],
    ["63 bytes", good.subarray(1)],
    ["65 bytes", Uint8Array.of(...good, 0)],
    ["S = L", withScalar(good, () => ed25519.Point.Fn.ORDER)],
    ["S = 0", withScalar(good, () => 0n)],
    ["S + 1", withScalar(good, (s) => s + 1n)],
    ["all bits", new Uint8Array(64).fill(255)],
    ["no bits", new Uint8Array(64)],
    [
      "R of another signature",
      Uint8Array.of(...hex(rfcSignatures[0] ?? "").slice(0, 32), ...good.slice(32)),
    ],
  ])("refuses %s", (_what, signature) => {
    expect(outcome(key, message, signature)).toBe("SIGNATURE_INVALID");
  });

  test("takes plain signatures whatever digest is asked for: there is none to choose", () => {
    for (const only of DIGESTS) expect(outcome(key, message, good, only)).toBe("ed25519");
  });
});

describe("verifySignature() with RSA", () => {
  const [key, privateKey] = pair("rsa-2048");
  const message = utf8("hello");
  const good = signMessage(privateKey, key.type, message);

  test("takes PKCS#1 v1.5 over SHA-256, others only when asked for", () => {
    expect(outcome(key, message, good)).toBe("rsa-pkcs1-sha256");
    for (const digest of ["sha224", "sha384", "sha512"] as const) {
      const signature = signMessage(privateKey, key.type, message, digest);
      expect(outcome(key, message, signature)).toBe("SIGNATURE_INVALID");
      expect(outcome(key, message, signature, digest)).toBe(`rsa-pkcs1-${digest}`);
    }
  });

  test("refuses PSS", () => {
    const padding = 6; // RSA_PKCS1_PSS_PADDING
    const signature = sign("sha256", message, { key: privateKey, padding, saltLength: 32 });
    expect(outcome(key, message, signature)).toBe("SIGNATURE_INVALID");
  });

  test("refuses forged paddings of a key with a known private exponent (CVE-2022-24771, CVE-2022-24772, CVE-2026-33894)", () => {
    const encode = pkcs1Padding(message);
    expect(outcome(key, message, rsaPower(privateKey, encode({})))).toBe("rsa-pkcs1-sha256");
    for (const change of [
      { short: true }, // fewer FF octets and bytes behind the digest (CVE-2006-4339)
      { withoutNull: true },
      { longForm: true },
      { blockType: 2 },
      { filler: 0xfe },
    ]) {
      const forged = rsaPower(privateKey, encode(change));
      expect(outcome(key, message, forged)).toBe("SIGNATURE_INVALID");
    }
  });

  test.each([
    ["nothing", new Uint8Array(0)],
    ["a byte less", good.subarray(1)],
    ["a leading zero", Uint8Array.of(0, ...good)],
    ["a byte more", Uint8Array.of(...good, 0)],
    ["zero", new Uint8Array(256)],
    ["one", new Uint8Array(256).with(255, 1)],
    ["more than the modulus", new Uint8Array(256).fill(255)],
  ])("refuses %s", (_what, signature) => {
    expect(outcome(key, message, signature)).toBe("SIGNATURE_INVALID");
  });
});

describe("verifySignature() with what real cosigns signed", () => {
  // Detached signatures of blobs, by the key and the generation that made them.
  const records: readonly (readonly [key: string, signature: string, scheme: string])[] = [
    ["key-v1.pub", "blob.txt.key-v1.v1.sig", "ecdsa-sha256"],
    ["key-v2.pub", "blob.txt.key-v2.v2.sig", "ecdsa-sha256"],
    ["key-v3.pub", "blob.txt.key-v3.v3.sig", "ecdsa-sha256"],
    ["import-p384-v1.pub", "blob.txt.import-p384-v1.v1.sig", "ecdsa-sha256"],
    ["import-p384-v2.pub", "blob.txt.import-p384-v2.v2.sig", "ecdsa-sha384"],
    ["import-p384-v3.pub", "blob.txt.import-p384-v3.v3.sig", "ecdsa-sha384"],
    ["import-p521-v1.pub", "blob.txt.import-p521-v1.v1.sig", "ecdsa-sha256"],
    ["import-p521-v2.pub", "blob.txt.import-p521-v2.v2.sig", "ecdsa-sha512"],
    ["import-p521-v3.pub", "blob.txt.import-p521-v3.v3.sig", "ecdsa-sha512"],
    ["import-rsa2048-v1.pub", "blob.txt.import-rsa2048-v1.v1.sig", "rsa-pkcs1-sha256"],
    ["import-rsa2048-v2.pub", "blob.txt.import-rsa2048-v2.v2.sig", "rsa-pkcs1-sha256"],
    ["import-rsa2048-v3.pub", "blob.txt.import-rsa2048-v3.v3.sig", "rsa-pkcs1-sha256"],
    ["import-ed25519-v1.pub", "blob.txt.import-ed25519-v1.v1.sig", "ed25519"],
    ["import-ed25519-v3.pub", "blob.txt.import-ed25519-v3.v3.sig", "ed25519"],
  ];
  test.each(records)("%s: %s", (keyFile, signatureFile, scheme) => {
    const key = parsePublicKeyPem(readVectorText(`files/${keyFile}`), keyFile);
    const signature = parseBase64(readVectorText(`files/${signatureFile}`));
    expect(outcome(key, readVector("files/blob.txt"), signature)).toBe(scheme);
    expect(outcome(key, readVector("files/blob.bin"), signature)).toBe("SIGNATURE_INVALID");
  });
});

describe("signMessage()", () => {
  const expected: readonly (readonly [KeyType, string])[] = [
    ["ecdsa-p256", "ecdsa-sha256"],
    ["ecdsa-p384", "ecdsa-sha256"],
    ["ecdsa-p521", "ecdsa-sha256"],
    ["ed25519", "ed25519"],
    ["rsa-2048", "rsa-pkcs1-sha256"],
  ];
  test.each(expected)("signs with %s what every generation verifies: %s", (type, scheme) => {
    const [key, privateKey] = pair(type);
    const signature = signMessage(privateKey, type, utf8("hello"));
    expect(outcome(key, utf8("hello"), signature)).toBe(scheme);
    expect(signature.constructor).toBe(Uint8Array);
  });

  test("makes DER that node:crypto takes as such", () => {
    const [key, privateKey] = pair("ecdsa-p521");
    const signature = signMessage(privateKey, "ecdsa-p521", utf8("hello"));
    const how = { key: key.key, dsaEncoding: "der" } as const;
    expect(verify("sha256", utf8("hello"), how, signature)).toBeTrue();
  });

  test("fails with KEY_SIGN_FAILED when the key cannot sign", () => {
    const [key] = pair("ecdsa-p256");
    expect(() => signMessage(key.key, "ecdsa-p256", utf8("hello"))).toThrow(
      expect.objectContaining({ code: "KEY_SIGN_FAILED" }),
    );
  });
});

function pair(type: KeyType): readonly [PublicKey, ReturnType<typeof generatePrivateKey>] {
  const privateKey = generatePrivateKey(type);
  return [publicKeyOf(privateKey, `new ${type}`), privateKey];
}

function ecKey(type: string, point: Uint8Array): PublicKey {
  const crv = type.replace("ecdsa-p", "P-");
  const half = (point.length - 1) / 2;
  const coordinate = (from: number): string =>
    Buffer.from(point.slice(from, from + half)).toString("base64url");
  const jwk = { kty: "EC", crv, x: coordinate(1), y: coordinate(1 + half) };
  const spki = createPublicKey({ key: jwk, format: "jwk" }).export({ format: "der", type: "spki" });
  return parsePublicKeyDer(new Uint8Array(spki), type);
}

function edKey(point: Uint8Array): PublicKey {
  return parsePublicKeyDer(hex(`302a300506032b6570032100${point.toHex()}`), "ed25519");
}

/** The signature with its scalar, 32 bytes little-endian, changed. */
function withScalar(signature: Uint8Array, change: (s: bigint) => bigint): Uint8Array {
  const old = BigInt(`0x${signature.slice(32).reverse().toHex()}`);
  const next = hex(change(old).toString(16).padStart(64, "0")).reverse();
  return Uint8Array.of(...signature.slice(0, 32), ...next);
}

interface PaddingChange {
  readonly short?: boolean;
  readonly withoutNull?: boolean;
  readonly longForm?: boolean;
  readonly blockType?: number;
  readonly filler?: number;
}

/** EMSA-PKCS1-v1_5 (RFC 8017 §9.2) of 256 bytes over SHA-256, and what forgers made of it. */
function pkcs1Padding(message: Uint8Array): (change: PaddingChange) => Uint8Array {
  const digest = new Bun.CryptoHasher("sha256").update(message).digest();
  return ({
    short = false,
    withoutNull = false,
    longForm = false,
    blockType = 1,
    filler = 0xff,
  }) => {
    const prefix = withoutNull
      ? "302f300b0609608648016503040201"
      : longForm
        ? "308131300d06096086480165030402010500"
        : "3031300d06096086480165030402010500";
    const info = Uint8Array.of(...hex(prefix), 0x04, 0x20, ...digest);
    const tail = short ? 100 : 0;
    const fill = 256 - 3 - info.length - tail;
    return Uint8Array.of(
      0,
      blockType,
      ...new Uint8Array(fill).fill(filler),
      0,
      ...info,
      ...new Uint8Array(tail),
    );
  };
}

/** The message to the power of the private exponent. */
function rsaPower(
  privateKey: ReturnType<typeof generatePrivateKey>,
  block: Uint8Array,
): Uint8Array {
  const { n, d } = privateKey.export({ format: "jwk" });
  const number = (text = ""): bigint =>
    BigInt(`0x${Buffer.from(text, "base64url").toString("hex")}`);
  const modulus = number(n);
  let result = 1n;
  let base = BigInt(`0x${block.toHex()}`) % modulus;
  for (let exponent = number(d); exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % modulus;
    base = (base * base) % modulus;
  }
  return hex(result.toString(16).padStart(512, "0"));
}
