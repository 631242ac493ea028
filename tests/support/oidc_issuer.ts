import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { utf8 } from "../../engine/model/bytes.ts";

/** What a test may change at any time: how the issuer behaves, and how it lies. */
export interface IssuerSettings {
  /** Go before the true metadata; `undefined` takes a member away. */
  metadata: Readonly<Record<string, unknown>>;
  /** Go before the true claims of identity tokens. */
  claims: Readonly<Record<string, unknown>>;
  /** What signs identity tokens; `foreign` is a key that is not in the key set, under a name that is. */
  signature: "ES256" | "RS256" | "foreign" | "none" | "HS256";
  /** What the browser is sent back with; what it says goes before. */
  callback: Readonly<Record<string, string | undefined>>;
  /** Whether the answer of the token endpoint has these. */
  refreshTokens: boolean;
  idTokens: boolean;
  /** In seconds. */
  tokenLife: number;
  device: {
    /** How often the answer is "slow_down", then how often "authorization_pending". */
    slowDown: number;
    pending: number;
    /** What comes then; a token when absent. */
    error?: string;
    interval: number | undefined;
    expiresIn: number;
    userCode: string;
    verificationUri: string | undefined;
  };
  /** Answers instead; what it gives undefined for, is answered as always. */
  instead: (request: IssuerRequest) => Response | undefined | Promise<Response | undefined>;
}

