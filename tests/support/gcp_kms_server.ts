import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { signDigest } from "../../engine/crypto/digest_signature.ts";
import {
  findMethod,
  findProblem,
  findUnknownParameter,
  type KmsMethod,
} from "./cloudkms_schema.ts";
import { type FarHost, type FarHosts, startFarHosts } from "./far_hosts.ts";

/** A version of a key. */
export interface GcpVersion {
  readonly algorithm: string;
  readonly privateKey: KeyObject;
  state: string;
}

/** A key, and its versions: number 1 first. */
export interface GcpKey {
  readonly purpose: string;
  readonly versions: GcpVersion[];
}

/** A request to Cloud KMS or a token endpoint. */
export interface GcpRequest {
  /** `asymmetricSign`, `getPublicKey`, …; `token`. */
  readonly method: string;
  readonly headers: Headers;
  readonly status: number;
}

/** Google Cloud in memory: Cloud KMS, and who gives tokens for it, under their own names. */
export interface GcpServer extends FarHosts {
  /** The JSON of a service account's key. */
  readonly serviceAccount: Readonly<Record<string, string>>;
  /** By `projects/P/locations/L/keyRings/R/cryptoKeys/K`. */
  readonly keys: Map<string, GcpKey>;
  readonly keyRings: Set<string>;
  readonly requests: readonly GcpRequest[];
  /** Whether the holder of a token may do something: everything when absent. */
  allows: ((permission: string) => boolean) | undefined;
  /** How often a new version is read before it is there. */
  pendingReads: number;
  /** Answers in the server's place, as long as it returns something. */
  fault:
    | ((method: string, request: Request) => Response | undefined | Promise<Response | undefined>)
    | undefined;
  /** Signs in the place of any key. */
  signsWith: KeyObject | undefined;
  /** Changes what the server answers with. */
  change: ((method: string, answer: Record<string, unknown>) => void) | undefined;
  /** Adds a host: `sts.googleapis.com`. */
  readonly others: Map<string, FarHost>;
  /** Gives a token out, as Google's other endpoints do. */
  newToken(): string;
  count(method: string): number;
}

interface Scheme {
  readonly digest?: "sha256" | "sha384" | "sha512";
  readonly type: "ecdsa-p256" | "ecdsa-p384" | "ed25519" | "rsa-2048" | "rsa-3072" | "rsa-4096";
}

const SCHEMES: Readonly<Record<string, Scheme>> = {
  EC_SIGN_P256_SHA256: { type: "ecdsa-p256", digest: "sha256" },
  EC_SIGN_P384_SHA384: { type: "ecdsa-p384", digest: "sha384" },
  EC_SIGN_ED25519: { type: "ed25519" },
  RSA_SIGN_PKCS1_2048_SHA256: { type: "rsa-2048", digest: "sha256" },
  RSA_SIGN_PKCS1_3072_SHA256: { type: "rsa-3072", digest: "sha256" },
  RSA_SIGN_PKCS1_4096_SHA256: { type: "rsa-4096", digest: "sha256" },
  RSA_SIGN_PKCS1_4096_SHA512: { type: "rsa-4096", digest: "sha512" },
};
const PERMISSIONS: Readonly<Record<string, string>> = {
  "keyRings.create": "cloudkms.keyRings.create",
  "keyRings.get": "cloudkms.keyRings.get",
  "cryptoKeys.create": "cloudkms.cryptoKeys.create",
  "cryptoKeys.get": "cloudkms.cryptoKeys.get",
  "cryptoKeyVersions.list": "cloudkms.cryptoKeyVersions.list",
  "cryptoKeyVersions.get": "cloudkms.cryptoKeyVersions.get",
  "cryptoKeyVersions.getPublicKey": "cloudkms.cryptoKeyVersions.viewPublicKey",
  "cryptoKeyVersions.asymmetricSign": "cloudkms.cryptoKeyVersions.useToSign",
};
const TOKEN_HOST = "oauth2.googleapis.com";
const KMS_HOST = "cloudkms.googleapis.com";
const TOKEN_URL = `https://${TOKEN_HOST}/token`;
const CREATED = "2026-01-01T00:00:00.123456789Z";

