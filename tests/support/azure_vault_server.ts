import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { p256, p384, p521 } from "@noble/curves/nist.js";
import { signDigest } from "../../engine/crypto/digest_signature.ts";
import { type FarHosts, startFarHosts } from "./far_hosts.ts";

/** A version of a key. */
export interface AzureKeyVersion {
  readonly id: string;
  readonly kty: string;
  readonly crv?: string;
  readonly privateKey: KeyObject;
  keyOps: readonly string[];
  enabled: boolean;
}

/** A request to the vault, or for a token. */
export interface AzureRequest {
  /** `getKey`, `createKey`, `sign`; `token`. */
  readonly method: string;
  readonly status: number;
  readonly headers: Headers;
}

/** Azure Key Vault in memory, and Microsoft Entra, under their own names. */
export interface AzureServer extends FarHosts {
  readonly vaultHost: string;
  readonly tenant: string;
  /** Secrets by the ids of applications. */
  readonly applications: Map<string, string>;
  /** Tokens of workloads elsewhere that are taken for an application's secret. */
  readonly federated: Set<string>;
  /** The last one is the current one. */
  readonly keys: Map<string, AzureKeyVersion[]>;
  readonly requests: readonly AzureRequest[];
  /** What the vault asks for a token for. */
  resource: string;
  /** Whether the holder of a token may do something: everything when absent. */
  allows: ((permission: string) => boolean) | undefined;
  /** Names that deleted keys still have. */
  readonly deleted: Set<string>;
  fault:
    | ((method: string, request: Request) => Response | undefined | Promise<Response | undefined>)
    | undefined;
  /** Signs in the place of any key. */
  signsWith: KeyObject | undefined;
  /** Gives a token out, as managed identities get them. */
  newToken(): string;
  count(method: string): number;
}

const ALGORITHMS = {
  ES256: { crv: "P-256", sizeBytes: 32, curve: p256 },
  ES384: { crv: "P-384", sizeBytes: 48, curve: p384 },
  ES512: { crv: "P-521", sizeBytes: 64, curve: p521 },
  RS256: { crv: undefined, sizeBytes: 32, curve: undefined },
  RS384: { crv: undefined, sizeBytes: 48, curve: undefined },
  RS512: { crv: undefined, sizeBytes: 64, curve: undefined },
} as const;
const BASE64URL = /^[A-Za-z0-9_-]+$/;
const SCOPE = "https://vault.azure.net/.default";

class Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly inner: string | undefined;

  constructor(status: number, code: string, message: string, inner?: string) {
    this.status = status;
    this.code = code;
    this.message = message;
    this.inner = inner;
  }
}

/** Starts a vault. @param authority Who gives tokens: `login.microsoftonline.com`. */
export async function startAzure(authority = "login.microsoftonline.com"): Promise<AzureServer> {
  const vaultHost = "release-keys.vault.azure.net";
  const tokens = new Set<string>();
  const requests: AzureRequest[] = [];
  const seen = (method: string, request: Request, answer: Response): Response => {
    requests.push({ method, status: answer.status, headers: request.headers });
    return answer;
  };
  const hosts = await startFarHosts({
    [authority]: async (request) => {
      const url = new URL(request.url);
      if (!url.pathname.endsWith("/token")) return discovery(authority, url);
      const answer = (await azure.fault?.("token", request)) ?? (await giveToken(azure, request));
      return seen("token", request, answer);
    },
    [vaultHost]: async (request) => {
      const url = new URL(request.url);
      const method = methodOf(request.method, url);
      const text = await request.clone().text();
      const answer =
        (await azure.fault?.(method, request)) ??
        answerTo(azure, method, url, request, text, tokens);
      return seen(method, request, answer);
    },
  });
  const azure: AzureServer = {
    env: hosts.env,
    asked: hosts.asked,
    vaultHost,
    tenant: "11111111-2222-3333-4444-555555555555",
    applications: new Map(),
    federated: new Set(),
    keys: new Map(),
    requests,
    resource: "https://vault.azure.net",
    allows: undefined,
    deleted: new Set(),
    fault: undefined,
    signsWith: undefined,
    newToken: () => {
      const token = `eyJ.${crypto.randomUUID()}.s`;
      tokens.add(token);
      return token;
    },
    count: (method) => requests.filter((each) => each.method === method).length,
    [Symbol.asyncDispose]: () => hosts[Symbol.asyncDispose](),
  };
  return azure;
}

/** What Entra publishes of itself. */
function discovery(authority: string, url: URL): Response {
  const tenant = url.pathname.split("/")[1];
  const base = `https://${authority}/${tenant}`;
  if (url.pathname.endsWith("/openid-configuration")) {
    return Response.json({
      token_endpoint: `${base}/oauth2/v2.0/token`,
      authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
      end_session_endpoint: `${base}/oauth2/v2.0/logout`,
      issuer: `${base}/v2.0`,
      jwks_uri: `${base}/discovery/v2.0/keys`,
    });
  }
  if (!url.pathname.endsWith("/discovery/instance")) return new Response(null, { status: 404 });
  const aliases = [authority];
  const metadata = [{ preferred_network: authority, preferred_cache: authority, aliases }];
  return Response.json({
    tenant_discovery_endpoint: `${base}/v2.0/.well-known/openid-configuration`,
    "api-version": "1.1",
    metadata,
  });
}

