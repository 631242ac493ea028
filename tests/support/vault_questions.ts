/** A request to a Vault, and what came back: of OpenBao recorded, of our server compared with that. */
export interface VaultQuestion {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly token?: "root" | "reader" | "team" | "unknown";
  readonly namespace?: string;
  readonly body?: unknown;
}

/** What a question is answered with. Words and numbers that change from run to run are not in it. */
export interface VaultAnswer {
  readonly status: number;
  readonly contentType: string | null;
  readonly errors?: readonly string[];
  readonly warnings?: unknown;
  /** The type of each value, by its path. */
  readonly shape: Readonly<Record<string, string>>;
}

const DIGEST = `${"a".repeat(43)}=`; // 32 bytes
const sign = (key: string, body: object, hash = "/sha2-256"): Omit<VaultQuestion, "name"> => ({
  method: "POST",
  path: `transit/sign/${key}${hash}`,
  body: { input: DIGEST, prehashed: true, ...body },
});
const read = (key: string): Omit<VaultQuestion, "name"> => ({
  method: "GET",
  path: `transit/keys/${key}`,
});

/** What the plugin may ask, and what may go wrong with it. The keys are those of the set-up. */
export const QUESTIONS: readonly VaultQuestion[] = [
  { name: "a key on a curve", ...read("p256") },
  { name: "an Ed25519 key", ...read("ed25519") },
  { name: "an RSA key", ...read("rsa") },
  { name: "a derived key", ...read("derived") },
  { name: "a key that encrypts", ...read("aes") },
  { name: "a deleted key", ...read("deleted") },
  { name: "a key that was rotated", ...read("rotated") },
  { name: "no key", ...read("none") },
  { name: "no engine", method: "GET", path: "nowhere/keys/p256" },
  { name: "no path of the engine", method: "GET", path: "transit/nothing/p256" },
  { name: "a namespace without it", ...read("p256"), namespace: "none" },
  { name: "a token of another namespace", ...read("p256"), token: "team" },
  { name: "a token of this namespace", ...read("p256"), token: "team", namespace: "team" },
  { name: "an unknown token", ...read("p256"), token: "unknown" },
  { name: "a token that may not sign", ...sign("p256", {}), token: "reader" },
  { name: "a token that may read", ...read("p256"), token: "reader" },
  {
    name: "a token that may make nothing",
    method: "POST",
    path: "transit/keys/mine",
    body: { type: "ecdsa-p256" },
    token: "reader",
  },
  { name: "a signature of a digest", ...sign("p256", { marshaling_algorithm: "asn1" }) },
  { name: "by a version", ...sign("rotated", { key_version: 2 }) },
  { name: "by a version as text", ...sign("rotated", { key_version: "2" }) },
  { name: "by a version that may no longer sign", ...sign("rotated", { key_version: 1 }) },
  { name: "by a version that is not there", ...sign("rotated", { key_version: 9 }) },
  { name: "of a message", ...sign("p256", { prehashed: false }) },
  { name: "by Ed25519", ...sign("ed25519", { prehashed: false }, "") },
  { name: "by RSA", ...sign("rsa", { signature_algorithm: "pkcs1v15" }) },
  {
    name: "by RSA, of what is no digest",
    ...sign("rsa", { signature_algorithm: "pkcs1v15", input: "AAAA" }),
  },
  { name: "in another form", ...sign("p256", { marshaling_algorithm: "jws" }) },
  { name: "in a form that is none", ...sign("p256", { marshaling_algorithm: "raw" }) },
  { name: "with a hash that is none", ...sign("p256", {}, "/md5") },
  { name: "of what is no base64", ...sign("p256", { input: "é" }) },
  { name: "by a key that encrypts", ...sign("aes", {}) },
  { name: "by a deleted key", ...sign("deleted", {}) },
  { name: "by no key", ...sign("none", {}) },
  { name: "with the wrong verb", method: "GET", path: "transit/sign/p256/sha2-256" },
  { name: "a new key", method: "POST", path: "transit/keys/new", body: { type: "ecdsa-p384" } },
  { name: "a key that is there", method: "POST", path: "transit/keys/new", body: {} },
  { name: "a key of no type", method: "POST", path: "transit/keys/odd", body: { type: "dsa" } },
];

/** Asks `url` a question. */
export async function askVault(
  url: string,
  tokens: Readonly<Record<string, string>>,
  { method, path, token = "root", namespace, body }: VaultQuestion,
): Promise<VaultAnswer> {
  const response = await fetch(`${url}/v1/${path}`, {
    method,
    headers: {
      "x-vault-token": tokens[token] ?? token,
      ...(namespace === undefined ? {} : { "x-vault-namespace": namespace }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const value = text === "" ? undefined : JSON.parse(text);
  return {
    status: response.status,
    contentType: response.headers.get("content-type"),
    ...(value?.errors === undefined ? {} : { errors: value.errors }),
    ...(value?.warnings === undefined ? {} : { warnings: value.warnings }),
    shape: Object.fromEntries(shapeOf(value?.data, "data")),
  };
}

function shapeOf(value: unknown, path: string): readonly (readonly [string, string])[] {
  if (typeof value !== "object" || value === null) {
    const isSigned = typeof value === "string" && value.startsWith("vault:");
    return [
      [
        path,
        isSigned ? value.slice(0, "vault:v1:".length) : value === null ? "null" : typeof value,
      ],
    ];
  }
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, each]) => shapeOf(each, `${path}.${name}`));
}
