import type { HttpClient } from "../../engine/io/http.ts";

/** A request that a provider has seen. */
export interface ProviderRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Headers;
  readonly body: string;
}

/** Whoever gives tokens without a log-in: GitHub, Buildkite and Google, at one address of the loopback. */
export interface TestProviders {
  readonly url: string;
  /** `host:port` */
  readonly host: string;
  readonly requests: readonly ProviderRequest[];
  /** What they give; the audience is the one that was asked for. */
  token: (audience: string) => string;
  /** Answers instead; what it gives undefined for, is answered as always. */
  instead: (request: ProviderRequest) => Response | undefined;
  reset(): void;
  close(): Promise<void>;
}

/** What a request of GitHub's job must show. */
export const GITHUB_TOKEN = "github-request-token";
/** What the agent of Buildkite must show. */
export const BUILDKITE_TOKEN = "buildkite-agent-token";
/** The account that may be impersonated. */
export const SERVICE_ACCOUNT = "signer@project.iam.gserviceaccount.com";

const GOOGLE_ACCESS_TOKEN = "ya29.access";
const METADATA = { "metadata-flavor": "Google" };

/** Starts them. Whoever starts them closes them. */
export function startProviders(token: (audience: string) => string): TestProviders {
  const requests: ProviderRequest[] = [];
  const answer = (request: ProviderRequest): Response => {
    const { method, path, query, headers, body } = request;
    const authorization = headers.get("authorization");
    switch (`${method} ${path}`) {
      // docs.github.com, "OpenID Connect reference": the URL has a query already.
      case "GET /github/token":
        if (authorization !== `bearer ${GITHUB_TOKEN}`) return refuse(401, "not authorized");
        if (query["api-version"] !== "2.0") return refuse(400, "no api-version");
        return Response.json({ count: 1, value: providers.token(query["audience"] ?? "github") });
      // buildkite.com/docs/apis/agent-api/oidc
      case "POST /v3/jobs/job-1%2Ex/oidc/tokens":
        if (authorization !== `Token ${BUILDKITE_TOKEN}`) return refuse(401, "not authorized");
        return Response.json({ token: providers.token(JSON.parse(body).audience) });
      // cloud.google.com/compute/docs/instances/verifying-instance-identity
      case "GET /computeMetadata/v1/instance/service-accounts/default/identity":
        if (headers.get("metadata-flavor") !== "Google") return refuse(403, "no flavor");
        if (query["audience"] === undefined) return refuse(400, "no audience");
        return new Response(providers.token(query["audience"]), { headers: METADATA });
      case "GET /computeMetadata/v1/instance/service-accounts/default/token":
        if (headers.get("metadata-flavor") !== "Google") return refuse(403, "no flavor");
        return Response.json(accessToken(), { headers: METADATA });
      // cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateIdToken
      case `POST /v1/projects/-/serviceAccounts/${SERVICE_ACCOUNT}:generateIdToken`: {
        if (authorization !== `Bearer ${GOOGLE_ACCESS_TOKEN}`) return refuse(401, "not authorized");
        const { audience, includeEmail } = JSON.parse(body);
        if (includeEmail !== true) return refuse(400, "no email");
        return Response.json({ token: providers.token(audience) });
      }
      // developers.google.com/identity/protocols/oauth2/service-account
      case "POST /token": {
        const claims = claimsOf(new URLSearchParams(body).get("assertion"));
        if (claims === undefined) return Response.json(accessToken());
        const audience = claims["target_audience"];
        if (typeof audience !== "string") return Response.json(accessToken());
        return Response.json({ id_token: providers.token(audience) });
      }
      default:
        return refuse(404, "not found");
    }
  };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const url = new URL(request.url);
      const seen = {
        method: request.method,
        path: url.pathname,
        query: Object.fromEntries(url.searchParams),
        headers: request.headers,
        body: await request.text(),
      };
      requests.push(seen);
      return providers.instead(seen) ?? answer(seen);
    },
  });
  const host = `127.0.0.1:${server.port}`;
  const providers: TestProviders = {
    url: `http://${host}`,
    host,
    requests,
    token,
    instead: () => undefined,
    reset: () => {
      requests.length = 0;
      Object.assign(providers, { token, instead: () => undefined });
    },
    close: async () => await server.stop(true),
  };
  return providers;
}

/** A client for which Google's addresses lie at these providers. */
export function googleIsAt(providers: TestProviders, http: HttpClient): HttpClient {
  return (request) =>
    http({
      ...request,
      url: request.url.replace(
        /^https:\/\/(?:iamcredentials|oauth2)\.googleapis\.com/,
        providers.url,
      ),
    });
}

function accessToken(): object {
  return { access_token: GOOGLE_ACCESS_TOKEN, expires_in: 3599, token_type: "Bearer" };
}

function claimsOf(assertion: string | null): Readonly<Record<string, unknown>> | undefined {
  const claims = assertion?.split(".")[1];
  return claims === undefined ? undefined : JSON.parse(Buffer.from(claims, "base64url").toString());
}

function refuse(status: number, message: string): Response {
  return Response.json({ message }, { status });
}