/** RFC 6749 §4.4, with a secret or with the token of a workload (RFC 7523 §2.2). */
async function giveToken(azure: AzureServer, request: Request): Promise<Response> {
  const refuse = (error: string, code: number, words: string): Response =>
    Response.json(
      { error, error_description: `AADSTS${code}: ${words}`, error_codes: [code] },
      { status: error === "invalid_client" ? 401 : 400 },
    );
  const [, tenant] = new URL(request.url).pathname.split("/");
  const form = new URLSearchParams(await request.text());
  const id = form.get("client_id") ?? "";
  if (tenant !== azure.tenant)
    return refuse("invalid_request", 90002, `Tenant '${tenant}' not found.`);
  if (form.get("grant_type") !== "client_credentials") {
    return refuse("unsupported_grant_type", 70003, "The app requested an unsupported grant type");
  }
  if (!(form.get("scope") ?? "").split(" ").includes(SCOPE)) {
    return refuse(
      "invalid_scope",
      70011,
      `The provided value for scope ${form.get("scope")} is not valid.`,
    );
  }
  const secret = azure.applications.get(id);
  if (secret === undefined) {
    return refuse(
      "unauthorized_client",
      700016,
      `Application with identifier '${id}' was not found`,
    );
  }
  const assertion = form.get("client_assertion");
  const isKnown =
    assertion === null
      ? form.get("client_secret") === secret
      : azure.federated.has(assertion) &&
        form.get("client_assertion_type") ===
          "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
  if (!isKnown) return refuse("invalid_client", 7000215, "Invalid client secret provided.");
  const access_token = azure.newToken();
  return Response.json({
    token_type: "Bearer",
    expires_in: 3599,
    ext_expires_in: 3599,
    access_token,
  });
}

function methodOf(verb: string, { pathname }: URL): string {
  if (verb === "GET" && /^\/keys\/[^/]+(?:\/[^/]*)?$/.test(pathname)) return "getKey";
  if (verb === "POST" && /^\/keys\/[^/]+\/create$/.test(pathname)) return "createKey";
  if (verb === "POST" && /^\/keys\/[^/]+\/[^/]*\/sign$/.test(pathname)) return "sign";
  return "";
}

function answerTo(
  azure: AzureServer,
  method: string,
  url: URL,
  request: Request,
  text: string,
  tokens: ReadonlySet<string>,
): Response {
  const token = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
  if (token === undefined || !tokens.has(token)) {
    const message = "AKV10000: Request is missing a Bearer or PoP token.";
    const challenge = `Bearer authorization="https://login.microsoftonline.com/${azure.tenant}", resource="${azure.resource}"`;
    return Response.json(
      { error: { code: "Unauthorized", message } },
      { status: 401, headers: { "www-authenticate": challenge } },
    );
  }
  try {
    return Response.json(dispatch(azure, method, url, text));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { status, code, message, inner } = error;
    const innererror = inner === undefined ? {} : { innererror: { code: inner } };
    return Response.json({ error: { code, message, ...innererror } }, { status });
  }
}

function dispatch(azure: AzureServer, method: string, url: URL, text: string): unknown {
  if (method === "") throw new Refusal(404, "NotFound", "The path is none");
  const version = url.searchParams.get("api-version") ?? "";
  if (!/^(?:7\.\d|20\d\d-\d\d-\d\d)$/.test(version)) {
    throw new Refusal(400, "BadParameter", "Invalid URI, missing or unknown api-version");
  }
  const [, , name = "", id = ""] = url.pathname.split("/");
  const permission = { getKey: "get", createKey: "create", sign: "sign" }[method] ?? "";
  if (azure.allows?.(permission) === false) {
    throw new Refusal(
      403,
      "Forbidden",
      `The user, group or application 'appid=…' does not have keys ${permission} permission on key vault 'release-keys;location=westeurope'.`,
      "AccessDenied",
    );
  }
  const body = text === "" ? {} : JSON.parse(text);
  if (method === "createKey") return createKey(azure, name, body);
  const versions = azure.keys.get(name) ?? [];
  const key = id === "" ? versions.at(-1) : versions.find((each) => each.id === id);
  if (key === undefined) {
    throw new Refusal(
      404,
      "KeyNotFound",
      `A key with (name/id) ${name} was not found in this key vault. If you recently deleted this key you may be able to recover it using the correct recovery command.`,
    );
  }
  if (method === "getKey") return bundleOf(azure, name, key);
  if (!key.enabled) {
    throw new Refusal(
      403,
      "Forbidden",
      "Operation sign is not allowed on a disabled key.",
      "KeyDisabled",
    );
  }
  if (!key.keyOps.includes("sign")) {
    throw new Refusal(
      403,
      "Forbidden",
      "Operation sign is not permitted on this key.",
      "KeyOperationForbidden",
    );
  }
  return signatureOf(azure, name, key, body);
}

