import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { scryptSync } from "node:crypto";
import scryptJs from "scrypt-js";
import nacl from "tweetnacl";
import {
  isAcceptedScrypt,
  type KeyBox,
  openKeyBox,
  sealKeyBox,
} from "../../../engine/crypto/key_box.ts";
import { utf8 } from "../../../engine/model/bytes.ts";

setDefaultTimeout(60_000); // stretching passwords and making RSA keys takes its time on a busy machine

const PLAIN = utf8("a private key");
const PASSWORD = utf8("pässword");

const wrongPassword = expect.objectContaining({
  code: "KEY_PASSWORD",
  message: expect.stringContaining("decrypt: encrypted: decryption failed"),
});

const scryptOfTheRuntime = (password: Uint8Array, salt: Uint8Array, N: number): Uint8Array =>
  new Uint8Array(scryptSync(password, salt, 32, { N, r: 8, p: 1, maxmem: 2 ** 28 }));

/** A box made without our code; `derive` may be without the runtime's scrypt, too. */
async function otherBox(
  N: number,
  password: Uint8Array,
  derive: (password: Uint8Array, salt: Uint8Array, N: number) => Uint8Array | Promise<Uint8Array>,
): Promise<KeyBox> {
  const salt = new Uint8Array(32).fill(7);
  const nonce = new Uint8Array(24).fill(9);
  const key = await derive(password, salt, N);
  const parameters = { N, r: 8, p: 1 };
  return { parameters, salt, nonce, ciphertext: nacl.secretbox(PLAIN, nonce, key) };
}

describe("openKeyBox()", () => {
  test.each([32_768, 65_536, 131_072])("opens boxes of other writers, N = %d", async (N) => {
    const box = await otherBox(N, PASSWORD, (password, salt) =>
      scryptJs.scrypt(password, salt, N, 8, 1, 32),
    );
    expect(await openKeyBox(box, PASSWORD, "x")).toEqual(PLAIN);
  });

  test("takes passwords that are empty or no text", async () => {
    for (const password of [utf8(""), Uint8Array.of(0, 255, 10)]) {
      expect(
        await openKeyBox(await otherBox(32_768, password, scryptOfTheRuntime), password, "x"),
      ).toEqual(PLAIN);
    }
  });

  test("refuses another password, and names the key", async () => {
    const box = await otherBox(32_768, PASSWORD, scryptOfTheRuntime);
    const opening = openKeyBox(box, utf8("pässword\n"), "cosign.key");
    expect(opening).rejects.toEqual(wrongPassword);
    expect(opening).rejects.toThrow('"cosign.key"');
    await opening.catch(() => undefined);
  });

  test("refuses a box in which anything was changed", async () => {
    const box = await otherBox(32_768, PASSWORD, scryptOfTheRuntime);
    const flip = (bytes: Uint8Array, at: number) => bytes.with(at, (bytes.at(at) ?? 0) ^ 1);
    const changed: readonly KeyBox[] = [
      { ...box, salt: flip(box.salt, 31) },
      { ...box, nonce: flip(box.nonce, 0) },
      { ...box, ciphertext: flip(box.ciphertext, 0) },
      { ...box, ciphertext: flip(box.ciphertext, 16) },
      { ...box, ciphertext: box.ciphertext.subarray(1) },
      { ...box, ciphertext: new Uint8Array(0) },
      { ...box, parameters: { N: 65_536, r: 8, p: 1 } },
    ];
    await Promise.all(
      changed.map((each) => expect(openKeyBox(each, PASSWORD, "x")).rejects.toEqual(wrongPassword)),
    );
  });
});

describe("sealKeyBox()", () => {
  test("makes boxes that other readers open, with N = 65536", async () => {
    const box = await sealKeyBox(PLAIN, PASSWORD);
    expect(box.parameters).toEqual({ N: 65_536, r: 8, p: 1 });
    const key = await scryptJs.scrypt(PASSWORD, box.salt, 65_536, 8, 1, 32);
    expect(nacl.secretbox.open(box.ciphertext, box.nonce, key)).toEqual(PLAIN);
  });

  test("never uses a salt or a nonce twice", async () => {
    const [a, b] = await Promise.all([sealKeyBox(PLAIN, PASSWORD), sealKeyBox(PLAIN, PASSWORD)]);
    expect(a.salt).not.toEqual(b.salt);
    expect(a.nonce).not.toEqual(b.nonce);
    expect([a.salt.length, a.nonce.length]).toEqual([32, 24]);
  });
});

test.each([
  [{ N: 16_384, r: 8, p: 1 }, false],
  [{ N: 32_768, r: 8, p: 1 }, true],
  [{ N: 131_072, r: 8, p: 1 }, true],
  [{ N: 262_144, r: 8, p: 1 }, false],
  [{ N: 2 ** 30, r: 8, p: 1 }, false],
  [{ N: 65_536, r: 16, p: 1 }, false],
  [{ N: 65_536, r: 8, p: 2 }, false],
  [{ N: 65_536, r: 1, p: 8 }, false],
  [{ N: 65_536.5, r: 8, p: 1 }, false],
  [{ N: Number.NaN, r: 8, p: 1 }, false],
])("isAcceptedScrypt() takes what securesystemslib takes: %o %p", (parameters, accepted) => {
  expect(isAcceptedScrypt(parameters)).toBe(accepted);
});