/** A request that the issuer has seen. */
export interface IssuerRequest {
  readonly method: string;
  readonly path: string;
  /** Of the query or the form. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly authorization: string | null;
}

/** An issuer of OpenID Connect in memory, over HTTP of the loopback. */
export interface TestIssuer {
  readonly url: string;
  readonly settings: IssuerSettings;
  readonly requests: readonly IssuerRequest[];
  /** How often a path was asked for. */
  count(path: string): number;
  /** All is as at the beginning, but for what was given out. */
  reset(): void;
  close(): Promise<void>;
}

/** Who may log in there. */
export interface IssuerClient {
  readonly id: string;
  readonly secret?: string;
}

interface Grant {
  readonly client: string;
  readonly challenge?: string;
  readonly redirectUri?: string;
  readonly nonce?: string;
}

const SCOPE = /(?:^| )openid(?: |$)/;
const OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob";

function initialSettings(): IssuerSettings {
  return {
    metadata: {},
    claims: {},
    signature: "ES256",
    callback: {},
    refreshTokens: false,
    idTokens: true,
    tokenLife: 3600,
    device: {
      slowDown: 0,
      pending: 0,
      interval: 5,
      expiresIn: 300,
      userCode: "WDJB-MJHT",
      verificationUri: undefined,
    },
    instead: () => undefined,
  };
}

/** Starts an issuer. Whoever starts it closes it. @param clients Default: `sigstore`, without a secret. */
export function startIssuer(clients: readonly IssuerClient[] = [{ id: "sigstore" }]): TestIssuer {
  const settings = initialSettings();
  const requests: IssuerRequest[] = [];
  const keys = {
    ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
    RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }),
    foreign: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  };
  const codes = new Map<string, Grant>();
  const devices = new Map<string, Grant & { asked: number }>();
  const refreshTokens = new Map<string, Grant>();

  const issue = (grant: Grant): Response => {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: url,
      sub: "subject-1",
      aud: grant.client,
      iat: now,
      exp: now + settings.tokenLife,
      email: "mail@example.com",
      email_verified: true,
      ...(grant.nonce === undefined ? {} : { nonce: grant.nonce }),
      ...settings.claims,
    };
    return Response.json(
      {
        access_token: secret(),
        token_type: "bearer",
        expires_in: settings.tokenLife,
        ...(settings.idTokens ? { id_token: makeToken(claims, settings.signature, keys) } : {}),
        ...(settings.refreshTokens ? { refresh_token: keep(refreshTokens, grant) } : {}),
      },
      { headers: { "cache-control": "no-store" } },
    );
  };

  const authorize = (asked: URLSearchParams): Response => {
    const client = asked.get("client_id") ?? "";
    const redirectUri = asked.get("redirect_uri") ?? "";
    const challenge = asked.get("code_challenge") ?? "";
    if (!clients.some(({ id }) => id === client)) return page("unknown client", 400);
    const isAllowed =
      redirectUri === OUT_OF_BAND ||
      /^http:\/\/(?:localhost|127\.0\.0\.1)(?::\d+)?\//.test(redirectUri);
    if (!isAllowed) return page("redirect URI is not registered", 400);
    const isGood =
      asked.get("response_type") === "code" &&
      SCOPE.test(asked.get("scope") ?? "") &&
      asked.get("code_challenge_method") === "S256" &&
      /^[A-Za-z0-9_-]{43}$/.test(challenge) &&
      (asked.get("state") ?? "").length >= 16;
    if (!isGood) return page("bad request", 400);
    const code = keep(codes, { client, redirectUri, challenge, ...nonceOf(asked) });
    if (redirectUri === OUT_OF_BAND) return page(`Your code: ${code}`, 200);
    const back = new URL(redirectUri);
    const parameters = { code, state: asked.get("state") ?? "", ...settings.callback };
    for (const [name, value] of Object.entries(parameters)) {
      if (value !== undefined) back.searchParams.set(name, value);
    }
    return Response.redirect(back.href, 303);
  };

  const deviceCode = (form: URLSearchParams): Response => {
    if (!SCOPE.test(form.get("scope") ?? "")) return oauthError(400, "invalid_scope");
    const { interval, expiresIn, userCode, verificationUri = `${url}/device` } = settings.device;
    const challenge = form.get("code_challenge");
    const grant = {
      client: form.get("client_id") ?? "",
      ...(challenge ? { challenge } : {}),
      asked: 0,
    };
    return Response.json({
      device_code: keep(devices, grant),
      user_code: userCode,
      verification_uri: verificationUri,
      verification_uri_complete:
        settings.device.verificationUri ?? `${url}/device?user_code=${userCode}`,
      expires_in: expiresIn,
      ...(interval === undefined ? {} : { interval }),
    });
  };

  const pollDevice = (form: URLSearchParams, client: string): Response => {
    const grant = devices.get(form.get("device_code") ?? "");
    if (grant?.client !== client) return oauthError(400, "invalid_grant");
    const { slowDown, pending, error } = settings.device;
    grant.asked += 1;
    if (grant.asked <= slowDown) return oauthError(400, "slow_down");
    if (grant.asked <= slowDown + pending) return oauthError(400, "authorization_pending");
    if (error !== undefined) return oauthError(400, error);
    if (!isVerified(grant, form)) return oauthError(400, "invalid_grant");
    devices.delete(form.get("device_code") ?? "");
    return issue(grant);
  };

  const token = (form: URLSearchParams, client: string): Response => {
    switch (form.get("grant_type")) {
      case "authorization_code": {
        const grant = takeOut(codes, form.get("code"));
        const isGood =
          grant?.client === client &&
          grant.redirectUri === form.get("redirect_uri") &&
          isVerified(grant, form);
        return isGood ? issue(grant) : oauthError(400, "invalid_grant", "the code is no good");
      }
      case "refresh_token": {
        const grant = takeOut(refreshTokens, form.get("refresh_token"));
        if (grant?.client !== client) return oauthError(400, "invalid_grant");
        return issue({ client }); // OpenID Connect Core §12.2: without the nonce
      }
      case "urn:ietf:params:oauth:grant-type:device_code":
        return pollDevice(form, client);
      case "client_credentials":
        return clients.some(({ id, secret }) => id === client && secret !== undefined)
          ? issue({ client })
          : oauthError(400, "unauthorized_client");
      default:
        return oauthError(400, "unsupported_grant_type");
    }
  };

  const handle = async (request: Request): Promise<Response> => {
    const asked = new URL(request.url);
    const form = new URLSearchParams(request.method === "POST" ? await request.text() : "");
    const authorization = request.headers.get("authorization");
    const seen = {
      method: request.method,
      path: asked.pathname,
      parameters: Object.fromEntries(request.method === "POST" ? form : asked.searchParams),
      authorization,
    };
    requests.push(seen);
    const instead = await settings.instead(seen);
    if (instead !== undefined) return instead;
    const client = authenticate(form, authorization, clients);
    switch (`${request.method} ${asked.pathname}`) {
      case "GET /.well-known/openid-configuration":
        return Response.json({ ...metadataOf(url), ...settings.metadata });
      case "GET /keys":
        return Response.json({
          keys: [jwkOf(keys.ES256.publicKey, "ES256"), jwkOf(keys.RS256.publicKey, "RS256")],
        });
      case "GET /authorize":
        return authorize(asked.searchParams);
      case "POST /device/code":
        return client === undefined ? unauthorized(authorization) : deviceCode(form);
      case "POST /token":
        return client === undefined ? unauthorized(authorization) : token(form, client);
      default:
        return page("not found", 404);
    }
  };

  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, idleTimeout: 60, fetch: handle });
  const url = `http://127.0.0.1:${server.port}`;
  return {
    url,
    settings,
    requests,
    count: (path) => requests.filter((each) => each.path === path).length,
    reset: () => {
      Object.assign(settings, initialSettings());
      requests.length = 0;
    },
    close: async () => await server.stop(true),
  };
}