/** An answer that is no success: `google.rpc.Status`. */
class Refusal {
  readonly code: number;
  readonly status: string;
  readonly message: string;
  readonly details: readonly unknown[];

  constructor(code: number, status: string, message: string, details: readonly unknown[] = []) {
    this.code = code;
    this.status = status;
    this.message = message;
    this.details = details;
  }
}

/** Starts Google Cloud. @param others Further hosts, whose handlers are found in `others`. */
export async function startGcp(others: readonly string[] = []): Promise<GcpServer> {
  const account = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const serviceAccount = {
    type: "service_account",
    project_id: "p",
    private_key_id: "0123456789abcdef",
    private_key: account.privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
    client_email: "signer@p.iam.gserviceaccount.com",
    client_id: "1234567890",
    token_uri: TOKEN_URL,
  };
  const tokens = new Set<string>();
  const requests: GcpRequest[] = [];
  const seen = (method: string, request: Request, answer: Response): Response => {
    requests.push({ method, headers: request.headers, status: answer.status });
    return answer;
  };
  const hosts = await startFarHosts({
    [TOKEN_HOST]: async (request) => {
      const answer =
        (await gcp.fault?.("token", request)) ?? (await giveToken(gcp, request, account.publicKey));
      return seen("token", request, answer);
    },
    [KMS_HOST]: async (request) => {
      const url = new URL(request.url);
      const method = findMethod(request.method, url);
      const name = method?.id.split(".").slice(-2).join(".") ?? "";
      const short = name.split(".").at(-1) ?? "";
      const text = await request.clone().text();
      const answer =
        (await gcp.fault?.(short, request)) ??
        answerTo(gcp, method, name, url, text, tokens.has(bearerOf(request)));
      return seen(short, request, answer);
    },
    ...Object.fromEntries(
      others.map((host): [string, FarHost] => [
        host,
        (request) => gcp.others.get(host)?.(request) ?? new Response(null, { status: 404 }),
      ]),
    ),
  });
  const gcp: GcpServer = {
    env: hosts.env,
    asked: hosts.asked,
    serviceAccount,
    keys: new Map(),
    keyRings: new Set(),
    requests,
    allows: undefined,
    pendingReads: 0,
    fault: undefined,
    signsWith: undefined,
    change: undefined,
    others: new Map(),
    newToken: () => {
      const token = `ya29.${crypto.randomUUID()}`;
      tokens.add(token);
      return token;
    },
    count: (method) => requests.filter((each) => each.method === method).length,
    [Symbol.asyncDispose]: () => hosts[Symbol.asyncDispose](),
  };
  return gcp;
}

/** RFC 7523: the assertion is checked as Google checks it. */
async function giveToken(gcp: GcpServer, request: Request, key: KeyObject): Promise<Response> {
  const refuse = (error: string, error_description: string): Response =>
    Response.json({ error, error_description }, { status: 400 });
  const form = new URLSearchParams(await request.text());
  if (form.get("grant_type") !== "urn:ietf:params:oauth:grant-type:jwt-bearer") {
    return refuse("unsupported_grant_type", "Invalid grant_type");
  }
  const [head = "", payload = "", signature = ""] = (form.get("assertion") ?? "").split(".");
  const parse = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString());
  const { alg } = parse(head);
  const { iss, aud, iat, exp, scope } = parse(payload);
  const message = Buffer.from(`${head}.${payload}`);
  if (alg !== "RS256" || !verify("sha256", message, key, Buffer.from(signature, "base64url"))) {
    return refuse("invalid_grant", "Invalid JWT Signature.");
  }
  const nowSeconds = Date.now() / 1000;
  if (iss !== gcp.serviceAccount["client_email"]) return refuse("invalid_grant", "Invalid issuer");
  if (aud !== TOKEN_URL) return refuse("invalid_grant", "Invalid audience");
  if (exp < nowSeconds || iat > nowSeconds + 60 || exp - iat > 3600) {
    return refuse("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes)");
  }
  if (!/(?:cloud-platform|cloudkms)$/.test(scope)) return refuse("invalid_scope", scope);
  const access_token = gcp.newToken();
  return Response.json({ access_token, expires_in: 3599, token_type: "Bearer" });
}