function createKey(
  azure: AzureServer,
  name: string,
  body: Readonly<Record<string, unknown>>,
): unknown {
  const { kty, crv, key_size: size, key_ops: ops, attributes, tags, ...unknown } = body;
  if (
    Object.keys(unknown).length > 0 ||
    typeof tags !== "object" ||
    typeof attributes !== "object"
  ) {
    throw new Refusal(400, "BadParameter", `Unknown property ${Object.keys(unknown)}`);
  }
  if (azure.deleted.has(name)) {
    throw new Refusal(
      409,
      "Conflict",
      `Key ${name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the key can only be recovered or purged.`,
      "ObjectIsDeletedButRecoverable",
    );
  }
  const key = newAzureKey(`${kty}`, kty === "EC" ? `${crv}` : Number(size));
  key.keyOps = Array.isArray(ops) ? ops : key.keyOps;
  azure.keys.set(name, [...(azure.keys.get(name) ?? []), key]);
  return bundleOf(azure, name, key);
}

function bundleOf(azure: AzureServer, name: string, key: AzureKeyVersion): unknown {
  const { crv, x, y, n, e } = key.privateKey.export({ format: "jwk" });
  const members = key.kty.startsWith("EC") ? { crv: key.crv ?? crv, x, y } : { n, e };
  return {
    key: {
      kid: `https://${azure.vaultHost}/keys/${name}/${key.id}`,
      kty: key.kty,
      key_ops: key.keyOps,
      ...members,
    },
    attributes: {
      enabled: key.enabled,
      created: 1767225600,
      updated: 1767225600,
      recoveryLevel: "Recoverable+Purgeable",
      recoverableDays: 90,
    },
    tags: { use: "sigstore" },
  };
}

function signatureOf(
  azure: AzureServer,
  name: string,
  key: AzureKeyVersion,
  body: Readonly<Record<string, unknown>>,
): unknown {
  const { alg, value, ...unknown } = body;
  const known: Readonly<Record<string, (typeof ALGORITHMS)[keyof typeof ALGORITHMS]>> = ALGORITHMS;
  const algorithm = known[`${alg}`];
  if (algorithm === undefined || typeof value !== "string" || Object.keys(unknown).length > 0) {
    throw new Refusal(400, "BadParameter", "Property alg or value has invalid value");
  }
  const isEc = key.kty.startsWith("EC");
  if (isEc !== (algorithm.curve !== undefined) || (isEc && algorithm.crv !== key.crv)) {
    throw new Refusal(
      400,
      "BadParameter",
      `Key and signing algorithm are incompatible. Key is of type ${key.kty}, algorithm is ${alg}.`,
    );
  }
  const digest = new Uint8Array(Buffer.from(value, "base64url"));
  if (!BASE64URL.test(value) || digest.length !== algorithm.sizeBytes) {
    throw new Refusal(
      400,
      "BadParameter",
      `Invalid length of 'value': ${digest.length} bytes. The algorithm '${alg}' requires ${algorithm.sizeBytes} bytes.`,
    );
  }
  const privateKey = azure.signsWith ?? key.privateKey;
  return {
    kid: `https://${azure.vaultHost}/keys/${name}/${key.id}`,
    value: Buffer.from(signOf(privateKey, algorithm, `${alg}`, digest)).toString("base64url"),
  };
}

function signOf(
  privateKey: KeyObject,
  { curve }: (typeof ALGORITHMS)[keyof typeof ALGORITHMS],
  alg: string,
  digest: Uint8Array,
): Uint8Array {
  if (curve === undefined) {
    const hash = { RS256: "sha256", RS384: "sha384", RS512: "sha512" } as const;
    return signDigest(privateKey, "rsa-2048", digest, hash[alg as keyof typeof hash]);
  }
  const scalar = Buffer.from(privateKey.export({ format: "jwk" }).d ?? "", "base64url");
  return curve.sign(digest, new Uint8Array(scalar), { prehash: false, lowS: false });
}

/** A version that is enabled. @param shape A curve, or the bits of an RSA key. */
export function newAzureKey(kty: string, shape: string | number): AzureKeyVersion {
  const id = crypto.randomUUID().replaceAll("-", "");
  const common = { id, kty, keyOps: ["sign", "verify"], enabled: true };
  if (typeof shape === "number") {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: shape });
    return { ...common, privateKey };
  }
  const namedCurve = shape === "P-256K" ? "P-256" : shape; // nothing is signed with that
  return {
    ...common,
    crv: shape,
    privateKey: generateKeyPairSync("ec", { namedCurve }).privateKey,
  };
}
