import { expect, setDefaultTimeout, test } from "bun:test";
import { openKeyBox } from "../../../engine/crypto/key_box.ts";
import { parsePrivateKey } from "../../../engine/crypto/private_key.ts";
import { parsePublicKeyPem } from "../../../engine/crypto/public_key.ts";
import { signMessage, verifySignature } from "../../../engine/crypto/signature.ts";
import { parseCosignKey } from "../../../engine/formats/cosign_key.ts";
import { generateKeyPair } from "../../../engine/keys/generate.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import type { Generation } from "../../../engine/model/exit_code.ts";
import type { KeyType } from "../../../engine/model/key.ts";

setDefaultTimeout(60_000); // stretching passwords and making RSA keys takes its time on a busy machine

const PASSWORD = utf8("pässword\n");
const headers: readonly (readonly [Generation, string])[] = [
  [1, "-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----"],
  [2, "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"],
  [3, "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"],
];
const types: readonly KeyType[] = ["ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048"];

async function expectPair(type: KeyType, generation: Generation, header: string): Promise<void> {
  const { privatePem, publicPem } = await generateKeyPair(type, PASSWORD, generation);
  expect(privatePem.split("\n")[0]).toBe(header);
  expect(publicPem).toMatch(/^-----BEGIN PUBLIC KEY-----\n[\s\S]*\n-----END PUBLIC KEY-----\n$/);
  const pkcs8 = await openKeyBox(parseCosignKey(privatePem), PASSWORD, "x");
  const { privateKey } = parsePrivateKey(pkcs8, "pkcs8", "x");
  const publicKey = parsePublicKeyPem(publicPem, "x");
  expect(publicKey.type).toBe(type);
  verifySignature(publicKey, utf8("hello"), signMessage(privateKey, type, utf8("hello")));
}

test.each(headers)(
  "generateKeyPair() writes the header of generation %d",
  async (generation, header) => {
    await expectPair("ecdsa-p256", generation, header);
  },
);

test.each(types)("generateKeyPair() makes %s keys", async (type) => {
  await expectPair(type, 3, "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----");
});

test("generateKeyPair() takes an empty password", async () => {
  const { privatePem } = await generateKeyPair("ecdsa-p256", utf8(""), 3);
  expect((await openKeyBox(parseCosignKey(privatePem), utf8(""), "x")).length).toBe(138);
});
