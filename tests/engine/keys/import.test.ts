import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { openKeyBox } from "../../../engine/crypto/key_box.ts";
import { parseCosignKey } from "../../../engine/formats/cosign_key.ts";
import { importKeyPair } from "../../../engine/keys/import.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import { readCommands, readVectorText } from "../../support/vectors.ts";

setDefaultTimeout(60_000); // stretching passwords and making RSA keys takes its time on a busy machine

const PASSWORD = utf8(readCommands()[0]?.env["COSIGN_PASSWORD"] ?? "");
const pem = (file: string): string => readVectorText(`files/${file}`);
const failure = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

describe("importKeyPair()", () => {
  // What cosign 3.1.2 made of the same files.
  test.each([
    ["rsa2048.pem", "import-rsa2048-v3"],
    ["rsa4096.pem", "import-rsa4096-v3"],
    ["p256.pem", "import-p256-v3"],
    ["p256.pkcs8.pem", "import-p256-v3-pkcs8"],
    ["p384.pem", "import-p384-v3"],
    ["p384.pkcs8.pem", "import-p384-v3-pkcs8"],
    ["p521.pem", "import-p521-v3"],
    ["p521.pkcs8.pem", "import-p521-v3-pkcs8"],
    ["ed25519.pem", "import-ed25519-v3"],
  ])("makes of %s what cosign does", async (file, made) => {
    const pair = await importKeyPair(pem(file), file, PASSWORD, 3);
    expect(pair.publicPem).toBe(pem(`${made}.pub`));
    const [ours, theirs] = await Promise.all(
      [pair.privatePem, pem(`${made}.key`)].map((text) =>
        openKeyBox(parseCosignKey(text), PASSWORD, file),
      ),
    );
    expect(ours).toEqual(theirs ?? new Uint8Array(0)); // the same PKCS#8, to the byte
  });

  test("takes RSA keys in PKCS#1", async () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const text = privateKey.export({ format: "pem", type: "pkcs1" }).toString();
    expect(text).toStartWith("-----BEGIN RSA PRIVATE KEY-----");
    const pair = await importKeyPair(text, "rsa.pem", PASSWORD, 1);
    expect(pair.privatePem).toStartWith("-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n");
  });

  test("passes over the parameters that openssl ecparam writes before a key", async () => {
    const text = `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${pem("p256.pem")}`;
    expect((await importKeyPair(text, "ec.pem", PASSWORD, 3)).publicPem).toBe(
      pem("import-p256-v3.pub"),
    );
  });

  test.each([
    ["a public key", pem("key-v3.pub"), "KEY_UNSUPPORTED", "PUBLIC KEY"],
    ["a cosign key", pem("key-v3.key"), "KEY_UNSUPPORTED", "ENCRYPTED SIGSTORE PRIVATE KEY"],
    ["no PEM", "hello", "KEY_INVALID", "invalid pem block"],
    [
      "a curve without a key",
      "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n",
      "KEY_INVALID",
      "invalid pem block",
    ],
    [
      "PKCS#8 under the name of SEC 1",
      pem("p256.pkcs8.pem").replaceAll("PRIVATE", "EC PRIVATE"),
      "KEY_INVALID",
      "my.pem",
    ],
  ])("refuses %s", async (_what, text, code, message) => {
    expect(await thrown(importKeyPair(text, "my.pem", PASSWORD, 3))).toEqual(
      failure(code, message),
    );
  });

  test("refuses encrypted keys and says how to decrypt them", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const text = privateKey
      .export({ format: "pem", type: "pkcs8", cipher: "aes-256-cbc", passphrase: "x" })
      .toString();
    const error = await thrown(importKeyPair(text, "my.pem", PASSWORD, 3));
    expect(error).toEqual(failure("KEY_UNSUPPORTED", "ENCRYPTED PRIVATE KEY"));
    expect(error).toHaveProperty("hint", expect.stringContaining("openssl pkey"));
  });

  test("refuses weak keys", async () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
    const text = privateKey.export({ format: "pem", type: "pkcs8" }).toString();
    expect(await thrown(importKeyPair(text, "my.pem", PASSWORD, 3))).toEqual(
      failure("KEY_WEAK", "1024 bits"),
    );
  });
});

async function thrown(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error("no error was thrown");
}
