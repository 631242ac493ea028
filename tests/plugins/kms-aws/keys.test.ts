import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  test as plainTest,
  setDefaultTimeout,
} from "bun:test";
import { generateKeyPairSync, sign } from "node:crypto";
import { encodePublicKey } from "../../../engine/keys/generate.ts";
import {
  createHostedKey,
  openHostedSigner,
  readHostedPublicKey,
} from "../../../engine/keys/hosted.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import { builtinKey } from "../../support/builtin_key.ts";
import { setEnvironment } from "../../support/environment.ts";
import { type Moto, startMoto } from "../../support/moto.ts";
import { verifyByOpenssl } from "../../support/openssl.ts";
import { hasTool, requires } from "../../support/requires.ts";

setDefaultTimeout(120_000); // moto loads slowly, and makes RSA keys in Python

const test = requires("moto");
const MESSAGE = utf8("a message");
/** What KMS signs with each kind of key. */
const TYPES = [
  ["ecdsa-p256", "sha256"],
  ["ecdsa-p384", "sha384"],
  ["ecdsa-p521", "sha512"],
  ["rsa-2048", "sha256"],
  ["rsa-3072", "sha256"],
  ["rsa-4096", "sha256"],
] as const;
const SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

let moto: Moto;
let restore = (): void => {};
let warnings: string[] = [];

beforeAll(async () => {
  if (hasTool("moto")) moto = await startMoto();
});
afterAll(async () => {
  if (hasTool("moto")) await moto[Symbol.asyncDispose]();
});
beforeEach(() => {
  warnings = [];
  restore = setEnvironment("AWS_", {
    AWS_ENDPOINT_URL: hasTool("moto") ? moto.url : "",
    AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
    AWS_SECRET_ACCESS_KEY: SECRET,
    AWS_REGION: "eu-central-1",
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_CONFIG_FILE: "/nowhere/config",
    AWS_SHARED_CREDENTIALS_FILE: "/nowhere/credentials",
  });
});
afterEach(() => {
  if (hasTool("moto")) moto.fault = undefined;
  restore();
});

const keyOf = (uri: string) =>
  builtinKey(uri, { env: { ...process.env }, warn: (line) => warnings.push(line) });
const counts = (): readonly number[] =>
  ["GetPublicKey", "Sign", "CreateKey", "CreateAlias"].map((name) => moto.count(name));
/** How many requests of each kind `task` needs: public keys, signatures, new keys, aliases. */
const requestsOf = async (task: () => Promise<unknown>): Promise<readonly number[]> => {
  const before = counts();
  await task();
  return counts().map((count, index) => count - (before[index] ?? 0));
};

