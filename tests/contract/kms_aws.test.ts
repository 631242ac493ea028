import { setEnvironment } from "../support/environment.ts";
import { type Moto, startMoto } from "../support/moto.ts";
import { hasTool, requires } from "../support/requires.ts";
import type { Counts, Fault, FixtureKey, RunningBackend, Trouble } from "./fixture.ts";
import { testKeyBackend } from "./keys.ts";

/** What KMS has, and the digest that it binds each kind to. */
const KEYS = [
  ["ecdsa-p256", "ECC_NIST_P256", "sha256"],
  ["ecdsa-p384", "ECC_NIST_P384", "sha384"],
  ["ecdsa-p521", "ECC_NIST_P521", "sha512"],
  ["rsa-2048", "RSA_2048", "sha256"],
  ["rsa-3072", "RSA_3072", "sha256"],
  ["rsa-4096", "RSA_4096", "sha256"],
] as const;
const SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const SESSION = "IQoJb3JpZ2luX2VjEXAMPLE-session-token";
const uriOf = (alias: string): string => `awskms:///alias/${alias}`;

if (hasTool("moto")) {
  testKeyBackend({ name: "AWS KMS", scheme: "awskms", start: startBackend });
} else {
  requires("moto")("AWS KMS (awskms://) passes the tests of key backends", () => {});
}

async function startBackend(): Promise<RunningBackend> {
  const moto = await startMoto();
  const variables = {
    AWS_ENDPOINT_URL: moto.url,
    AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
    AWS_SECRET_ACCESS_KEY: SECRET,
    AWS_SESSION_TOKEN: SESSION,
    AWS_REGION: "us-east-1",
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_CONFIG_FILE: "/nowhere",
    AWS_SHARED_CREDENTIALS_FILE: "/nowhere",
  };
  const restore = setEnvironment("AWS_", variables); // the SDK reads it of the process
  const make = async (alias: string, parameters: Readonly<Record<string, string>>) => {
    const made = JSON.parse(await moto.call("kms", "CreateKey", parameters));
    const { KeyId } = made.KeyMetadata;
    await moto.call("kms", "CreateAlias", { AliasName: `alias/${alias}`, TargetKeyId: KeyId });
  };
  for (const [type, KeySpec] of KEYS) await make(type, { KeySpec, KeyUsage: "SIGN_VERIFY" });
  await make("foreign", { KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" });
  await make("encrypts", { KeySpec: "RSA_2048", KeyUsage: "ENCRYPT_DECRYPT" });
  await make("bitcoin", { KeySpec: "ECC_SECG_P256K1", KeyUsage: "SIGN_VERIFY" });
  let seen = 0;
  return {
    env: variables,
    keys: KEYS.map(([type, , digest]): FixtureKey => ({ uri: uriOf(type), type, digest })),
    newKey: { uri: uriOf("new"), type: "ecdsa-p256", digest: "sha256" },
    unreachable: { uri: "awskms://127.0.0.1:1/alias/release" },
    secrets: [SECRET, SESSION],
    faults: faultsOf(moto),
    takeCounts: (): Counts => {
      const fresh = moto.requests.slice(seen);
      seen = moto.requests.length;
      const done = (name: string): number =>
        fresh.filter(({ operation, status }) => operation === name && status === 200).length;
      return { publicKey: done("GetPublicKey"), sign: done("Sign"), attempts: fresh.length };
    },
    trouble: (what) => makeTrouble(what, moto),
    close: async () => {
      restore();
      await moto[Symbol.asyncDispose]();
    },
  };
}

function faultsOf(moto: Moto): readonly Fault[] {
  const uri = uriOf("ecdsa-p256");
  const unset = (name: string) => () => {
    const before = process.env[name];
    delete process.env[name];
    return () => {
      process.env[name] = before;
    };
  };
  /** As KMS answers (API reference: "Common errors", and those of GetPublicKey and Sign). */
  const refuse = (name: string, type: string) => () => {
    moto.fault = (operation) =>
      operation === name
        ? Response.json({ __type: type, message: "as it is said" }, { status: 400 })
        : undefined;
    return () => {
      moto.fault = undefined;
    };
  };
  return [
    {
      name: "no region is named",
      uri,
      env: { AWS_REGION: undefined },
      arrange: unset("AWS_REGION"),
      code: "USAGE",
      says: /AWS_REGION/,
    },
    {
      name: "there are no credentials",
      uri,
      arrange: unset("AWS_ACCESS_KEY_ID"),
      code: "KEY_SERVICE_AUTH",
      says: /~\/\.aws/,
    },
    {
      name: "the credentials have expired",
      uri,
      arrange: refuse("GetPublicKey", "ExpiredTokenException"),
      code: "KEY_SERVICE_AUTH",
      says: /may have expired/,
    },
    {
      name: "the user may not read the key",
      uri,
      arrange: refuse("GetPublicKey", "AccessDeniedException"),
      code: "KEY_DENIED",
      says: /must allow kms:GetPublicKey /,
    },
    {
      name: "the user may not sign",
      uri,
      command: "sign-blob",
      arrange: refuse("Sign", "AccessDeniedException"),
      code: "KEY_DENIED",
      says: /must allow kms:Sign /,
    },
    {
      name: "the user may make no keys",
      uri: uriOf("another"),
      command: "generate-key-pair",
      arrange: refuse("CreateKey", "AccessDeniedException"),
      code: "KEY_DENIED",
      says: /must allow kms:CreateKey /,
    },
    {
      name: "there is no such key",
      uri: uriOf("none"),
      code: "KEY_NOT_FOUND",
      says: /alias\/none/,
    },
    {
      name: "the key is disabled",
      uri,
      command: "sign-blob",
      arrange: refuse("Sign", "DisabledException"),
      code: "KEY_DISABLED",
      says: /enable-key/,
    },
    {
      name: "the key waits for its deletion",
      uri,
      arrange: refuse("GetPublicKey", "KMSInvalidStateException"),
      code: "KEY_DISABLED",
      says: /cancel-key-deletion/,
    },
    {
      name: "the key is for another use",
      uri: uriOf("encrypts"),
      code: "KEY_UNSUPPORTED",
      says: /SIGN_VERIFY/,
    },
    {
      name: "the key is on another curve",
      uri: uriOf("bitcoin"),
      code: "KEY_UNSUPPORTED",
      says: /ECC_SECG_P256K1/,
    },
    {
      name: "a new key is named by an id",
      uri: "awskms:///1234abcd-12ab-34cd-56ef-1234567890ab",
      command: "generate-key-pair",
      code: "USAGE",
      says: /must use alias key format/,
    },
    { name: "the URI is none", uri: "awskms://alias/a", code: "USAGE", says: /endpoint optional/ },
  ];
}

function makeTrouble(what: Trouble | undefined, moto: Moto): void {
  const busy = (): Response =>
    Response.json({ __type: "ThrottlingException", message: "Rate exceeded" }, { status: 400 });
  const once = (): Response => {
    moto.fault = undefined;
    return busy();
  };
  const silence = (): Promise<Response> => new Promise(() => {});
  const faults = { "throttle-once": once, throttle: busy, silence, lie: undefined };
  moto.fault = what === undefined ? undefined : faults[what];
  moto.rewrite = (operation, body) =>
    what === "lie" && operation === "Sign"
      ? JSON.stringify({ ...JSON.parse(body), KeyId: "alias/foreign" })
      : body;
}
