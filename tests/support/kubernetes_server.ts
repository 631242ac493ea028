/** Who a token is, and what he may do: verbs on secrets, by namespace. */
export interface KubernetesUser {
  readonly name: string;
  /** Default: everything. */
  readonly allows?: (verb: string, namespace: string) => boolean;
}

/** A secret as it lies in the cluster. */
export interface KubernetesSecret {
  readonly apiVersion: "v1";
  readonly kind: "Secret";
  readonly metadata: Readonly<Record<string, unknown>> & {
    readonly name: string;
    readonly namespace: string;
    readonly resourceVersion: string;
  };
  readonly type: string;
  /** Base64. */
  readonly data: Readonly<Record<string, string>>;
  readonly immutable?: boolean;
}

/** A request that the server has seen. */
export interface KubernetesRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
  readonly status: number;
}

/** The API server of a cluster in memory: its secrets, as Kubernetes answers (API reference "Secret", "Status"). */
export interface KubernetesServer {
  readonly url: string;
  readonly requests: readonly KubernetesRequest[];
  /** By their texts. */
  readonly tokens: Map<string, KubernetesUser>;
  readonly namespaces: Set<string>;
  /** By `NAMESPACE/NAME`. */
  readonly secrets: Map<string, KubernetesSecret>;
  /** Answers in the server's place, as long as it returns something. */
  fault: ((request: Request) => Response | Promise<Response> | undefined) | undefined;
  /** Puts a secret there; texts as they are. */
  put(place: string, fields: Readonly<Record<string, string>>, immutable?: boolean): void;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Question {
  readonly method: string;
  readonly namespace: string;
  readonly name: string | undefined;
  readonly body: string;
}

const VERBS: Readonly<Record<string, string>> = { GET: "get", POST: "create", PUT: "update" };
const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Starts a cluster with the namespaces `default` and `team`. */
export function startKubernetes(
  options: { readonly tls?: { readonly cert: string; readonly key: string } } = {},
): KubernetesServer {
  const requests: KubernetesRequest[] = [];
  let version = 100;
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      const body = await request.clone().text();
      const answer = (await cluster.fault?.(request)) ?? answerTo(cluster, request, body);
      const { method, headers } = request;
      requests.push({ method, path: pathname, headers, body, status: answer.status });
      return answer;
    },
  });
  const cluster: KubernetesServer & { nextVersion(): string } = {
    url: `${options.tls === undefined ? "http" : "https"}://127.0.0.1:${server.port}`,
    requests,
    tokens: new Map(),
    namespaces: new Set(["default", "team"]),
    secrets: new Map(),
    fault: undefined,
    nextVersion: () => String(++version),
    put: (place, fields, immutable) => {
      const [namespace = "", name = ""] = place.split("/");
      cluster.secrets.set(place, {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name, namespace, resourceVersion: cluster.nextVersion() },
        type: "Opaque",
        data: Object.fromEntries(
          Object.entries(fields).map(([field, text]) => [
            field,
            new TextEncoder().encode(text).toBase64(),
          ]),
        ),
        ...(immutable === undefined ? {} : { immutable }),
      });
    },
    [Symbol.asyncDispose]: () => server.stop(true),
  };
  return cluster;
}

function answerTo(
  cluster: KubernetesServer & { nextVersion(): string },
  request: Request,
  body: string,
): Response {
  const token = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
  const user = token === undefined ? undefined : cluster.tokens.get(token);
  if (user === undefined) return status(401, "Unauthorized", "Unauthorized");
  const { pathname } = new URL(request.url);
  const [, namespace, name] =
    /^\/api\/v1\/namespaces\/([^/]+)\/secrets(?:\/([^/]+))?$/.exec(pathname) ?? [];
  const verb = VERBS[request.method];
  if (
    namespace === undefined ||
    verb === undefined ||
    (name === undefined) !== (verb === "create")
  ) {
    return status(404, "NotFound", "the server could not find the requested resource", {});
  }
  if (user.allows?.(verb, namespace) === false) {
    const what = name === undefined ? "secrets" : `secrets "${name}"`;
    return status(
      403,
      "Forbidden",
      `${what} is forbidden: User "${user.name}" cannot ${verb} resource "secrets" in API group "" in the namespace "${namespace}"`,
      { ...(name === undefined ? {} : { name }), kind: "secrets" },
    );
  }
  const question = { method: request.method, namespace, name, body };
  if (verb === "get") return read(cluster, question);
  if (request.headers.get("content-type") !== "application/json") {
    return status(415, "UnsupportedMediaType", "the body of the request was in an unknown format");
  }
  return write(cluster, question);
}