describe("keys of AWS KMS", () => {
  for (const [type, digest] of TYPES) {
    requires("moto", "openssl")(
      `a key of type ${type} is made, and signs what OpenSSL verifies with ${digest}`,
      async () => {
        const uri = `awskms:///alias/${type}`;
        const made = await createHostedKey(await keyOf(uri), type);
        expect(made.type).toBe(type);
        await using signer = await openHostedSigner(await keyOf(uri));
        expect(signer.publicKey.spki).toEqual(made.spki);
        expect(signer.digest).toBe(digest);
        const signature = await signer.sign(MESSAGE);
        const question = { publicPem: encodePublicKey(made), signature, digest } as const;
        verifyByOpenssl({ ...question, message: MESSAGE });
        expect(() => verifyByOpenssl({ ...question, message: utf8("another") })).toThrow();
      },
    );
  }

  test("one request for the public key, one for each signature, and nothing else", async () => {
    const uri = "awskms:///alias/counted";
    const creation = await requestsOf(async () => await createHostedKey(await keyOf(uri)));
    expect(creation).toEqual([2, 0, 1, 1]); // is there one? no; and the new one's
    const signing = await requestsOf(async () => {
      await using signer = await openHostedSigner(await keyOf(uri));
      for (let i = 0; i < 5; i++) await signer.sign(MESSAGE);
    });
    expect(signing).toEqual([1, 5, 0, 0]);
    expect(await requestsOf(async () => await readHostedPublicKey(await keyOf(uri)))).toEqual([
      1, 0, 0, 0,
    ]);
  });

  test("a new key is of P-256 when nothing is said, and is described as cosign describes its", async () => {
    const key = await createHostedKey(await keyOf("awskms:///alias/plain"));
    expect(key.type).toBe("ecdsa-p256");
    const creation = moto.requests.findLast(({ operation }) => operation === "CreateKey");
    expect(JSON.parse(creation?.body ?? "")).toEqual({
      KeySpec: "ECC_NIST_P256",
      KeyUsage: "SIGN_VERIFY",
      Description: "Created by Sigstore",
    });
  });

  test("a key that is there is left as it is, and one of another type is refused", async () => {
    const uri = "awskms:///alias/twice";
    const first = await createHostedKey(await keyOf(uri));
    const second = await requestsOf(async () => {
      expect((await createHostedKey(await keyOf(uri))).spki).toEqual(first.spki);
    });
    expect(second).toEqual([1, 0, 0, 0]);
    expect(warnings).toEqual([`Key "${uri}" exists already: it is left as it is`]);
    await expect(createHostedKey(await keyOf(uri), "rsa-2048")).rejects.toMatchObject({
      code: "KEY_EXISTS",
    });
  });

  test("a key is found by its id, its ARN, its alias and the ARN of that", async () => {
    const made = await createHostedKey(await keyOf("awskms:///alias/named"));
    const { TargetKeyId: id } = JSON.parse(
      moto.requests.findLast(({ operation }) => operation === "CreateAlias")?.body ?? "",
    );
    const arn = "arn:aws:kms:eu-central-1:123456789012";
    for (const name of [id, `${arn}:key/${id}`, "alias/named", `${arn}:alias/named`]) {
      const found = await readHostedPublicKey(await keyOf(`awskms:///${name}`));
      expect(found.spki).toEqual(made.spki);
    }
  });

  test("an ARN names its region, whatever the environment says", async () => {
    await createHostedKey(await keyOf("awskms:///alias/at-home"));
    process.env["AWS_REGION"] = "us-west-2";
    const uri = "awskms:///arn:aws:kms:eu-central-1:123456789012:alias/at-home";
    expect((await readHostedPublicKey(await keyOf(uri))).type).toBe("ecdsa-p256");
    const scope = moto.requests.at(-1)?.headers.get("authorization");
    expect(scope).toContain("/eu-central-1/kms/aws4_request");
  });

  test("AWS_DEFAULT_REGION is the region where AWS_REGION is unset; without any it is said", async () => {
    await createHostedKey(await keyOf("awskms:///alias/somewhere"));
    delete process.env["AWS_REGION"];
    process.env["AWS_DEFAULT_REGION"] = "eu-central-1";
    const uri = "awskms:///alias/somewhere";
    expect((await readHostedPublicKey(await keyOf(uri))).type).toBe("ecdsa-p256");
    delete process.env["AWS_DEFAULT_REGION"];
    await expect(readHostedPublicKey(await keyOf(uri))).rejects.toMatchObject({
      code: "USAGE",
      hint: expect.stringContaining("AWS_REGION"),
    });
  });
});

