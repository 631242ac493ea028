import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from "node:crypto";
import { signDigest } from "../../engine/crypto/digest_signature.ts";
import type { KeyType, WeakKeyType } from "../../engine/model/key.ts";
import type { SignatureDigestAlgorithm } from "../../engine/model/policy.ts";

/** What a token may do: the capabilities by the ends of paths (`sign/KEY`), within its namespace. */
export interface VaultToken {
  /** Default: everything. */
  readonly allows?: (path: string, capability: string) => boolean;
  readonly namespace?: string;
}

/** A key of the transit engine; what a test may change at any time. */
export interface VaultKey {
  readonly type: Exclude<KeyType, WeakKeyType> | "aes256-gcm96";
  /** Version 1 first. */
  readonly versions: KeyObject[];
  deleted: boolean;
  derived: boolean;
  minEncryptionVersion: number;
}

/** A request that the server has seen. */
export interface VaultRequest {
  readonly method: string;
  /** Behind `/v1/`. */
  readonly path: string;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
  readonly status: number;
}

/** Vault in memory, over HTTP of the loopback: its transit engine as OpenBao answers (`openbao_answers.json`). */
export interface VaultServer {
  readonly url: string;
  readonly requests: readonly VaultRequest[];
  /** By their texts. */
  readonly tokens: Map<string, VaultToken>;
  /** By `NAMESPACE/ENGINE/NAME`, the namespace empty for the first one. */
  readonly keys: Map<string, VaultKey>;
  /** Where transit engines are: `NAMESPACE/ENGINE`. */
  readonly engines: Set<string>;
  /** Beside the first one, which has no name. */
  readonly namespaces: Set<string>;
  isSealed: boolean;
  /** Answers in the server's place, as long as it returns something. */
  fault: ((request: Request) => Response | Promise<Response> | undefined) | undefined;
  /** Adds a version to a key, as `vault write -f transit/keys/NAME/rotate` does. */
  rotate(key: string): void;
  count(start: string): number;
  [Symbol.asyncDispose](): Promise<void>;
}

const CURVES = { "ecdsa-p256": "P-256", "ecdsa-p384": "P-384", "ecdsa-p521": "P-521" } as const;
const SIGNING_TYPES: ReadonlySet<string> = new Set([
  ...Object.keys(CURVES),
  "ed25519",
  "rsa-2048",
  "rsa-3072",
  "rsa-4096",
]);
/** The names of hashes on the wire, and what they are here; others are known and not simulated. */
const HASHES: Readonly<Record<string, SignatureDigestAlgorithm | undefined>> = {
  "sha2-224": "sha224",
  "sha2-256": "sha256",
  "sha2-384": "sha384",
  "sha2-512": "sha512",
};
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** An answer that is no success: the status and the lines of `errors`. */
class Refusal {
  readonly status: number;
  readonly errors: readonly string[];

  constructor(status: number, ...errors: readonly string[]) {
    this.status = status;
    this.errors = errors;
  }
}

/** `multierror`, as it stands in most refusals. */
const listed = (...lines: readonly string[]): string =>
  `${lines.length} error${lines.length === 1 ? "" : "s"} occurred:\n${lines.map((line) => `\t* ${line}\n`).join("")}\n`;

