import { createPrivateKey, randomUUID, sign, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { type SeenRequest, startServer, type TestServer } from "./_server.ts";

/** A token server as distribution's specification has it, with the requests that it saw. */
export interface TokenServer extends TestServer {
  /** How long its tokens live. */
  lifeSeconds: number;
  /** Scopes that tokens were asked for, in order. */
  readonly scopes: string[];
}

/** Who may do what at a {@link TokenServer}. */
export interface TokenServerOptions {
  /** Paths of PEM files that tokens are signed with. */
  readonly certificate: string;
  readonly key: string;
  readonly issuer: string;
  /** Password by user; these may do everything, the anonymous may pull. */
  readonly users: Readonly<Record<string, string>>;
  /** Identity tokens that may do everything. */
  readonly identityTokens?: readonly string[];
}

/** Starts a token server on a free port. Whoever starts it closes it. */
export function startTokenServer(options: TokenServerOptions): TokenServer {
  const scopes: string[] = [];
  const server = startServer((request) => {
    const query = new URL(request.path, "http://token.invalid").searchParams;
    const form = new URLSearchParams(new TextDecoder().decode(request.body));
    const user = whoAsks(request, form, options);
    if (user === undefined) return Response.json({ details: "no such user" }, { status: 401 });
    const wanted = request.method === "POST" ? [form.get("scope") ?? ""] : query.getAll("scope");
    scopes.push(wanted.join(" "));
    const service = (request.method === "POST" ? form : query).get("service") ?? "";
    const token = encodeToken(user, service, wanted, tokens.lifeSeconds, options);
    return Response.json({ token, expires_in: tokens.lifeSeconds });
  });
  const tokens: TokenServer = { ...server, lifeSeconds: 300, scopes };
  return tokens;
}

/** The user's name, empty for the anonymous; nothing when the credentials are no good. */
function whoAsks(
  { method, headers }: SeenRequest,
  form: URLSearchParams,
  { users, identityTokens = [] }: TokenServerOptions,
): string | undefined {
  if (method === "POST") {
    const isKnown = identityTokens.includes(form.get("refresh_token") ?? "");
    return isKnown && form.get("grant_type") === "refresh_token" ? "identified" : undefined;
  }
  const authorization = headers.get("authorization");
  if (authorization === null) return "";
  const pair = Buffer.from(authorization.replace(/^Basic /, ""), "base64").toString();
  const [name = "", password = ""] = pair.split(":");
  return users[name] === password ? name : undefined;
}

function encodeToken(
  user: string,
  audience: string,
  scopes: readonly string[],
  lifeSeconds: number,
  { certificate, key, issuer }: TokenServerOptions,
): string {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const encode = (value: unknown): string =>
    Buffer.from(JSON.stringify(value)).toString("base64url");
  const chain = [new X509Certificate(readFileSync(certificate)).raw.toString("base64")];
  const header = encode({ typ: "JWT", alg: "ES256", x5c: chain });
  const access = scopes
    .flatMap((scope) => scope.split(" "))
    .filter((scope) => scope !== "")
    .map((scope) => {
      const [type, name, actions = ""] = scope.split(":");
      const granted =
        user === "" ? actions.split(",").filter((action) => action === "pull") : actions.split(",");
      return { type, name, actions: granted };
    });
  const claims = encode({
    iss: issuer,
    sub: user,
    aud: audience,
    exp: nowSeconds + lifeSeconds,
    nbf: nowSeconds - 10,
    iat: nowSeconds,
    jti: randomUUID(),
    access,
  });
  const signature = sign("sha256", Buffer.from(`${header}.${claims}`), {
    key: createPrivateKey(readFileSync(key)),
    dsaEncoding: "ieee-p1363",
  });
  return `${header}.${claims}.${signature.toString("base64url")}`;
}