function bearerOf(request: Request): string {
  return /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
}

function answerTo(
  gcp: GcpServer,
  method: KmsMethod | undefined,
  name: string,
  url: URL,
  text: string,
  isKnown: boolean,
): Response {
  try {
    if (method === undefined) return new Response("<html>404</html>", { status: 404 });
    if (!isKnown) {
      throw new Refusal(
        401,
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.",
      );
    }
    const body = checkRequest(method, url, text);
    const answer = { ...dispatch(gcp, method, name, url, body) };
    const problem = findProblem(answer, method.response);
    if (problem !== undefined) throw new TypeError(`The server answers wrongly: ${problem}`);
    gcp.change?.(name.split(".").at(-1) ?? "", answer);
    return Response.json(answer);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { code, status, message, details } = error;
    const shown = details.length === 0 ? {} : { details };
    return Response.json({ error: { code, message, status, ...shown } }, { status: code });
  }
}

/** Google refuses what its schema does not know. */
function checkRequest(method: KmsMethod, url: URL, text: string): Record<string, unknown> {
  const invalid = (problem: string): Refusal =>
    new Refusal(400, "INVALID_ARGUMENT", `Invalid JSON payload received. ${problem}`);
  const unknown = findUnknownParameter(method, url);
  if (unknown !== undefined)
    throw invalid(`Unknown name "${unknown}": Cannot bind query parameter.`);
  if (method.request === undefined) return {};
  const body = JSON.parse(text);
  const problem = findProblem(body, method.request);
  if (problem !== undefined) throw invalid(problem);
  return body;
}

function dispatch(
  gcp: GcpServer,
  { ids }: KmsMethod,
  name: string,
  url: URL,
  body: Record<string, unknown>,
): Record<string, unknown> {
  const [project, location, ring = "", key = "", number = ""] = ids;
  const keyRing = `projects/${project}/locations/${location}/keyRings/${ring || url.searchParams.get("keyRingId")}`;
  const place = `${keyRing}/cryptoKeys/${key || url.searchParams.get("cryptoKeyId")}`;
  const permission = PERMISSIONS[name] ?? "";
  const resource = number === "" ? place : `${place}/cryptoKeyVersions/${number}`;
  if (gcp.allows?.(permission) === false) {
    throw new Refusal(
      403,
      "PERMISSION_DENIED",
      `Permission '${permission}' denied on resource '${resource}' (or it may not exist).`,
      [
        {
          "@type": "type.googleapis.com/google.rpc.ErrorInfo",
          reason: "IAM_PERMISSION_DENIED",
          domain: "cloudkms.googleapis.com",
          metadata: { permission, resource },
        },
      ],
    );
  }
  switch (name) {
    case "keyRings.get":
      if (!gcp.keyRings.has(keyRing)) throw notFound("KeyRing", keyRing);
      return { name: keyRing, createTime: CREATED };
    case "keyRings.create":
      if (gcp.keyRings.has(keyRing)) throw exists("KeyRing", keyRing);
      gcp.keyRings.add(keyRing);
      return { name: keyRing, createTime: CREATED };
    case "cryptoKeys.create":
      return createKey(gcp, keyRing, place, body);
  }
  const found = gcp.keys.get(place);
  if (found === undefined) throw notFound("CryptoKey", place);
  if (name === "cryptoKeys.get") return describeKey(place, found);
  if (name === "cryptoKeyVersions.list") return listVersions(place, found, url);
  const version = found.versions[Number(number) - 1];
  if (version === undefined || !/^[1-9]\d*$/.test(number)) {
    throw notFound("CryptoKeyVersion", resource);
  }
  if (name === "cryptoKeyVersions.get") return describeVersion(place, version, Number(number));
  if (found.purpose !== "ASYMMETRIC_SIGN") {
    throw new Refusal(
      400,
      "INVALID_ARGUMENT",
      `The request cannot be fulfilled. Resource ${resource} of type [CryptoKeyVersion] has purpose ${found.purpose}.`,
    );
  }
  requireEnabled(gcp, version, resource);
  return name === "cryptoKeyVersions.getPublicKey"
    ? publicKeyOf(version, resource)
    : signatureOf({ ...version, privateKey: gcp.signsWith ?? version.privateKey }, resource, body);
}

