import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setEnvironment } from "../support/environment.ts";
import { type GcpServer, newGcpVersion, startGcp } from "../support/gcp_kms_server.ts";
import type { Counts, Fault, FixtureKey, RunningBackend, Trouble } from "./fixture.ts";
import { testKeyBackend } from "./keys.ts";

const KEYS = [
  ["EC_SIGN_P256_SHA256", "ecdsa-p256", "sha256"],
  ["EC_SIGN_P384_SHA384", "ecdsa-p384", "sha384"],
  ["EC_SIGN_ED25519", "ed25519", undefined],
  ["RSA_SIGN_PKCS1_2048_SHA256", "rsa-2048", "sha256"],
  ["RSA_SIGN_PKCS1_3072_SHA256", "rsa-3072", "sha256"],
  ["RSA_SIGN_PKCS1_4096_SHA256", "rsa-4096", "sha256"],
  ["RSA_SIGN_PKCS1_4096_SHA512", "rsa-4096", "sha512"],
] as const;
const RING = "projects/p/locations/global/keyRings/r";
const placeOf = (name: string): string => `${RING}/cryptoKeys/${name}`;
const uriOf = (name: string): string => `gcpkms://${placeOf(name)}`;
const FIRST = "EC_SIGN_P256_SHA256";

testKeyBackend({ name: "Google Cloud KMS", scheme: "gcpkms", start: startBackend });

async function startBackend(): Promise<RunningBackend> {
  const gcp = await startGcp();
  const folder = mkdtempSync(join(tmpdir(), "gcp-"));
  const credentials = join(folder, "account.json");
  writeFileSync(credentials, JSON.stringify(gcp.serviceAccount));
  const restore = setEnvironment("GOOGLE_", {
    GOOGLE_APPLICATION_CREDENTIALS: credentials, // the library reads it of the process
    METADATA_SERVER_DETECTION: "none",
    CLOUDSDK_CONFIG: folder,
  });
  gcp.keyRings.add(RING);
  const put = (name: string, purpose: string, ...algorithms: readonly string[]): void => {
    gcp.keys.set(placeOf(name), { purpose, versions: algorithms.map(newGcpVersion) });
  };
  for (const [algorithm] of KEYS) put(algorithm, "ASYMMETRIC_SIGN", algorithm);
  put("two", "ASYMMETRIC_SIGN", FIRST, FIRST);
  put("disabled", "ASYMMETRIC_SIGN", FIRST);
  put("pss", "ASYMMETRIC_SIGN", "RSA_SIGN_PSS_2048_SHA256");
  put("encrypts", "ENCRYPT_DECRYPT", "GOOGLE_SYMMETRIC_ENCRYPTION");
  const [disabled] = gcp.keys.get(placeOf("disabled"))?.versions ?? [];
  if (disabled !== undefined) disabled.state = "DISABLED";
  const { private_key: secret = "" } = gcp.serviceAccount;
  let seen = 0;
  return {
    env: gcp.env,
    keys: KEYS.map(
      ([algorithm, type, digest]): FixtureKey => ({
        uri: uriOf(algorithm),
        type,
        ...(digest === undefined ? { limitBytes: 65536 } : { digest }),
      }),
    ),
    newKey: {
      uri: "gcpkms://projects/p/locations/global/keyRings/new-ring/cryptoKeys/new",
      type: "ecdsa-p256",
      digest: "sha256",
    },
    versions: [
      { uri: `${uriOf("two")}/versions/1`, type: "ecdsa-p256", digest: "sha256" },
      { uri: `${uriOf("two")}/cryptoKeyVersions/2`, type: "ecdsa-p256", digest: "sha256" },
    ],
    unreachable: { uri: uriOf(FIRST), env: { HTTPS_PROXY: "http://127.0.0.1:1" } },
    // Lines of the private key, whose first ones are the same in all keys.
    secrets: secret.split("\n").slice(3, 6),
    faults: faultsOf(gcp, folder),
    takeCounts: (): Counts => {
      const fresh = gcp.requests.slice(seen).filter(({ method }) => method !== "token");
      seen = gcp.requests.length;
      const done = (name: string): number =>
        fresh.filter(({ method, status }) => method === name && status === 200).length;
      return {
        publicKey: done("getPublicKey"),
        sign: done("asymmetricSign"),
        attempts: fresh.length,
      };
    },
    trouble: (what) => makeTrouble(what, gcp),
    close: async () => {
      restore();
      rmSync(folder, { recursive: true });
      await gcp[Symbol.asyncDispose]();
    },
  };
}

