import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { verifySignature } from "../../../engine/crypto/signature.ts";
import { encodePublicKey } from "../../../engine/keys/generate.ts";
import { keyScheme } from "../../../engine/keys/key_text.ts";
import {
  derivePublicKey,
  type KeyContext,
  openSigner,
  readPrivateKey,
  readPublicKey,
} from "../../../engine/keys/open.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import { CosignError } from "../../../engine/model/errors.ts";
import type { KeyProvider } from "../../../engine/plugin_host/contract.ts";
import { pluginWorld } from "../../support/plugin_world.ts";
import { listVectors, readCommands, readVectorText, unpackVectors } from "../../support/vectors.ts";

setDefaultTimeout(60_000); // stretching passwords and making RSA keys takes its time on a busy machine

const folder = mkdtempSync(join(tmpdir(), "cosign-keys-"));
unpackVectors("files/", folder);
afterAll(() => rmSync(folder, { recursive: true }));

// Every record carries the password of all vectors; a few carry a wrong one.
const PASSWORD = readCommands()[0]?.env["COSIGN_PASSWORD"] ?? "";
const file = (name: string): string => join(folder, name);

function context(changes: Partial<KeyContext> = {}): KeyContext {
  return {
    env: {},
    signal: new AbortController().signal,
    fetch,
    password: () => Promise.resolve(utf8(PASSWORD)),
    keyBackend: (scheme) => {
      throw new CosignError("PLUGIN_UNKNOWN", `No plugin provides key scheme "${scheme}"`);
    },
    pluginWorld: async () => pluginWorld(),
    ...changes,
  };
}

const neverAsked: Partial<KeyContext> = {
  password: () => Promise.reject(new Error("asked for the password")),
};
const failure = (code: string, message = "") =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

describe("readPrivateKey()", () => {
  const keys = listVectors("files/").filter((path) => path.endsWith(".key"));

  test("opens every key that cosign 1.13, 2.6 and 3.1 wrote", async () => {
    expect(keys.length).toBe(30);
    const texts = await Promise.all(
      keys.map(async (path) => {
        const { publicKey } = await readPrivateKey(file(path.slice("files/".length)), context());
        return encodePublicKey(publicKey);
      }),
    );
    expect(texts).toEqual(keys.map((path) => readVectorText(path.replace(/key$/, "pub"))));
  });

  test("says that the password is wrong, in cosign's words", async () => {
    const password = () => Promise.resolve(utf8("wrong"));
    expect(await thrown(readPrivateKey(file("key-v1.key"), context({ password })))).toEqual(
      failure("KEY_PASSWORD", "decrypt: encrypted: decryption failed"),
    );
  });

  test.each([
    ["key-v1.pub", "unsupported pem type: PUBLIC KEY", "public key"],
    ["p256.pem", "unsupported pem type: EC PRIVATE KEY", "import-key-pair"],
    ["ed25519.pem", "unsupported pem type: PRIVATE KEY", "import-key-pair"],
    ["blob.txt", "invalid pem block", ""],
  ])("refuses %s before it asks for the password", async (name, message, hint) => {
    const error = await thrown(readPrivateKey(file(name), context(neverAsked)));
    expect(error).toEqual(failure("KEY_INVALID", message));
    expect(error).toEqual(failure("KEY_INVALID", name));
    if (hint !== "") expect(error).toHaveProperty("hint", expect.stringContaining(hint));
  });

  test("says that the file is not there", async () => {
    expect(await thrown(readPrivateKey(file("nothing.key"), context(neverAsked)))).toEqual(
      failure("KEY_NOT_FOUND", "no such file or directory"),
    );
  });

  test("refuses files that are longer than any key", async () => {
    writeFileSync(file("huge.key"), "a".repeat(300_000));
    expect(await thrown(readPrivateKey(file("huge.key"), context(neverAsked)))).toEqual(
      failure("LIMIT_EXCEEDED", "262144"),
    );
  });
});