function createKey(
  gcp: GcpServer,
  keyRing: string,
  place: string,
  body: Record<string, unknown>,
): Record<string, unknown> {
  if (!gcp.keyRings.has(keyRing)) throw notFound("KeyRing", keyRing);
  if (gcp.keys.has(place)) throw exists("CryptoKey", place);
  const { purpose, versionTemplate } = body as {
    purpose?: string;
    versionTemplate?: { algorithm?: string };
  };
  const algorithm = versionTemplate?.algorithm ?? "";
  if (purpose !== "ASYMMETRIC_SIGN" || SCHEMES[algorithm] === undefined) {
    throw new Refusal(
      400,
      "INVALID_ARGUMENT",
      `The algorithm ${algorithm} does not fit ${purpose}`,
    );
  }
  const key = { purpose, versions: [newGcpVersion(algorithm)] };
  const [first] = key.versions;
  if (first !== undefined && gcp.pendingReads > 0) first.state = "PENDING_GENERATION";
  gcp.keys.set(place, key);
  return describeKey(place, key);
}

function requireEnabled(gcp: GcpServer, version: GcpVersion, resource: string): void {
  const { state } = version;
  if (state === "ENABLED") return;
  if (state === "PENDING_GENERATION" && --gcp.pendingReads <= 0) version.state = "ENABLED";
  throw new Refusal(
    400,
    "FAILED_PRECONDITION",
    `${resource} is not enabled, current state is: ${state}.`,
  );
}

function listVersions(place: string, { versions }: GcpKey, url: URL): Record<string, unknown> {
  const { filter, orderBy, pageSize, pageToken } = Object.fromEntries(url.searchParams);
  const state = filter === undefined ? undefined : /^state=(\w+)$/.exec(filter)?.[1];
  const all = versions
    .map((version, index) => describeVersion(place, version, index + 1))
    .filter((each) => state === undefined || each["state"] === state)
    .sort((a, b) => (String(a["name"]) < String(b["name"]) ? -1 : 1));
  if (orderBy === "name desc") all.reverse();
  const start = Number(pageToken ?? 0);
  const end = start + Number(pageSize ?? 100);
  const page = all.slice(start, end);
  return {
    ...(page.length === 0 ? {} : { cryptoKeyVersions: page }),
    ...(end < all.length ? { nextPageToken: `${end}` } : {}),
    ...(filter === undefined ? { totalSize: all.length } : {}),
  };
}

function describeKey(name: string, { purpose, versions }: GcpKey): Record<string, unknown> {
  return {
    name,
    purpose,
    createTime: CREATED,
    versionTemplate: { protectionLevel: "SOFTWARE", algorithm: versions[0]?.algorithm },
    destroyScheduledDuration: "2592000s",
  };
}

function describeVersion(
  place: string,
  { algorithm, state }: GcpVersion,
  number: number,
): Record<string, unknown> {
  return {
    name: `${place}/cryptoKeyVersions/${number}`,
    state,
    protectionLevel: "SOFTWARE",
    algorithm,
    createTime: CREATED,
  };
}

