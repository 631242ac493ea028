import { type AzureServer, newAzureKey, startAzure } from "../support/azure_vault_server.ts";
import { setEnvironment } from "../support/environment.ts";
import type { Counts, Fault, FixtureKey, RunningBackend, Trouble } from "./fixture.ts";
import { testKeyBackend } from "./keys.ts";

const KEYS = [
  ["p256", "EC", "P-256", "ecdsa-p256", "sha256"],
  ["p384", "EC-HSM", "P-384", "ecdsa-p384", "sha384"],
  ["p521", "EC", "P-521", "ecdsa-p521", "sha512"],
  ["rsa2048", "RSA", 2048, "rsa-2048", "sha256"],
  ["rsa3072", "RSA-HSM", 3072, "rsa-3072", "sha256"],
  ["rsa4096", "RSA", 4096, "rsa-4096", "sha256"],
] as const;
const SECRET = "client-secret~of.the-contract";
const CLIENT = "99999999-8888-7777-6666-555555555555";

testKeyBackend({ name: "Azure Key Vault", scheme: "azurekms", start: startBackend });

async function startBackend(): Promise<RunningBackend> {
  const azure = await startAzure();
  azure.applications.set(CLIENT, SECRET);
  const variables = {
    AZURE_TENANT_ID: azure.tenant,
    AZURE_CLIENT_ID: CLIENT,
    AZURE_CLIENT_SECRET: SECRET,
    AZURE_TOKEN_CREDENTIALS: "EnvironmentCredential", // no machine and no program is asked
  };
  const restore = setEnvironment("AZURE_", variables); // the SDK reads them of the process
  const uriOf = (name: string): string => `azurekms://${azure.vaultHost}/${name}`;
  for (const [name, kty, shape] of KEYS) azure.keys.set(name, [newAzureKey(kty, shape)]);
  const two = [newAzureKey("EC", "P-256"), newAzureKey("EC", "P-256")];
  azure.keys.set("two", two);
  azure.keys.set("disabled", [{ ...newAzureKey("EC", "P-256"), enabled: false }]);
  azure.keys.set("bitcoin", [newAzureKey("EC", "P-256K")]);
  azure.keys.set("wraps", [{ ...newAzureKey("RSA", 2048), keyOps: ["wrapKey", "unwrapKey"] }]);
  azure.deleted.add("gone");
  let seen = 0;
  return {
    env: { ...azure.env, ...variables },
    keys: KEYS.map(([name, , , type, digest]): FixtureKey => ({ uri: uriOf(name), type, digest })),
    newKey: { uri: uriOf("new"), type: "ecdsa-p256", digest: "sha256" },
    versions: [
      { uri: `${uriOf("two")}/${two[0]?.id}`, type: "ecdsa-p256", digest: "sha256" },
      { uri: `${uriOf("two")}/`, type: "ecdsa-p256", digest: "sha256" },
    ],
    unreachable: { uri: uriOf("p256"), env: { HTTPS_PROXY: "http://127.0.0.1:1" } },
    secrets: [SECRET],
    faults: faultsOf(azure, uriOf),
    takeCounts: (): Counts => {
      const fresh = azure.requests.slice(seen).filter(({ method }) => method !== "token");
      seen = azure.requests.length;
      const done = (name: string): number =>
        fresh.filter(({ method, status }) => method === name && status === 200).length;
      return { publicKey: done("getKey"), sign: done("sign"), attempts: fresh.length };
    },
    trouble: (what) => makeTrouble(what, azure),
    close: async () => {
      restore();
      await azure[Symbol.asyncDispose]();
    },
  };
}

