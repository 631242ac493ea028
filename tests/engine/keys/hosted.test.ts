import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { signDigest } from "../../../engine/crypto/digest_signature.ts";
import { verifySignature } from "../../../engine/crypto/signature.ts";
import { generateKeyPair } from "../../../engine/keys/generate.ts";
import { makeKeyRing } from "../../../engine/keys/key_ring.ts";
import { type KeyContext, openSigner, readPublicKey } from "../../../engine/keys/open.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import type { KeyType } from "../../../engine/model/key.ts";
import type { KeyProvider, KeySession } from "../../../engine/plugin_host/contract.ts";
import { makePluginTable } from "../../../engine/plugin_host/table.ts";
import { verifyByOpenssl } from "../../support/openssl.ts";
import { pluginWorld } from "../../support/plugin_world.ts";
import { cliWith } from "../cli/_cli.ts";

setDefaultTimeout(60_000); // RSA keys, stretched passwords
const dir = mkdtempSync(join(tmpdir(), "keys-hosted-"));
afterAll(() => rmSync(dir, { recursive: true }));
const MESSAGE = utf8("a message");
const spkiOf = (key: KeyObject) => new Uint8Array(key.export({ format: "der", type: "spki" }));
const pemOf = (key: KeyObject) => key.export({ format: "pem", type: "spki" }).toString();

function context(provider: KeyProvider): KeyContext {
  return {
    env: {},
    signal: new AbortController().signal,
    fetch: () => Promise.reject(new Error("nothing is fetched")),
    password: () => Promise.reject(new Error("no password is asked for")),
    keyBackend: () => Promise.resolve({ plugin: "acme", provider, env: [] }),
    pluginWorld: async () => pluginWorld(),
  };
}

const openWith = (session: KeySession) =>
  openSigner("acme://key", context({ open: () => Promise.resolve(session) }));

