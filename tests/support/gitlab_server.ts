/** A variable as GitLab keeps it. */
export interface GitLabVariable {
  readonly variable_type: "env_var" | "file";
  readonly key: string;
  readonly value: string | null;
  readonly protected: boolean;
  readonly masked: boolean;
  readonly hidden: boolean;
  readonly raw: boolean;
  readonly environment_scope: string;
  readonly description: string | null;
}

/** A project or a group: who sees it, and who may touch its variables. */
export interface GitLabPlace {
  readonly variables: GitLabVariable[];
  /** Of the user of the token. Default `maintainer`. */
  role: "none" | "developer" | "maintainer";
}

/** A request that the server has seen. */
export interface GitLabRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly status: number;
}

/** GitLab in memory: variables of projects and groups, as its REST API v4 answers. */
export interface GitLabServer {
  readonly url: string;
  readonly requests: readonly GitLabRequest[];
  /** Access tokens, and their scopes. */
  readonly tokens: Map<string, readonly ("api" | "read_api")[]>;
  /** By their whole paths, and by their numbers. */
  readonly projects: Map<string, GitLabPlace>;
  readonly groups: Map<string, GitLabPlace>;
  /** Answers in the server's place, as long as it returns something. */
  fault: ((request: Request) => Response | Promise<Response> | undefined) | undefined;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What GitLab takes at most (`API: project-level CI/CD variables`). */
const MAX_VALUE_CHARACTERS = 10_000;
/** What a masked value may be made of, in one line of at least eight characters. */
const MASKABLE = /^[A-Za-z0-9+/=@:.~_-]{8,}$/;

/** A variable with GitLab's own defaults. */
export function gitLabVariable(
  key: string,
  value: string | null,
  changes: Partial<GitLabVariable> = {},
): GitLabVariable {
  return {
    variable_type: "env_var",
    key,
    value,
    protected: false,
    masked: false,
    hidden: false,
    raw: false,
    environment_scope: "*",
    description: null,
    ...changes,
  };
}

/** Starts a GitLab. */
export function startGitLab(): GitLabServer {
  const requests: GitLabRequest[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      const text = await request.clone().text();
      const answer = (await gitlab.fault?.(request)) ?? answerTo(gitlab, request, text);
      const { method, headers } = request;
      requests.push({ method, path: pathname, headers, status: answer.status });
      return answer;
    },
  });
  const gitlab: GitLabServer = {
    url: `http://127.0.0.1:${server.port}`,
    requests,
    tokens: new Map(),
    projects: new Map(),
    groups: new Map(),
    fault: undefined,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
  return gitlab;
}

function answerTo(gitlab: GitLabServer, request: Request, text: string): Response {
  const url = new URL(request.url);
  const scopes = gitlab.tokens.get(request.headers.get("private-token") ?? "");
  if (scopes === undefined) return says(401, "401 Unauthorized");
  const [, kind, id, name] =
    /^\/api\/v4\/(projects|groups)\/([^/]+)\/variables(?:\/([A-Za-z0-9_]+))?$/.exec(url.pathname) ??
    [];
  if (kind === undefined || id === undefined) {
    return Response.json({ error: "404 Not Found" }, { status: 404 });
  }
  const isWrite = request.method !== "GET";
  if (!scopes.includes("api") && (isWrite || !scopes.includes("read_api"))) {
    return Response.json(
      {
        error: "insufficient_scope",
        error_description:
          "The request requires higher privileges than provided by the access token.",
        scope: "api",
      },
      { status: 403 },
    );
  }
  const places = kind === "projects" ? gitlab.projects : gitlab.groups;
  const place = places.get(decodeURIComponent(id));
  if (place === undefined || place.role === "none") {
    return says(404, kind === "projects" ? "404 Project Not Found" : "404 Group Not Found");
  }
  if (place.role !== "maintainer") return says(403, "403 Forbidden");
  if (request.method === "GET" && name !== undefined) {
    return readVariable(place, name, url.searchParams.get("filter[environment_scope]"));
  }
  if (request.method === "POST" && name === undefined) {
    if (request.headers.get("content-type") !== "application/json") {
      return Response.json(
        { error: "The provided content-type is not supported." },
        { status: 406 },
      );
    }
    return createVariable(place, JSON.parse(text));
  }
  return Response.json({ error: "405 Not Allowed" }, { status: 405 });
}

function readVariable({ variables }: GitLabPlace, key: string, scope: string | null): Response {
  const found = variables.filter(
    (each) => each.key === key && (scope === null || each.environment_scope === scope),
  );
  if (found.length === 0) return says(404, "404 Variable Not Found");
  if (found.length > 1) {
    return says(
      409,
      "There are multiple variables with provided parameters. Please use 'filter[environment_scope]'",
    );
  }
  return Response.json(found[0]);
}

function createVariable(
  { variables }: GitLabPlace,
  sent: Partial<GitLabVariable> & { readonly masked_and_hidden?: boolean },
): Response {
  const { key, value } = sent;
  if (typeof key !== "string" || typeof value !== "string") {
    return Response.json({ error: "key is missing, value is missing" }, { status: 400 });
  }
  if (!/^[A-Za-z0-9_]{1,255}$/.test(key)) {
    return invalid({ key: ["can contain only letters, digits and '_'."] });
  }
  if (value.length > MAX_VALUE_CHARACTERS) {
    return invalid({ value: [`is too long (maximum is ${MAX_VALUE_CHARACTERS} characters)`] });
  }
  if (sent.masked === true && !MASKABLE.test(value)) return invalid({ value: ["is invalid"] });
  const variable = gitLabVariable(key, value, sent);
  const isTaken = variables.some(
    (each) => each.key === key && each.environment_scope === variable.environment_scope,
  );
  if (isTaken) return invalid({ key: [`(${key}) has already been taken`] });
  variables.push(variable);
  return Response.json(variable, { status: 201 });
}

function invalid(message: Readonly<Record<string, readonly string[]>>): Response {
  return Response.json({ message }, { status: 400 });
}

function says(status: number, message: string): Response {
  return Response.json({ message }, { status });
}