function faultsOf(azure: AzureServer, uriOf: (name: string) => string): readonly Fault[] {
  const uri = uriOf("p256");
  const deny = (permission: string) => () => {
    azure.allows = (asked) => asked !== permission;
    return () => {
      azure.allows = undefined;
    };
  };
  const set = (name: string, value: string | undefined) => () => {
    const before = process.env[name];
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
    return () => {
      process.env[name] = before;
    };
  };
  return [
    {
      name: "there are no credentials",
      uri,
      arrange: set("AZURE_CLIENT_SECRET", undefined),
      code: "KEY_SERVICE_AUTH",
      says: /az login/,
    },
    {
      name: "the secret is wrong",
      uri,
      arrange: set("AZURE_CLIENT_SECRET", "wrong"),
      code: "KEY_SERVICE_AUTH",
      says: /AADSTS7000215/,
    },
    {
      name: "the vault asks for a token for somebody else",
      uri,
      arrange: () => {
        azure.resource = "https://management.azure.com";
        return () => {
          azure.resource = "https://vault.azure.net";
        };
      },
      code: "KEY_SERVICE_PROTOCOL",
      says: /does not match the requested domain/,
    },
    {
      name: "the vault does not take the token",
      uri,
      arrange: () => {
        azure.fault = (method) =>
          method === "token"
            ? Response.json({ token_type: "Bearer", expires_in: 3599, access_token: "eyJ.x.y" })
            : undefined;
        return () => {
          azure.fault = undefined;
        };
      },
      code: "KEY_SERVICE_AUTH",
      says: /Unauthorized/,
    },
    {
      name: "the application may not read keys",
      uri,
      arrange: deny("get"),
      code: "KEY_DENIED",
      says: /key permission "get"/,
    },
    {
      name: "the application may not sign",
      uri,
      command: "sign-blob",
      arrange: deny("sign"),
      code: "KEY_DENIED",
      says: /key permission "sign"/,
    },
    {
      name: "the application may make no keys",
      uri: uriOf("another"),
      command: "generate-key-pair",
      arrange: deny("create"),
      code: "KEY_DENIED",
      says: /key permission "create"/,
    },
    {
      name: "there is no such key",
      uri: uriOf("none"),
      code: "KEY_NOT_FOUND",
      says: /KeyNotFound/,
    },
    {
      name: "there is no such version",
      uri: `${uri}/0123456789abcdef0123456789abcdef`,
      code: "KEY_NOT_FOUND",
      says: /KeyNotFound/,
    },
    {
      name: "the key is disabled",
      uri: uriOf("disabled"),
      code: "KEY_DISABLED",
      says: /Enable it/,
    },
    {
      name: "the key is on another curve",
      uri: uriOf("bitcoin"),
      code: "KEY_UNSUPPORTED",
      says: /P-256K/,
    },
    {
      name: "the key is for another use",
      uri: uriOf("wraps"),
      code: "KEY_UNSUPPORTED",
      says: /wrapKey, unwrapKey/,
    },
    {
      name: "the name is that of a deleted key",
      uri: uriOf("gone"),
      command: "generate-key-pair",
      code: "KEY_EXISTS",
      says: /az keyvault key recover/,
    },
    { name: "the URI is none", uri: "azurekms://vault", code: "USAGE", says: /VAULT_NAME/ },
  ];
}

function makeTrouble(what: Trouble | undefined, azure: AzureServer): void {
  const busy = (): Response =>
    Response.json(
      {
        error: {
          code: "Throttled",
          message: "Request was not processed because too many requests were received.",
        },
      },
      { status: 429 },
    );
  const faults: Readonly<Record<Trouble, NonNullable<AzureServer["fault"]>>> = {
    "throttle-once": (method) => {
      if (method === "token") return undefined;
      azure.fault = undefined;
      return busy();
    },
    throttle: (method) => (method === "token" ? undefined : busy()),
    silence: () => new Promise<Response>(() => {}),
    lie: () => undefined,
  };
  azure.fault = what === undefined ? undefined : faults[what];
  azure.signsWith = what === "lie" ? newAzureKey("EC", "P-256").privateKey : undefined;
}
