import {
  newVaultKey,
  startVault,
  type VaultServer,
  type VaultToken,
} from "../support/vault_server.ts";
import type { Counts, FixtureKey, RunningBackend, Trouble } from "./fixture.ts";
import { testKeyBackend } from "./keys.ts";

const TYPES = [
  "ecdsa-p256",
  "ecdsa-p384",
  "ecdsa-p521",
  "ed25519",
  "rsa-2048",
  "rsa-3072",
  "rsa-4096",
] as const;
const TOKEN = "hvs.CAESIJ-token-of-the-contract";
const FOREIGN = "foreign";

testKeyBackend({
  name: "Vault",
  scheme: "hashivault",
  start: async () => startBackend("hashivault", TYPES),
});
testKeyBackend({
  name: "OpenBao",
  scheme: "openbao",
  start: async () => startBackend("openbao", ["ecdsa-p256", "ed25519"]),
});

function startBackend(scheme: string, types: readonly (typeof TYPES)[number][]): RunningBackend {
  const vault = startVault();
  vault.tokens.clear();
  vault.tokens.set(TOKEN, {});
  const uriOf = (name: string): string => `${scheme}://${name}`;
  // OpenBao's users have its variables, Vault's have theirs.
  const prefix = scheme === "openbao" ? "BAO" : "VAULT";
  for (const type of types) vault.keys.set(`/transit/${type}`, newVaultKey(type));
  vault.keys.set(`/transit/${FOREIGN}`, newVaultKey(TYPES[0]));
  vault.keys.set("/transit/deleted", { ...newVaultKey(TYPES[0]), deleted: true });
  vault.keys.set("/transit/encrypts", newVaultKey("aes256-gcm96"));
  const uri = uriOf(TYPES[0]);
  let seen = 0;
  return {
    env: { [`${prefix}_ADDR`]: vault.url, [`${prefix}_TOKEN`]: TOKEN },
    keys: types.map(
      (type): FixtureKey => ({
        uri: uriOf(type),
        type,
        ...(type === "ed25519" ? {} : { digest: "sha256" }),
      }),
    ),
    newKey: { uri: uriOf("new"), type: "ecdsa-p256", digest: "sha256" },
    unreachable: { uri, env: { [`${prefix}_ADDR`]: "http://127.0.0.1:1" } },
    secrets: [TOKEN],
    faults: [
      {
        name: "nobody says where Vault is",
        uri,
        env: { [`${prefix}_ADDR`]: undefined },
        code: "USAGE",
        says: /VAULT_ADDR or BAO_ADDR is not set/,
      },
      {
        name: "there is no token",
        uri,
        env: { [`${prefix}_TOKEN`]: undefined },
        code: "KEY_SERVICE_AUTH",
        says: /VAULT_TOKEN or BAO_TOKEN/,
      },
      {
        name: "the token has expired",
        uri,
        arrange: () => withToken(vault, undefined),
        code: "KEY_SERVICE_AUTH",
        says: /log in again/,
      },
      {
        name: "the token may not read",
        uri,
        arrange: () => withToken(vault, { allows: () => false }),
        code: "KEY_DENIED",
        says: /path "transit\/keys\/ecdsa-p256" \{ capabilities = \["read"\] \}/,
      },
      {
        name: "the token may not sign",
        uri,
        command: "sign-blob",
        arrange: () => withToken(vault, { allows: (_, capability) => capability === "read" }),
        code: "KEY_DENIED",
        says: /path "transit\/sign\/ecdsa-p256\/sha2-256" \{ capabilities = \["update"\] \}/,
      },
      {
        name: "the token may make no keys",
        uri: uriOf("another"),
        command: "generate-key-pair",
        arrange: () => withToken(vault, { allows: (_, capability) => capability === "read" }),
        code: "KEY_DENIED",
        says: /path "transit\/keys\/another" \{ capabilities = \["update"\] \}/,
      },
      {
        name: "the namespace is another one",
        uri,
        env: { VAULT_NAMESPACE: "team" },
        code: "KEY_NOT_FOUND",
        says: /VAULT_NAMESPACE is "team"/,
      },
      {
        name: "there is no such key",
        uri: uriOf("none"),
        code: "KEY_NOT_FOUND",
        says: /no such key/,
      },
      {
        name: "the engine is elsewhere",
        uri,
        env: { TRANSIT_SECRET_ENGINE_PATH: "signing" },
        code: "KEY_NOT_FOUND",
        says: /no secrets engine at "signing"/,
      },
      {
        name: "the key is deleted",
        uri: uriOf("deleted"),
        code: "KEY_DISABLED",
        says: /Restore it/,
      },
      {
        name: "the key is of another kind",
        uri: uriOf("encrypts"),
        code: "KEY_UNSUPPORTED",
        says: /aes256-gcm96/,
      },
      {
        name: "Vault is sealed",
        uri,
        arrange: () => {
          vault.isSealed = true;
          return () => {
            vault.isSealed = false;
          };
        },
        code: "KEY_SERVICE_UNAVAILABLE",
        says: /Unseal it/,
      },
      { name: "the URI is none", uri: uriOf("a/b"), code: "USAGE", says: /hashivault:\/\/<key>/ },
    ],
    takeCounts: (): Counts => {
      const fresh = vault.requests.slice(seen);
      seen = vault.requests.length;
      const done = (path: RegExp, method: string): number =>
        fresh.filter(
          (each) => each.method === method && each.status === 200 && path.test(each.path),
        ).length;
      return {
        publicKey: done(/^transit\/keys\//, "GET"),
        sign: done(/^transit\/sign\//, "POST"),
        attempts: fresh.length,
      };
    },
    trouble: (what) => {
      vault.fault = what === undefined ? undefined : faultOf(what, vault);
    },
    close: () => vault[Symbol.asyncDispose](),
  };
}

function withToken(vault: VaultServer, token: VaultToken | undefined): () => void {
  if (token === undefined) vault.tokens.delete(TOKEN);
  else vault.tokens.set(TOKEN, token);
  return () => void vault.tokens.set(TOKEN, {});
}

function faultOf(trouble: Trouble, vault: VaultServer): NonNullable<VaultServer["fault"]> {
  const busy = (): Response =>
    Response.json({ errors: ["request path: rate limit quota exceeded"] }, { status: 429 });
  switch (trouble) {
    case "throttle-once":
      return () => {
        vault.fault = undefined;
        return busy();
      };
    case "throttle":
      return busy;
    case "silence":
      return () => new Promise<Response>(() => {});
    case "lie":
      return (request) => {
        const { pathname } = new URL(request.url);
        if (!pathname.includes("/sign/") || pathname.includes(`/sign/${FOREIGN}`)) return undefined;
        const url = vault.url + pathname.replace(/\/sign\/[^/]+/, `/sign/${FOREIGN}`);
        return fetch(url, { method: "POST", headers: request.headers, body: request.body });
      };
  }
}
