import { describe, expect, test } from "bun:test";
import { encodePem, parsePem } from "../../engine/crypto/pem.ts";
import { type PrivateKeyForm, parsePrivateKey } from "../../engine/crypto/private_key.ts";
import { parsePublicKeyDer } from "../../engine/crypto/public_key.ts";
import { verifySignature } from "../../engine/crypto/signature.ts";
import { parseCosignKey } from "../../engine/formats/cosign_key.ts";
import { utf8 } from "../../engine/model/bytes.ts";
import { CosignError, hasCode } from "../../engine/model/errors.ts";
import { seededRandom } from "../support/random.ts";
import { readVectorText } from "../support/vectors.ts";

const ROUNDS = 200;
const text = (file: string): string => readVectorText(`files/${file}`);
const der = (file: string): Uint8Array => parsePem(text(file)).bytes;

/** Copies of `bytes` with up to three changes each: a byte set, flipped, left out or put in. */
function* mutations(bytes: Uint8Array, seed: number): Generator<Uint8Array> {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  for (let round = 0; round < ROUNDS; round++) {
    const changed = [...bytes];
    for (let change = 0; change <= below(3); change++) {
      const at = below(changed.length);
      const kind = below(4);
      if (kind === 0) changed[at] = below(256);
      else if (kind === 1) changed[at] = (changed[at] ?? 0) ^ (1 << below(8));
      else if (kind === 2) changed.splice(at, 1 + below(3));
      else changed.splice(at, 0, below(256));
    }
    yield Uint8Array.from(changed);
  }
}

/** Runs `parse` over every mutation: it answers, or throws what `isRefusal` knows. */
function survives(
  bytes: Uint8Array,
  parse: (changed: Uint8Array) => unknown,
  isRefusal: (error: unknown) => boolean,
): void {
  let refused = 0;
  for (const changed of mutations(bytes, 20_261)) {
    try {
      parse(changed);
    } catch (error) {
      if (!isRefusal(error)) throw new Error(`fails on ${changed.toHex()}`, { cause: error });
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(0);
}

const isCosignError = (error: unknown): boolean => error instanceof CosignError;
const isSyntaxError = (error: unknown): boolean => error instanceof SyntaxError;

describe("keys with changed bytes are read or refused, nothing else", () => {
  const privateKeys: readonly (readonly [string, PrivateKeyForm])[] = [
    ["p256.pem", "sec1"],
    ["p521.pem", "sec1"],
    ["p384.pkcs8.pem", "pkcs8"],
    ["rsa2048.pem", "pkcs8"],
    ["ed25519.pem", "pkcs8"],
  ];
  test.each(privateKeys)("parsePrivateKey() of %s", (file, form) => {
    survives(der(file), (changed) => parsePrivateKey(changed, form, file), isCosignError);
  });

  const publicKeys = [
    "key-v1.pub",
    "import-p384-v1.pub",
    "import-rsa2048-v1.pub",
    "import-ed25519-v1.pub",
  ];
  test.each(publicKeys)(
    "parsePublicKeyDer() of %s, and verifySignature() with what it read",
    (file) => {
      survives(
        der(file),
        (changed) => {
          const key = parsePublicKeyDer(changed, file);
          expect(() => verifySignature(key, changed, changed)).toThrow(
            expect.objectContaining({ code: "SIGNATURE_INVALID" }),
          );
        },
        (error) => hasCode(error, "KEY_INVALID", "KEY_UNSUPPORTED", "KEY_WEAK"),
      );
    },
  );

  test("parseCosignKey() of PEM", () => {
    const read = (changed: Uint8Array) => parseCosignKey(new TextDecoder().decode(changed));
    survives(utf8(text("key-v3.key")), read, isSyntaxError);
  });

  test("parseCosignKey() of JSON", () => {
    const read = (changed: Uint8Array) =>
      parseCosignKey(encodePem("ENCRYPTED SIGSTORE PRIVATE KEY", changed));
    survives(der("key-v3.key"), read, isSyntaxError);
  });
});