function read({ secrets }: KubernetesServer, { namespace, name }: Question): Response {
  const secret = secrets.get(`${namespace}/${name}`);
  return secret === undefined ? noSecret(name ?? "") : Response.json(secret);
}

function write(
  cluster: KubernetesServer & { nextVersion(): string },
  { method, namespace, name, body }: Question,
): Response {
  const sent = JSON.parse(body);
  const { metadata = {}, data = {} } = sent;
  // What is not said is what the endpoint takes.
  if ((sent.kind ?? "Secret") !== "Secret" || (sent.apiVersion ?? "v1") !== "v1") {
    return status(400, "BadRequest", "the object provided is unrecognized");
  }
  const named = name ?? metadata.name;
  if (metadata.namespace !== undefined && metadata.namespace !== namespace) {
    return status(
      400,
      "BadRequest",
      "the namespace of the provided object does not match the namespace sent on the request",
    );
  }
  if (name !== undefined && metadata.name !== name) {
    return status(
      400,
      "BadRequest",
      `the name of the object (${metadata.name}) does not match the name on the URL (${name})`,
    );
  }
  if (!cluster.namespaces.has(namespace)) {
    return status(404, "NotFound", `namespaces "${namespace}" not found`, {
      name: namespace,
      kind: "namespaces",
    });
  }
  const invalid = (why: string): Response =>
    status(422, "Invalid", `Secret "${named}" is invalid: ${why}`, { name: named, kind: "Secret" });
  if (!NAME.test(named)) return invalid(`metadata.name: Invalid value: "${named}"`);
  for (const value of Object.values(data)) {
    if (typeof value !== "string" || !BASE64.test(value)) {
      return status(400, "BadRequest", "illegal base64 data at input byte 0");
    }
  }
  const place = `${namespace}/${named}`;
  const existing = cluster.secrets.get(place);
  if (method === "POST" && existing !== undefined) {
    const details = { name: named, kind: "secrets" };
    return status(409, "AlreadyExists", `secrets "${named}" already exists`, details);
  }
  if (method === "PUT") {
    if (existing === undefined) return noSecret(named);
    const { resourceVersion } = metadata;
    if (resourceVersion !== undefined && resourceVersion !== existing.metadata.resourceVersion) {
      return status(
        409,
        "Conflict",
        `Operation cannot be fulfilled on secrets "${named}": the object has been modified; please apply your changes to the latest version and try again`,
        { name: named, kind: "secrets" },
      );
    }
    if (existing.immutable === true && JSON.stringify(existing.data) !== JSON.stringify(data)) {
      return invalid("data: Forbidden: field is immutable when `immutable` is set");
    }
    if (sent.type !== undefined && sent.type !== existing.type) {
      return invalid(`type: Invalid value: "${sent.type}": field is immutable`);
    }
  }
  const written: KubernetesSecret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: {
      uid: crypto.randomUUID(),
      creationTimestamp: "2026-01-01T00:00:00Z",
      ...metadata,
      name: named,
      namespace,
      resourceVersion: cluster.nextVersion(),
    },
    type: existing?.type ?? sent.type ?? "Opaque",
    data,
    ...(sent.immutable === undefined ? {} : { immutable: sent.immutable }),
  };
  cluster.secrets.set(place, written);
  return Response.json(written, { status: method === "POST" ? 201 : 200 });
}

function noSecret(name: string): Response {
  return status(404, "NotFound", `secrets "${name}" not found`, { name, kind: "secrets" });
}

/** `Status`, in which the API server says what is wrong. */
function status(code: number, reason: string, message: string, details?: object): Response {
  return Response.json(
    {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message,
      reason,
      ...(details === undefined ? {} : { details }),
      code,
    },
    { status: code },
  );
}