/** A session that signs digests with a key of ours. */
function digestSession(
  pair: { readonly privateKey: KeyObject; readonly publicKey: KeyObject },
  type: KeyType,
  digest: "sha256" | "sha384" | "sha512",
): KeySession {
  return {
    publicKey: spkiOf(pair.publicKey),
    digest,
    signDigest: async (hashed) => signDigest(pair.privateKey, type, hashed, digest),
  };
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("a key that signs digests", () => {
  test.each([
    ["ecdsa-p256", "sha256", { namedCurve: "P-256" }],
    ["ecdsa-p384", "sha384", { namedCurve: "P-384" }],
    ["ecdsa-p521", "sha512", { namedCurve: "P-521" }],
    ["rsa-2048", "sha512", { modulusLength: 2048 }],
  ] as const)("of type %s signs over %s, and is verified with that", async (type, digest, how) => {
    const pair =
      "namedCurve" in how ? generateKeyPairSync("ec", how) : generateKeyPairSync("rsa", how);
    await using signer = await openWith(digestSession(pair, type, digest));
    expect([signer.publicKey.type, signer.digest]).toEqual([type, digest]);
    const signature = await signer.sign(MESSAGE);
    verifyByOpenssl({ publicPem: pemOf(pair.publicKey), message: MESSAGE, signature, digest });
    verifySignature(signer.publicKey, MESSAGE, signature);
    const hashed = new Uint8Array(createHash(digest).update(MESSAGE).digest());
    verifySignature(signer.publicKey, MESSAGE, (await signer.signDigest?.(hashed)) ?? MESSAGE);
    // The key as the threads of a run have it knows its digest as well.
    const { spki } = signer.publicKey;
    const run = { uri: "k", type, spki, hosted: true, digest: signer.digest };
    const noHost = { sign: () => Promise.reject(), lease: () => Promise.reject() };
    verifySignature(makeKeyRing([run], noHost).publicKey("k"), MESSAGE, signature);
  });

  test("cannot be of Ed25519, which signs messages", async () => {
    const pair = generateKeyPairSync("ed25519");
    const error = await failure(openWith(digestSession(pair, "ed25519", "sha256")));
    expect(error).toMatchObject({ code: "KEY_UNSUPPORTED" });
  });
});

describe("a key that signs messages", () => {
  const pair = generateKeyPairSync("ed25519");
  const session = (more: Partial<KeySession> = {}): KeySession => ({
    publicKey: pemOf(pair.publicKey),
    signMessage: async (message) => new Uint8Array(sign(null, message, pair.privateKey)),
    ...more,
  });

  test("signs the message itself", async () => {
    await using signer = await openWith(session());
    const signature = await signer.sign(MESSAGE);
    const publicPem = pemOf(pair.publicKey);
    verifyByOpenssl({ publicPem, message: MESSAGE, signature, digest: undefined });
    expect(signer.signDigest).toBeUndefined();
  });

  test("is asked for one signature at a time where it is serial, also after one that failed", async () => {
    for (const isSerial of [true, false]) {
      let active = 0;
      let most = 0;
      const slow = session({
        isSerial,
        signMessage: async (message) => {
          active += 1;
          most = Math.max(most, active);
          await Promise.resolve();
          await new Promise((resolve) => setImmediate(resolve));
          active -= 1;
          if (message.length === 0) throw new Error("no empty messages");
          return new Uint8Array(sign(null, message, pair.privateKey));
        },
      });
      await using signer = await openWith(slow);
      const messages = ["a", "", "b", "c"].map(utf8);
      const results = await Promise.allSettled(messages.map((message) => signer.sign(message)));
      expect(results.map(({ status }) => status)).toEqual([
        "fulfilled",
        "rejected",
        "fulfilled",
        "fulfilled",
      ]);
      expect(most).toBe(isSerial ? 1 : 4);
    }
  });

  test("is closed once, and also when its public key is none", async () => {
    let closed = 0;
    const closing = { [Symbol.asyncDispose]: async () => void closed++ };
    const signer = await openWith(session(closing));
    await signer[Symbol.asyncDispose]();
    expect(closed).toBe(1);
    const bad = await failure(openWith(session({ ...closing, publicKey: "nonsense" })));
    expect(bad).toMatchObject({ code: "KEY_INVALID" });
    expect(closed).toBe(2);
  });

  test("lets out no other signature than one of the message by the key", async () => {
    const other = generateKeyPairSync("ed25519").privateKey;
    const lying = session({
      signMessage: async (message) => new Uint8Array(sign(null, message, other)),
    });
    await using signer = await openWith(lying);
    expect(await failure(signer.sign(MESSAGE))).toMatchObject({ code: "KEY_SIGN_FAILED" });
  });
});

describe("a store of secrets", () => {
  test("gives the private key, which signs here, and takes a new one", async () => {
    const stored = new Map<string, { privatePem: string; publicPem: string; password: string }>();
    const provider: KeyProvider = {
      store: async (uri, pair, { tell }) => {
        tell(`Successfully created secret ${uri} with ${pair.password}`);
        stored.set(uri, { ...pair });
      },
      publicKey: async (uri) => ({ publicKey: stored.get(uri)?.publicPem ?? "" }),
      readPair: async (uri) => {
        const pair = stored.get(uri);
        if (pair === undefined) throw new Error("no such secret");
        return pair;
      },
    };
    const cli = cliWith(async () =>
      makePluginTable(
        [{ name: "shelf", api: 1, source: "builtin", provides: { key: ["shelf"] } }],
        { shelf: async () => ({ keys: { shelf: provider } }) },
      ),
    );
    const uri = "shelf://team/key";
    const env = { COSIGN_PASSWORD: "the pässword" };
    const prefix = join(dir, "stored");
    const made = await cli(["generate-key-pair", "--output-key-prefix", prefix, uri], env);
    expect(made).toEqual({
      code: 0,
      stdout: "",
      stderr: `Successfully created secret ${uri} with REDACTED\nPublic key written to ${prefix}.pub\n`,
    });
    const pem = readFileSync(`${prefix}.pub`, "utf8");
    expect(stored.get(uri)).toMatchObject({ publicPem: pem, password: "the pässword" });
    expect((await cli(["public-key", "--key", uri])).stdout).toBe(pem);
    // The password comes out of the store: nobody is asked for one.
    await using signer = await openSigner(uri, context(provider));
    verifySignature(signer.publicKey, MESSAGE, await signer.sign(MESSAGE));
    expect(signer.privateKey).toBeDefined();
    expect((await readPublicKey(uri, context(provider))).spki).toEqual(signer.publicKey.spki);
  });

  test("may hold a key that its password does not open", async () => {
    const { privatePem } = await generateKeyPair("ecdsa-p256", utf8("right"), 3);
    const provider: KeyProvider = { readPair: async () => ({ privatePem, password: "wrong" }) };
    const error = await failure(openSigner("shelf://x", context(provider)));
    expect(error).toMatchObject({ code: "KEY_PASSWORD" });
  });
});