/** Starts a Vault with the token `root` and an engine at `transit`. */
export function startVault(
  options: { readonly tls?: { cert: string; key: string } } = {},
): VaultServer {
  const requests: VaultRequest[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    fetch: async (request) => {
      const path = new URL(request.url).pathname.replace(/^\/v1\//, "");
      const text = await request.clone().text();
      const answer = (await vault.fault?.(request)) ?? answerTo(vault, request, text);
      requests.push({
        method: request.method,
        path,
        headers: request.headers,
        body: text === "" ? {} : JSON.parse(text),
        status: answer.status,
      });
      return answer;
    },
  });
  const vault: VaultServer = {
    url: `${options.tls === undefined ? "http" : "https"}://127.0.0.1:${server.port}`,
    requests,
    tokens: new Map([["root", {}]]),
    keys: new Map(),
    engines: new Set(["/transit"]),
    namespaces: new Set(),
    isSealed: false,
    fault: undefined,
    rotate: (name) => {
      const key = vault.keys.get(name);
      if (key !== undefined) key.versions.push(generate(key.type));
    },
    count: (start) => requests.filter(({ path }) => path.startsWith(start)).length,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
  return vault;
}

function answerTo(vault: VaultServer, request: Request, text: string): Response {
  try {
    const { data } = dispatch(vault, request, text);
    return json(200, {
      request_id: crypto.randomUUID(),
      lease_id: "",
      renewable: false,
      lease_duration: 0,
      data,
      wrap_info: null,
      warnings: null,
      auth: null,
    });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return json(error.status, { errors: error.errors });
  }
}

/** With the media type as Vault writes it: hvac reads errors of no other. */
function json(status: number, value: unknown): Response {
  const headers = { "content-type": "application/json" };
  return new Response(`${JSON.stringify(value)}\n`, { status, headers });
}

type Answer = Readonly<Record<"data", unknown>>;

function dispatch(vault: VaultServer, request: Request, text: string): Answer {
  const { pathname } = new URL(request.url);
  if (!pathname.startsWith("/v1/")) throw new Refusal(404);
  if (vault.isSealed) throw new Refusal(503, "Vault is sealed");
  const namespace = (request.headers.get("x-vault-namespace") ?? "").replace(/^\/|\/$/g, "");
  const path = pathname.slice("/v1/".length);
  if (namespace !== "" && !vault.namespaces.has(namespace)) {
    throw new Refusal(404, "namespace not found");
  }
  const operation = operationOf(request.method);
  const body = bodyOf(text);
  const token = authorize(vault, request, namespace);
  const engine = [...vault.engines].find((each) => `${namespace}/${path}`.startsWith(`${each}/`));
  const isAllowed = token.allows?.(path, operation) ?? true;
  if (!isAllowed) throw new Refusal(403, listed("permission denied"));
  if (engine === undefined) {
    throw new Refusal(404, `no handler for route "${path}". route entry not found.`);
  }
  const rest = `${namespace}/${path}`.slice(engine.length + 1);
  const [, verb, name = "", hash] =
    /^(keys|sign)\/(\w(?:[\w.-]*\w)?)(?:\/([^/]+))?$/.exec(rest) ?? [];
  if (verb === "keys" && hash === undefined) {
    if (operation === "read") return readKey(vault, `${engine}/${name}`);
    if (operation === "update") return writeKey(vault, `${engine}/${name}`, body);
    throw new Refusal(405, listed("unsupported operation"));
  }
  if (verb === "sign") {
    if (operation !== "update") throw new Refusal(405, listed("unsupported operation"));
    return signInput(vault, `${engine}/${name}`, hash, body);
  }
  throw new Refusal(404, listed("unsupported path"));
}

function authorize(vault: VaultServer, request: Request, namespace: string): VaultToken {
  const bearer = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
  const text = request.headers.get("x-vault-token") ?? bearer;
  if (text === undefined) throw new Refusal(403, "permission denied");
  const token = vault.tokens.get(text);
  if (token === undefined) throw new Refusal(403, "permission denied");
  const { namespace: home = "" } = token;
  if (namespace !== home && !namespace.startsWith(home === "" ? "" : `${home}/`)) {
    throw new Refusal(403, listed("permission denied"));
  }
  return token;
}

function operationOf(method: string): string {
  const operation = { GET: "read", POST: "update", PUT: "update", DELETE: "delete", LIST: "list" }[
    method
  ];
  if (operation === undefined) throw new Refusal(405);
  return operation;
}

function bodyOf(text: string): Readonly<Record<string, unknown>> {
  if (text === "") return {};
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, "failed to parse JSON input");
  }
}

function readKey(vault: VaultServer, place: string): Answer {
  const key = vault.keys.get(place);
  if (key === undefined) throw new Refusal(404);
  return { data: describe(place, key) };
}

function writeKey(
  vault: VaultServer,
  place: string,
  body: Readonly<Record<string, unknown>>,
): Answer {
  const type = textOf(body["type"]) ?? "aes256-gcm96";
  if (!isType(type)) throw new Refusal(400, `unknown key type ${type}`);
  const key = vault.keys.get(place) ?? newVaultKey(type);
  vault.keys.set(place, key); // one that is there stays as it is, without a word
  return { data: describe(place, key) };
}