describe("what KMS refuses", () => {
  const uri = "awskms:///alias/refused";
  const signOnce = async (): Promise<Uint8Array> => {
    await using signer = await openHostedSigner(await keyOf(uri));
    return await signer.sign(MESSAGE);
  };
  /** As KMS says it (API reference, "Common errors" and those of Sign). */
  const refuse = (operation: string, type: string, message: string, status = 400): void => {
    moto.fault = (asked) =>
      asked === operation ? Response.json({ __type: type, message }, { status }) : undefined;
  };

  test("a key that is not there", async () => {
    await expect(readHostedPublicKey(await keyOf("awskms:///alias/nothing"))).rejects.toMatchObject(
      {
        code: "KEY_NOT_FOUND",
        message: expect.stringContaining("alias/nothing"),
        hint: expect.stringContaining("AWS_REGION"),
      },
    );
  });

  test("a key for another use", async () => {
    const made = JSON.parse(
      await moto.call("kms", "CreateKey", { KeySpec: "RSA_2048", KeyUsage: "ENCRYPT_DECRYPT" }),
    );
    const other = `awskms:///arn:aws:kms:us-east-1:123456789012:key/${made.KeyMetadata.KeyId}`;
    await expect(openHostedSigner(await keyOf(other))).rejects.toMatchObject({
      code: "KEY_UNSUPPORTED",
      hint: expect.stringContaining("SIGN_VERIFY"),
    });
  });

  test("a key on a curve of another family", async () => {
    const made = JSON.parse(
      await moto.call("kms", "CreateKey", { KeySpec: "ECC_SECG_P256K1", KeyUsage: "SIGN_VERIFY" }),
    );
    const other = `awskms:///arn:aws:kms:us-east-1:123456789012:key/${made.KeyMetadata.KeyId}`;
    await expect(openHostedSigner(await keyOf(other))).rejects.toMatchObject({
      code: "KEY_UNSUPPORTED",
      message: expect.stringContaining("ECC_SECG_P256K1"),
    });
    await expect(
      createHostedKey(await keyOf("awskms:///alias/edwards"), "ed25519"),
    ).rejects.toMatchObject({ code: "KEY_UNSUPPORTED" });
  });

  test("a key by its id instead of an alias, for a new one", async () => {
    const id = "awskms:///1234abcd-12ab-34cd-56ef-1234567890ab";
    const made = await requestsOf(
      async () =>
        await expect(createHostedKey(await keyOf(id))).rejects.toMatchObject({
          code: "USAGE",
          message: expect.stringContaining("must use alias key format"),
        }),
    );
    expect(made).toEqual([0, 0, 0, 0]);
  });

  test("keys that are disabled, wait for deletion, or may not be used: each says what to do", async () => {
    await createHostedKey(await keyOf(uri));
    for (const [operation, type, message, code, hint] of [
      ["Sign", "DisabledException", "arn:… is disabled.", "KEY_DISABLED", "enable-key"],
      [
        "Sign",
        "KMSInvalidStateException",
        "arn:… is pending deletion.",
        "KEY_DISABLED",
        "deletion",
      ],
      ["GetPublicKey", "KMSInvalidStateException", "…", "KEY_DISABLED", "deletion"],
      ["Sign", "InvalidKeyUsageException", "…", "KEY_UNSUPPORTED", "SIGN_VERIFY"],
      ["GetPublicKey", "UnsupportedOperationException", "…", "KEY_UNSUPPORTED", "asymmetric"],
      ["Sign", "AccessDeniedException", "User: … is not authorized", "KEY_DENIED", "kms:Sign "],
      ["GetPublicKey", "AccessDeniedException", "…", "KEY_DENIED", "kms:GetPublicKey "],
      ["Sign", "KeyUnavailableException", "…", "KEY_SERVICE_UNAVAILABLE", "later"],
      ["GetPublicKey", "UnrecognizedClientException", "…", "KEY_SERVICE_AUTH", "credentials"],
      ["GetPublicKey", "ExpiredTokenException", "…", "KEY_SERVICE_AUTH", "credentials"],
      ["GetPublicKey", "InvalidSignatureException", "…", "KEY_SERVICE_AUTH", "clock"],
    ] as const) {
      refuse(operation, type, message);
      await expect(signOnce()).rejects.toMatchObject({
        code,
        message: expect.stringContaining(`${type}: ${message}`),
        hint: expect.stringContaining(hint),
      });
    }
    refuse("Sign", "ValidationException", "1 validation error detected");
    await expect(signOnce()).rejects.toMatchObject({ code: "KEY_SIGN_FAILED" });
  });

  test("what makes a key: the error names the permission", async () => {
    refuse("CreateKey", "AccessDeniedException", "no");
    await expect(createHostedKey(await keyOf("awskms:///alias/x"))).rejects.toMatchObject({
      code: "KEY_DENIED",
      hint: expect.stringContaining("kms:CreateKey"),
    });
    refuse("CreateAlias", "AccessDeniedException", "no");
    await expect(createHostedKey(await keyOf("awskms:///alias/x"))).rejects.toMatchObject({
      code: "KEY_DENIED",
      message: expect.stringMatching(/Cannot name the new key [\da-f-]{36} "alias\/x"/),
      hint: expect.stringContaining("kms:CreateAlias"),
    });
  });

  test("too many requests, with 400: asked again, in the end it is said", async () => {
    await createHostedKey(await keyOf(uri));
    let left = 3;
    const throttle = (): void => {
      moto.fault = (operation) =>
        operation === "Sign" && left-- > 0
          ? Response.json(
              { __type: "ThrottlingException", message: "Rate exceeded" },
              { status: 400 },
            )
          : undefined;
    };
    throttle();
    expect(await requestsOf(signOnce)).toEqual([1, 4, 0, 0]);
    left = 1000;
    await expect(signOnce()).rejects.toMatchObject({ code: "KEY_SERVICE_RATE_LIMITED" });
  });

  test("faults of its own: asked again, but never twice for a new key", async () => {
    await createHostedKey(await keyOf(uri));
    let left = 1;
    moto.fault = () =>
      left-- > 0
        ? Response.json({ __type: "KMSInternalException", message: "…" }, { status: 500 })
        : undefined;
    expect(await requestsOf(signOnce)).toEqual([2, 1, 0, 0]);
    refuse("Sign", "KMSInternalException", "…", 500);
    const tries = await requestsOf(async () => {
      await expect(signOnce()).rejects.toMatchObject({
        code: "KEY_SERVICE_UNAVAILABLE",
        message: expect.stringContaining("KMSInternalException"),
      });
    });
    expect(tries).toEqual([1, 6, 0, 0]); // ours; the SDK adds none of its own
    refuse("CreateKey", "DependencyTimeoutException", "…", 503);
    const creations = await requestsOf(async () => {
      await expect(createHostedKey(await keyOf("awskms:///alias/once"))).rejects.toMatchObject({
        code: "KEY_SERVICE_UNAVAILABLE",
      });
    });
    expect(creations).toEqual([1, 0, 1, 0]);
  });

  test("a page in the place of an answer", async () => {
    moto.fault = () => new Response("<html>Log in, please</html>");
    await expect(readHostedPublicKey(await keyOf(uri))).rejects.toMatchObject({
      code: "KEY_SERVICE_PROTOCOL",
    });
  });

  test("a signature by another key never leaves", async () => {
    await createHostedKey(await keyOf(uri));
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const Signature = sign("sha256", MESSAGE, privateKey).toString("base64");
    moto.fault = (operation) => (operation === "Sign" ? Response.json({ Signature }) : undefined);
    await expect(signOnce()).rejects.toMatchObject({ code: "KEY_SIGN_FAILED" });
    moto.fault = (operation) => (operation === "Sign" ? Response.json({}) : undefined);
    await expect(signOnce()).rejects.toMatchObject({ code: "KEY_SERVICE_PROTOCOL" });
  });

  plainTest("URIs that cosign does not take", async () => {
    for (const uri of [
      "awskms://alias/a",
      "awskms:///",
      "awskms:///a",
      "awskms:///1234abcd-12ab-34cd-56ef",
      "awskms:///arn:aws-iso:kms:us-iso-east-1:123456789012:alias/a",
      "awskms:///arn:aws:kms:us-east-1:1234:alias/a",
      "awskms:///arn:aws:s3:us-east-1:123456789012:alias/a",
      "awskms://a b/alias/a",
    ]) {
      await expect(readHostedPublicKey(await keyOf(uri))).rejects.toMatchObject({
        code: "USAGE",
        message: expect.stringContaining(
          "kms specification should be in the format awskms://[ENDPOINT]/[ID/ALIAS/ARN] (endpoint optional)",
        ),
      });
    }
  });
});