function publicKeyOf({ algorithm, privateKey }: GcpVersion, name: string): Record<string, unknown> {
  const pem = createPublicKey(privateKey).export({ format: "pem", type: "spki" }).toString();
  const pemCrc32c = castagnoli(Buffer.from(pem));
  return { pem, algorithm, pemCrc32c, name, protectionLevel: "SOFTWARE" };
}

function signatureOf(
  { algorithm, privateKey }: GcpVersion,
  name: string,
  body: Record<string, unknown>,
): Record<string, unknown> {
  const invalid = (message: string): Refusal => new Refusal(400, "INVALID_ARGUMENT", message);
  const scheme = SCHEMES[algorithm];
  if (scheme === undefined) throw new TypeError(`not simulated: ${algorithm}`);
  const { digest, digestCrc32c, data, dataCrc32c } = body as {
    digest?: Readonly<Record<string, string>>;
    digestCrc32c?: string;
    data?: string;
    dataCrc32c?: string;
  };
  const check = (bytes: Uint8Array, sum: string | undefined, field: string): boolean => {
    if (sum === undefined) return false;
    if (sum === castagnoli(bytes)) return true;
    throw invalid(`The checksum in field ${field} did not match the data in the request.`);
  };
  const answer = (signature: Uint8Array, verified: Readonly<Record<string, boolean>>) => ({
    signature: Buffer.from(signature).toString("base64"),
    signatureCrc32c: castagnoli(signature),
    ...verified,
    name,
    protectionLevel: "SOFTWARE",
  });
  if (scheme.digest === undefined) {
    if (data === undefined || digest !== undefined) throw invalid("The algorithm signs data only.");
    const bytes = Buffer.from(data, "base64");
    if (bytes.length > 65536) throw invalid("The data is larger than 64 KiB.");
    const verified = check(bytes, dataCrc32c, "data_crc32c") ? { verifiedDataCrc32c: true } : {};
    return answer(new Uint8Array(sign(null, bytes, privateKey)), verified);
  }
  const [[kind, base64] = ["", ""], ...more] = Object.entries(digest ?? {});
  const bytes = new Uint8Array(Buffer.from(base64, "base64"));
  const size = createHash(scheme.digest).digest().length;
  if (kind !== scheme.digest || more.length > 0 || bytes.length !== size || data !== undefined) {
    throw invalid(`Digest type not compatible with ${algorithm}.`);
  }
  const verified = check(bytes, digestCrc32c, "digest_crc32c")
    ? { verifiedDigestCrc32c: true }
    : {};
  return answer(signDigest(privateKey, scheme.type, bytes, scheme.digest), verified);
}

function notFound(kind: string, name: string): Refusal {
  return new Refusal(404, "NOT_FOUND", `${kind} ${name} not found.`);
}

function exists(kind: string, name: string): Refusal {
  return new Refusal(409, "ALREADY_EXISTS", `${kind} ${name} already exists.`);
}

/** A version that is enabled. */
export function newGcpVersion(algorithm: string): GcpVersion {
  return { algorithm, privateKey: generate(algorithm), state: "ENABLED" };
}

function generate(algorithm: string): KeyObject {
  if (algorithm === "EC_SIGN_ED25519") return generateKeyPairSync("ed25519").privateKey;
  const bits = /^RSA_SIGN_\w+?_(\d{4})/.exec(algorithm)?.[1];
  if (bits !== undefined) {
    return generateKeyPairSync("rsa", { modulusLength: Number(bits) }).privateKey;
  }
  const namedCurve = algorithm === "EC_SIGN_P384_SHA384" ? "P-384" : "P-256";
  return generateKeyPairSync("ec", { namedCurve }).privateKey;
}

/** CRC-32C bit by bit (RFC 3720 §12.1), as text: the other way than the plugin computes it. */
function castagnoli(bytes: Uint8Array): string {
  let register = 0xffffffffn;
  for (const byte of bytes) {
    register ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) {
      register = (register >> 1n) ^ (register & 1n ? 0x82f63b78n : 0n);
    }
  }
  return `${register ^ 0xffffffffn}`;
}