function metadataOf(url: string): object {
  return {
    issuer: url,
    authorization_endpoint: `${url}/authorize`,
    token_endpoint: `${url}/token`,
    device_authorization_endpoint: `${url}/device/code`,
    jwks_uri: `${url}/keys`,
    response_types_supported: ["code"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["ES256", "RS256"],
    code_challenge_methods_supported: ["S256"],
    scopes_supported: ["openid", "email"],
    token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post", "none"],
  };
}

/** The client that a request is of (RFC 6749 §2.3.1); nothing when it does not prove it. */
function authenticate(
  form: URLSearchParams,
  authorization: string | null,
  clients: readonly IssuerClient[],
): string | undefined {
  const basic = /^Basic (.+)$/.exec(authorization ?? "")?.[1];
  const [id, secret] =
    basic === undefined
      ? [form.get("client_id"), form.get("client_secret")]
      : Buffer.from(basic, "base64")
          .toString()
          .split(":")
          .map((part) => decodeURIComponent(part.replaceAll("+", " ")));
  const client = clients.find((each) => each.id === id);
  return client !== undefined && (client.secret ?? null) === (secret ?? null)
    ? client.id
    : undefined;
}

/** RFC 7636 §4.6. */
function isVerified({ challenge }: Grant, form: URLSearchParams): boolean {
  if (challenge === undefined) return true;
  const verifier = form.get("code_verifier") ?? "";
  return createHash("sha256").update(verifier).digest("base64url") === challenge;
}

function nonceOf(asked: URLSearchParams): { readonly nonce?: string } {
  const nonce = asked.get("nonce");
  return nonce === null ? {} : { nonce };
}

function keep<G extends Grant>(grants: Map<string, G>, grant: G): string {
  const key = secret();
  grants.set(key, grant);
  return key;
}

/** Codes and refresh tokens are good for one use. */
function takeOut(grants: Map<string, Grant>, key: string | null): Grant | undefined {
  const grant = grants.get(key ?? "");
  grants.delete(key ?? "");
  return grant;
}

function secret(): string {
  return randomBytes(24).toString("base64url");
}

function oauthError(status: number, error: string, description?: string): Response {
  return Response.json(
    { error, ...(description === undefined ? {} : { error_description: description }) },
    { status },
  );
}

/** RFC 6749 §5.2: who came with a header is told which. */
function unauthorized(authorization: string | null): Response {
  const answer = oauthError(401, "invalid_client");
  if (authorization !== null) answer.headers.set("www-authenticate", 'Basic realm="issuer"');
  return answer;
}

function page(text: string, status: number): Response {
  return new Response(`<!doctype html><title>issuer</title><p>${text}</p>`, {
    status,
    headers: { "content-type": "text/html" },
  });
}

function jwkOf(key: KeyObject, alg: string): object {
  return { ...key.export({ format: "jwk" }), kid: alg, alg, use: "sig" };
}

function makeToken(
  claims: object,
  signature: IssuerSettings["signature"],
  keys: Readonly<Record<"ES256" | "RS256" | "foreign", { readonly privateKey: KeyObject }>>,
): string {
  const alg = signature === "foreign" ? "ES256" : signature;
  const signed = `${encodePart({ alg, kid: alg, typ: "JWT" })}.${encodePart(claims)}`;
  if (signature === "none") return `${signed}.`;
  if (signature === "HS256") return `${signed}.${secret()}`;
  const key = keys[signature].privateKey;
  const bytes = sign("sha256", utf8(signed), { key, dsaEncoding: "ieee-p1363" });
  return `${signed}.${bytes.toString("base64url")}`;
}

function encodePart(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
