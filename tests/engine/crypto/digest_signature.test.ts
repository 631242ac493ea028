import { describe, expect, test } from "bun:test";
import { createHash, sign } from "node:crypto";
import { ed25519, ed25519ph } from "@noble/curves/ed25519.js";
import {
  digestsToVerify,
  signDigest,
  verifyDigest,
} from "../../../engine/crypto/digest_signature.ts";
import { generatePrivateKey } from "../../../engine/crypto/private_key.ts";
import {
  parsePublicKeyDer,
  parsePublicKeyPem,
  publicKeyOf,
} from "../../../engine/crypto/public_key.ts";
import { signMessage, verifySignature } from "../../../engine/crypto/signature.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import { type KeyType, WEAKNESSES } from "../../../engine/model/key.ts";
import { readCommands, readVector } from "../../support/vectors.ts";

const MESSAGE = utf8("a message that is hashed elsewhere");
const hash = (algorithm: string, message: Uint8Array = MESSAGE): Uint8Array =>
  new Uint8Array(createHash(algorithm).update(message).digest());
const DIGESTS = {
  sha256: hash("sha256"),
  sha384: hash("sha384"),
  sha512: hash("sha512"),
};
const TYPES = [
  "ecdsa-p224",
  "ecdsa-p256",
  "ecdsa-p384",
  "ecdsa-p521",
  "rsa-1024",
  "rsa-2048",
] as const;
const KEYS = new Map(TYPES.map((type) => [type, generatePrivateKey(type)]));

function keyOf(type: (typeof TYPES)[number]) {
  const privateKey = KEYS.get(type);
  if (privateKey === undefined) throw new RangeError(type);
  return { privateKey, publicKey: publicKeyOf(privateKey, "k", WEAKNESSES) };
}

describe.each([...TYPES])("%s", (type) => {
  const { privateKey, publicKey } = keyOf(type);

  test("verifyDigest() takes what signMessage() makes, and nothing else", () => {
    const signature = signMessage(privateKey, type, MESSAGE);
    expect(verifyDigest(publicKey, DIGESTS, signature)).toEndWith("sha256");
    const other = { sha256: hash("sha256", utf8("another")) };
    expect(() => verifyDigest(publicKey, other, signature)).toThrow("does not match");
  });

  test("verifySignature() takes what signDigest() makes", () => {
    const signature = signDigest(privateKey, type, DIGESTS.sha256);
    expect(verifySignature(publicKey, MESSAGE, signature)).toEndWith("sha256");
  });

  test("signDigest() and verifyDigest() know every digest by its name", () => {
    for (const name of ["sha256", "sha384", "sha512"] as const) {
      const signature = signDigest(privateKey, type, DIGESTS[name], name);
      expect(verifyDigest(publicKey, DIGESTS, signature, name)).toEndWith(name);
      expect(verifySignature(publicKey, MESSAGE, signature, name)).toEndWith(name);
    }
  });

  test("verifyDigest() says which digest it lacks", () => {
    const signature = signMessage(privateKey, type, MESSAGE);
    expect(() => verifyDigest(publicKey, {}, signature)).toThrow("it needs the sha256");
  });

  test("verifyDigest() refuses every signature with one bit changed", () => {
    const signature = signMessage(privateKey, type, MESSAGE);
    for (let at = 0; at < signature.length; at += 7) {
      const changed = signature.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => verifyDigest(publicKey, DIGESTS, changed)).toThrow("Cannot verify signature");
    }
  });
});

test("verifyDigest() refuses ECDSA in other forms than DER, and integers out of range", () => {
  const { publicKey, privateKey } = keyOf("ecdsa-p256");
  const signature = signMessage(privateKey, "ecdsa-p256", MESSAGE);
  const plain = new Uint8Array(
    sign("sha256", MESSAGE, { key: privateKey, dsaEncoding: "ieee-p1363" }),
  );
  const trailing = new Uint8Array([...signature, 0]);
  const zero = Uint8Array.fromHex("3006020100020100");
  for (const bad of [plain, trailing, zero, new Uint8Array()]) {
    expect(() => verifyDigest(publicKey, DIGESTS, bad)).toThrow("Cannot verify signature");
  }
});

test("verifyDigest() refuses RSA numbers that are not below the modulus, and of other lengths", () => {
  const { publicKey } = keyOf("rsa-2048");
  expect(() => verifyDigest(publicKey, DIGESTS, new Uint8Array(256).fill(0xff))).toThrow("modulus");
  expect(() => verifyDigest(publicKey, DIGESTS, new Uint8Array(255))).toThrow("expected 256");
  expect(() => verifyDigest(publicKey, DIGESTS, new Uint8Array(256))).toThrow("does not match");
});

test("verifyDigest() of Ed25519 is Ed25519ph, over the SHA-512 that is known", () => {
  const { secretKey, publicKey } = ed25519.keygen(new Uint8Array(32).fill(7));
  const spki = new Uint8Array([...Uint8Array.fromHex("302a300506032b6570032100"), ...publicKey]);
  const key = parsePublicKeyDer(spki, "k");
  const signature = ed25519ph.sign(MESSAGE, secretKey);
  expect(verifyDigest(key, DIGESTS, signature)).toBe("ed25519ph");
  expect(() => verifyDigest(key, DIGESTS, ed25519.sign(MESSAGE, secretKey))).toThrow("not match");
  expect(() => verifyDigest(key, { sha256: DIGESTS.sha256 }, signature)).toThrow("the sha512");
  expect(() => verifyDigest(key, DIGESTS, signature.slice(1))).toThrow("expected 64");
  expect(() => verifyDigest(key, DIGESTS, signature, "sha256")).toThrow("the whole blob");
});

test("signDigest() refuses Ed25519 with every digest but SHA-512, which is Ed25519ph", () => {
  const key = generatePrivateKey("ed25519");
  for (const name of ["sha256", "sha384"] as const) {
    expect(() => signDigest(key, "ed25519", DIGESTS[name], name)).toThrow("needs the message");
  }
});

test("digestsToVerify() names what a blob must be hashed with", () => {
  const wanted: readonly (readonly [KeyType, readonly string[]])[] = [
    ["ecdsa-p256", ["sha256"]],
    ["ecdsa-p384", ["sha256", "sha384"]],
    ["ecdsa-p521", ["sha256", "sha512"]],
    ["rsa-4096", ["sha256"]],
    ["ed25519", ["sha512"]],
  ];
  for (const [type, names] of wanted)
    expect(digestsToVerify({ type })).toEqual([...names] as never);
  expect(digestsToVerify({ type: "rsa-2048" }, "sha512")).toEqual(["sha512"]);
});

test("verifyDigest() takes the detached signatures of every real cosign", () => {
  const blob = readVector("files/blob.txt");
  const digests = {
    sha256: hash("sha256", blob),
    sha384: hash("sha384", blob),
    sha512: hash("sha512", blob),
  };
  let count = 0;
  for (const { argv } of readCommands()) {
    const path = argv[argv.indexOf("--output-signature") + 1] ?? "";
    const key = argv[argv.indexOf("--key") + 1] ?? "";
    if (argv[0] !== "sign-blob" || !path.startsWith("blob.txt.") || /ed25519/.test(path)) continue;

    const pem = new TextDecoder().decode(readVector(`files/${key.replace(".key", ".pub")}`));
    const text = new TextDecoder().decode(readVector(`files/${path}`));
    verifyDigest(parsePublicKeyPem(pem, key), digests, Uint8Array.fromBase64(text));
    count += 1;
  }
  expect(count).toBe(12);
});