function signInput(
  vault: VaultServer,
  place: string,
  urlHash: string | undefined,
  body: Readonly<Record<string, unknown>>,
): Answer {
  const hashName =
    urlHash ?? textOf(body["hash_algorithm"]) ?? textOf(body["algorithm"]) ?? "sha2-256";
  if (!Object.hasOwn(HASHES, hashName)) {
    throw new Refusal(400, `invalid hash algorithm "${hashName}"`);
  }
  const hash = HASHES[hashName];
  const marshaling = textOf(body["marshaling_algorithm"]) ?? "asn1";
  if (!["asn1", "jws"].includes(marshaling)) {
    throw new Refusal(400, `invalid marshaling type "${marshaling}"`);
  }
  const key = vault.keys.get(place);
  if (key === undefined) throw new Refusal(400, "signing key not found");
  const { type } = key;
  if (type === "aes256-gcm96") {
    throw new Refusal(400, `key type ${type} does not support signing`);
  }
  const input = textOf(body["input"]) ?? "";
  if (!BASE64.test(input)) {
    throw new Refusal(400, "unable to decode input as base64: illegal base64 data at input byte 0");
  }
  const version = versionOf(key, Number(body["key_version"] ?? 0));
  const privateKey = key.versions[version - 1];
  if (privateKey === undefined || hash === undefined) throw new TypeError("not simulated");
  const isHashed = body["prehashed"] === true || body["prehashed"] === "true";
  const bytes = new Uint8Array(Buffer.from(input, "base64"));
  let signature: Uint8Array;
  if (type === "ed25519") {
    signature = new Uint8Array(sign(null, bytes, privateKey));
  } else {
    if (type.startsWith("rsa-") && body["signature_algorithm"] !== "pkcs1v15") {
      throw new Refusal(501, "this server makes no PSS signatures, which are the default");
    }
    const digest = isHashed ? bytes : new Uint8Array(createHash(hash).update(bytes).digest());
    if (type.startsWith("rsa-") && digest.length !== createHash(hash).digest().length) {
      throw new Refusal(500, listed("crypto/rsa: input must be hashed message"));
    }
    signature = signDigest(privateKey, type, digest, hash);
  }
  const encoding = marshaling === "jws" ? "base64url" : "base64";
  return {
    data: {
      key_version: version,
      signature: `vault:v${version}:${Buffer.from(signature).toString(encoding)}`,
    },
  };
}

function versionOf({ versions, minEncryptionVersion, deleted }: VaultKey, asked: number): number {
  if (deleted) throw new Refusal(500, listed("refusing to use soft-deleted key"));
  const version = asked === 0 ? versions.length : asked;
  if (version < 0) throw new Refusal(500, listed("requested version for signing is negative"));
  if (version > versions.length) {
    throw new Refusal(
      500,
      listed("requested version for signing is higher than the latest key version"),
    );
  }
  if (version < minEncryptionVersion) {
    throw new Refusal(
      500,
      listed("requested version for signing is less than the minimum encryption key version"),
    );
  }
  return version;
}

/** A key of one version. */
export function newVaultKey(type: VaultKey["type"]): VaultKey {
  return {
    type,
    versions: [generate(type)],
    deleted: false,
    derived: false,
    minEncryptionVersion: 0,
  };
}

function generate(type: VaultKey["type"]): KeyObject {
  if (type === "ed25519") return generateKeyPairSync("ed25519").privateKey;
  if (type === "rsa-2048" || type === "rsa-3072" || type === "rsa-4096") {
    return generateKeyPairSync("rsa", { modulusLength: Number(type.slice(4)) }).privateKey;
  }
  const namedCurve = type === "aes256-gcm96" ? "P-256" : CURVES[type];
  return generateKeyPairSync("ec", { namedCurve }).privateKey;
}

/** What reading a key tells of it. */
function describe(place: string, key: VaultKey): Readonly<Record<string, unknown>> {
  const { type, versions, deleted, derived, minEncryptionVersion } = key;
  const isSigning = SIGNING_TYPES.has(type);
  const entries = versions.map((privateKey, index) => [
    `${index + 1}`,
    isSigning
      ? {
          certificate_chain: "",
          creation_time: "2026-01-01T00:00:00.123456789Z",
          name: type.startsWith("ecdsa-") ? CURVES[type as keyof typeof CURVES] : type,
          public_key: publicKeyText(privateKey, type, derived),
        }
      : 1767225600,
  ]);
  return {
    allow_plaintext_backup: false,
    auto_rotate_period: 0,
    deletion_allowed: false,
    derived,
    ...(derived ? { convergent_encryption: false, kdf: "hkdf_sha256" } : {}),
    exportable: false,
    imported_key: false,
    keys: Object.fromEntries(entries),
    latest_version: versions.length,
    min_available_version: 0,
    min_decryption_version: 1,
    min_encryption_version: minEncryptionVersion,
    name: place.split("/").at(-1),
    soft_deleted: deleted,
    supports_decryption: type.startsWith("rsa-") || !isSigning,
    supports_derivation: type === "ed25519" || !isSigning,
    supports_encryption: type.startsWith("rsa-") || !isSigning,
    supports_signing: isSigning,
    type,
  };
}

function publicKeyText(privateKey: KeyObject, type: string, derived: boolean): string {
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  if (type === "ed25519") return derived ? "" : spki.subarray(-32).toString("base64");
  return createPublicKey(privateKey).export({ format: "pem", type: "spki" }).toString();
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function isType(type: string): type is VaultKey["type"] {
  return SIGNING_TYPES.has(type) || type === "aes256-gcm96";
}