function faultsOf(gcp: GcpServer, folder: string): readonly Fault[] {
  const uri = uriOf(FIRST);
  const deny = (permission: string) => () => {
    gcp.allows = (asked) => asked !== permission;
    return () => {
      gcp.allows = undefined;
    };
  };
  const withCredentials = (path: string | undefined) => () => {
    const before = process.env["GOOGLE_APPLICATION_CREDENTIALS"];
    if (path === undefined) delete process.env["GOOGLE_APPLICATION_CREDENTIALS"];
    else process.env["GOOGLE_APPLICATION_CREDENTIALS"] = path;
    return () => {
      process.env["GOOGLE_APPLICATION_CREDENTIALS"] = before;
    };
  };
  const other = join(folder, "other.json");
  writeFileSync(
    other,
    JSON.stringify({ ...gcp.serviceAccount, client_email: "nobody@p.iam.gserviceaccount.com" }),
  );
  return [
    {
      name: "there are no credentials",
      uri,
      arrange: withCredentials(undefined),
      code: "KEY_SERVICE_AUTH",
      says: /gcloud auth application-default login/,
    },
    {
      name: "the file of credentials is not there",
      uri,
      arrange: withCredentials("/nowhere/account.json"),
      code: "KEY_SERVICE_AUTH",
      says: /\/nowhere\/account\.json does not exist/,
    },
    {
      name: "Google does not know the account",
      uri,
      arrange: withCredentials(other),
      code: "KEY_SERVICE_AUTH",
      says: /invalid_grant/,
    },
    {
      name: "the token has been revoked",
      uri,
      arrange: () => {
        gcp.fault = (method) =>
          method === "token"
            ? Response.json({
                access_token: "ya29.revoked",
                expires_in: 3599,
                token_type: "Bearer",
              })
            : undefined;
        return () => {
          gcp.fault = undefined;
        };
      },
      code: "KEY_SERVICE_AUTH",
      says: /UNAUTHENTICATED/,
    },
    {
      name: "the account may not list the versions",
      uri,
      arrange: deny("cloudkms.cryptoKeyVersions.list"),
      code: "KEY_DENIED",
      says: /cloudkms\.cryptoKeyVersions\.list/,
    },
    {
      name: "the account may not see the public key",
      uri: `${uri}/versions/1`,
      arrange: deny("cloudkms.cryptoKeyVersions.viewPublicKey"),
      code: "KEY_DENIED",
      says: /cloudkms\.cryptoKeyVersions\.viewPublicKey/,
    },
    {
      name: "the account may not sign",
      uri,
      command: "sign-blob",
      arrange: deny("cloudkms.cryptoKeyVersions.useToSign"),
      code: "KEY_DENIED",
      says: /must allow cloudkms\.cryptoKeyVersions\.useToSign/,
    },
    {
      name: "the account may make no keys",
      uri: uriOf("another"),
      command: "generate-key-pair",
      arrange: deny("cloudkms.cryptoKeys.create"),
      code: "KEY_DENIED",
      says: /must allow cloudkms\.cryptoKeys\.create/,
    },
    { name: "there is no such key", uri: uriOf("none"), code: "KEY_NOT_FOUND", says: /key ring/ },
    {
      name: "there is no such version",
      uri: `${uri}/versions/9`,
      code: "KEY_NOT_FOUND",
      says: /cryptoKeyVersions\/9 not found/,
    },
    {
      name: "no version is enabled",
      uri: uriOf("disabled"),
      code: "KEY_NOT_FOUND",
      says: /no version of it is enabled/,
    },
    {
      name: "the version is disabled",
      uri: `${uriOf("disabled")}/versions/1`,
      code: "KEY_DISABLED",
      says: /current state is: DISABLED/,
    },
    {
      name: "the key is for another use",
      uri: uriOf("encrypts"),
      code: "KEY_UNSUPPORTED",
      says: /ASYMMETRIC_SIGN/,
    },
    {
      name: "the key signs with PSS",
      uri: uriOf("pss"),
      code: "KEY_UNSUPPORTED",
      says: /RSA_SIGN_PSS_2048_SHA256/,
    },
    {
      name: "a new key is named with a version",
      uri: `${uriOf("another")}/versions/1`,
      command: "generate-key-pair",
      code: "USAGE",
      says: /names a version/,
    },
    {
      name: "the URI is none",
      uri: "gcpkms://projects/p/keyRings/r/cryptoKeys/k",
      code: "USAGE",
      says: /locations\/\[LOCATION\]/,
    },
  ];
}

function makeTrouble(what: Trouble | undefined, gcp: GcpServer): void {
  const busy = (): Response =>
    Response.json(
      { error: { code: 429, message: "Quota exceeded", status: "RESOURCE_EXHAUSTED" } },
      { status: 429 },
    );
  const faults: Readonly<Record<Trouble, NonNullable<GcpServer["fault"]>>> = {
    "throttle-once": (method) => {
      if (method === "token") return undefined;
      gcp.fault = undefined;
      return busy();
    },
    throttle: (method) => (method === "token" ? undefined : busy()),
    silence: () => new Promise<Response>(() => {}),
    lie: () => undefined,
  };
  gcp.fault = what === undefined ? undefined : faults[what];
  gcp.signsWith = what === "lie" ? newGcpVersion(FIRST).privateKey : undefined;
}