describe("readPublicKey()", () => {
  const publicPem = readVectorText("files/key-v3.pub");

  test("reads paths, file URLs and variables, and keeps the name that the user gave", async () => {
    const variable = context({ env: { RELEASE_KEY: publicPem } });
    for (const uri of [
      file("key-v3.pub"),
      pathToFileURL(file("key-v3.pub")).href,
      "env://RELEASE_KEY",
    ]) {
      const key = await readPublicKey(uri, variable);
      expect(key.uri).toBe(uri);
      expect(encodePublicKey(key)).toBe(publicPem);
    }
  });

  test("says that a variable is not set, in cosign's words", async () => {
    expect(await thrown(readPublicKey("env://NOPE", context()))).toEqual(
      failure("KEY_NOT_FOUND", "loading URL: env var $NOPE not found"),
    );
  });

  test("refuses private keys: verifying needs none", async () => {
    expect(await thrown(readPublicKey(file("key-v3.key"), context(neverAsked)))).toEqual(
      failure("KEY_INVALID", "Are you passing the correct public key?"),
    );
  });

  test("downloads, and says what the server answered, in cosign's words", async () => {
    const server = createServer((request, response) => {
      if (request.url === "/cosign.pub") response.end(publicPem);
      else if (request.url === "/endless") response.end("a".repeat(300_000));
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const url = (path: string): string => `http://127.0.0.1:${port}${path}`;
    try {
      const key = await readPublicKey(url("/cosign.pub"), context());
      expect(encodePublicKey(key)).toBe(publicPem);
      expect(await thrown(readPublicKey(url("/nothing"), context()))).toEqual(
        failure("KEY_NOT_FOUND", `loading URL ${url("/nothing")}: server returned HTTP 404`),
      );
      expect(await thrown(readPublicKey(url("/endless"), context()))).toEqual(
        failure("LIMIT_EXCEEDED", "262144"),
      );
      const secret = `http://user:secret@127.0.0.1:${port}/nothing?token=hidden`;
      const error = await thrown(readPublicKey(secret, context()));
      expect(String(error)).not.toMatch(/secret|hidden/);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test("says that nobody answers", async () => {
    const refused = () => Promise.reject(new Error("connection refused"));
    expect(await thrown(readPublicKey("https://127.0.0.1/x", context({ fetch: refused })))).toEqual(
      failure("KEY_NOT_FOUND", "connection refused"),
    );
  });

  test("asks the plugin of another scheme", async () => {
    const publicKey = readVectorText("files/key-v1.pub");
    const asked: string[] = [];
    const provider: KeyProvider = {
      publicKey: (uri) => {
        asked.push(uri);
        return Promise.resolve({ publicKey });
      },
      lacks: { sign: "it is a notice board" },
    };
    const keyBackend = (scheme: string) => {
      asked.push(scheme);
      return Promise.resolve({ plugin: "acme", provider, env: [] });
    };
    for (const uri of ["awskms:///alias/x", "pkcs11:token=x;id=01"]) {
      const key = await readPublicKey(uri, context({ keyBackend }));
      expect([key.uri, encodePublicKey(key)]).toEqual([uri, publicKey]);
    }
    expect(asked).toEqual(["awskms", "awskms:///alias/x", "pkcs11", "pkcs11:token=x;id=01"]);
    expect(await thrown(openSigner("awskms:///alias/x", context({ keyBackend })))).toEqual(
      failure("KEY_UNSUPPORTED", "it is a notice board"),
    );
    expect(await thrown(readPrivateKey("awskms:///alias/x", context({ keyBackend })))).toEqual(
      failure("KEY_UNSUPPORTED", "do not leave their place"),
    );
  });

  test("hands on that no plugin knows the scheme", async () => {
    expect(await thrown(readPublicKey("foo://bar", context()))).toEqual(
      failure("PLUGIN_UNKNOWN", "foo"),
    );
  });
});

describe("derivePublicKey()", () => {
  test("takes the public half of either file", async () => {
    const fromPrivate = await derivePublicKey(file("key-v2.key"), context());
    const fromPublic = await derivePublicKey(file("key-v2.pub"), context(neverAsked));
    expect(fromPrivate.spki).toEqual(fromPublic.spki);
  });
});

describe("openSigner()", () => {
  test("signs with a key file and hands its private key on to other threads", async () => {
    await using signer = await openSigner(file("import-p384-v3.key"), context());
    const signature = await signer.sign(utf8("hello"));
    expect(verifySignature(signer.publicKey, utf8("hello"), signature)).toBe("ecdsa-sha256");
    expect(signer.privateKey?.type).toBe("private");
  });

  test("signs over the digest that it was opened for", async () => {
    await using signer = await openSigner(file("import-p384-v3.key"), context(), "sha512");
    const signature = await signer.sign(utf8("hello"));
    expect(verifySignature(signer.publicKey, utf8("hello"), signature, "sha512")).toBe(
      "ecdsa-sha512",
    );
  });
});

test.each([
  ["cosign.key", undefined],
  ["/a/b:c/cosign.key", undefined],
  ["C:\\keys\\cosign.key", undefined],
  ["env://NAME", "env"],
  ["HTTPS://example.com/x", "https"],
  ["awskms:///alias/x", "awskms"],
  ["pkcs11:token=x", "pkcs11"],
])("keyScheme() of %s is %p", (uri, scheme) => {
  expect(keyScheme(uri)).toBe(scheme);
});

async function thrown(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error("no error was thrown");
}
