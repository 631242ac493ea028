import nacl from "tweetnacl";

/** A secret as it was sent: GitHub alone could open it. */
export interface GitHubSecret {
  readonly sealed: Uint8Array;
  /** Of an organisation's secret. */
  readonly visibility?: string;
}

/** A repository or an organisation. */
export interface GitHubPlace {
  readonly secrets: Map<string, GitHubSecret>;
  /** Raw, 32 bytes each. */
  readonly keys: { readonly publicKey: Uint8Array; readonly secretKey: Uint8Array };
  /** What the token may do with its secrets. Default `write`; of `none` it does not know that it is there. */
  access: "none" | "read" | "write";
}

/** A request that the server has seen. */
export interface GitHubRequest {
  readonly method: string;
  readonly path: string;
  readonly status: number;
}

/** GitHub in memory: secrets of GitHub Actions, as its REST API of 2022-11-28 answers on a server of one's own. */
export interface GitHubServer {
  readonly url: string;
  readonly requests: readonly GitHubRequest[];
  readonly tokens: Set<string>;
  /** By `repos/OWNER/NAME` and `orgs/NAME`. */
  readonly places: Map<string, GitHubPlace>;
  /** Answers in the server's place, as long as it returns something. */
  fault: ((request: Request) => Response | Promise<Response> | undefined) | undefined;
  [Symbol.asyncDispose](): Promise<void>;
}

const KEY_ID = "3380204578043523366";
/** An X25519 key and a Poly1305 tag: no sealed box is shorter. */
const MIN_SEALED_BYTES = 48;
const MAX_SECRET_BYTES = 48 * 1024;
const DOCUMENTATION = "https://docs.github.com/rest/actions/secrets";

/** A repository or an organisation without secrets. */
export function gitHubPlace(): GitHubPlace {
  return { secrets: new Map(), keys: nacl.box.keyPair(), access: "write" };
}

/** Starts a GitHub. */
export function startGitHub(): GitHubServer {
  const requests: GitHubRequest[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      const text = await request.clone().text();
      const answer = (await github.fault?.(request)) ?? answerTo(github, request, text);
      requests.push({ method: request.method, path: pathname, status: answer.status });
      return answer;
    },
  });
  const github: GitHubServer = {
    url: `http://127.0.0.1:${server.port}`,
    requests,
    tokens: new Set(),
    places: new Map(),
    fault: undefined,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
  return github;
}

function answerTo({ tokens, places }: GitHubServer, request: Request, text: string): Response {
  const { method, headers } = request;
  // GitHub turns requests away that do not say who sends them ("User agent required").
  if (!headers.get("user-agent")) return says(403, "Request forbidden by administrative rules.");
  const token = /^(?:Bearer|token) (.+)$/.exec(headers.get("authorization") ?? "")?.[1];
  if (token === undefined || !tokens.has(token)) return says(401, "Bad credentials");
  if (headers.get("x-github-api-version") !== "2022-11-28") return says(400, "Unknown version");
  const [, at, name] =
    /^\/api\/v3\/(repos\/[^/]+\/[^/]+|orgs\/[^/]+)\/actions\/secrets\/([A-Za-z0-9_-]+)$/.exec(
      new URL(request.url).pathname,
    ) ?? [];
  const place = at === undefined ? undefined : places.get(at);
  if (place === undefined || name === undefined || place.access === "none") {
    return says(404, "Not Found");
  }
  if (method === "GET" && name === "public-key") {
    return Response.json({ key_id: KEY_ID, key: place.keys.publicKey.toBase64() });
  }
  if (method !== "PUT") return says(404, "Not Found");
  if (place.access === "read") {
    return says(403, "Resource not accessible by personal access token", {
      "x-accepted-github-permissions": "secrets=write",
    });
  }
  return putSecret(place, at?.startsWith("orgs/") === true, name, JSON.parse(text));
}

function putSecret(
  { secrets }: GitHubPlace,
  isOrganisation: boolean,
  name: string,
  sent: {
    readonly encrypted_value?: string;
    readonly key_id?: string;
    readonly visibility?: string;
  },
): Response {
  const { encrypted_value: value = "", key_id: keyId, visibility } = sent;
  if (!/^[A-Z_][A-Z0-9_]*$/.test(name) || name.startsWith("GITHUB_")) {
    return says(422, "Secret names may not begin with GITHUB_");
  }
  if (keyId !== KEY_ID) return says(422, "Public key is not the latest");
  if (isOrganisation !== (visibility !== undefined)) {
    return says(422, 'Invalid request.\n\n"visibility" wasn\'t supplied.');
  }
  if (visibility !== undefined && !["all", "private", "selected"].includes(visibility)) {
    return says(422, 'Invalid request.\n\nNo subschema in "anyOf" matched.');
  }
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value)) {
    return says(422, "Invalid request.\n\nencrypted_value is not base64");
  }
  const sealed = Uint8Array.fromBase64(value);
  if (sealed.length < MIN_SEALED_BYTES || sealed.length > MAX_SECRET_BYTES) {
    return says(422, "Unable to decrypt the encrypted value");
  }
  const isNew = !secrets.has(name);
  secrets.set(name, { sealed, ...(visibility === undefined ? {} : { visibility }) });
  return isNew ? Response.json({}, { status: 201 }) : new Response(null, { status: 204 });
}

function says(status: number, message: string, headers: Record<string, string> = {}): Response {
  const body = { message, documentation_url: DOCUMENTATION, status: String(status) };
  return Response.json(body, { status, headers });
}
