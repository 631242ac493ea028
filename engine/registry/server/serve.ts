import { createHash, timingSafeEqual } from "node:crypto";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { utf8 } from "../../model/bytes.ts";
import { CosignError, describeError } from "../../model/errors.ts";
import type { Call, Service } from "./call.ts";
import { dispatch } from "./dispatch.ts";
import { encodeRefusal, Refusal } from "./refusal.ts";
import { type Reply, sendReply } from "./reply.ts";
import { parseRoute } from "./route.ts";
import { openStorage, sweep } from "./storage.ts";

/** What {@link serveRegistry} is told. */
export interface RegistryServerOptions {
  /** Where everything is kept. Made when it is not there. */
  readonly dir: string;
  /** The address to listen on: `127.0.0.1`, `::1`, `0.0.0.0`. */
  readonly hostname: string;
  /** 0: a free one. */
  readonly port: number;
  /** Gets a line about each request. */
  readonly log?: (line: string) => void;
  /** With `password`: everybody has to say it (Basic, RFC 7617). */
  readonly username?: string;
  readonly password?: string;
  /** Default true. False: the referrers API answers 404, and clients take their fallback. */
  readonly referrers?: boolean;
  /** The most entries of one page of any listing. Default 1,000. */
  readonly pageSize?: number;
}

/** A registry that is running. */
export interface RegistryServer {
  readonly hostname: string;
  readonly port: number;
  /** `http://127.0.0.1:5000`. */
  readonly url: string;
  /** Breaks off what is under way, and returns when the directory is left alone. */
  close(): Promise<void>;
}

const DEFAULT_PAGE_SIZE = 1000;
const KEEP_ALIVE_MS = 75_000; // longer than clients keep idle connections, so that they close first
const HEADERS_MS = 30_000; // nobody needs longer for a request's head who means well
const SWEEP_EVERY_MS = 3_600_000;
const MAX_DRAIN_BYTES = 8 * 1024 * 1024; // of a refused body, so that the client reads our answer

/**
 * Runs a registry: the whole OCI distribution API 1.1 on one directory. One process a directory is
 * the rule; several may share it, but a conditional write is atomic only among the requests of one.
 *
 * @throws {CosignError} `FILE_WRITE` when the directory cannot be made, `USAGE` when the address
 *   cannot be listened on.
 */
export async function serveRegistry(options: RegistryServerOptions): Promise<RegistryServer> {
  const { referrers = true, pageSize = DEFAULT_PAGE_SIZE, username, password } = options;
  if ((username === undefined) !== (password === undefined)) {
    throw new TypeError("username and password come together");
  }
  const storage = openStorage(options.dir, Date.now());
  const service: Service = { storage, referrers, pageSize };
  const underWay = new Set<Promise<void>>();
  const server = createServer((request, response) => {
    const task = handle(service, options, request, response).finally(() => underWay.delete(task));
    underWay.add(task);
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.headersTimeout = HEADERS_MS;
  server.requestTimeout = 0; // a layer takes as long as it takes
  const port = await listen(server, options);
  const sweeper = setInterval(() => {
    try {
      sweep(storage, Date.now());
    } catch (error) {
      options.log?.(`Cannot sweep ${JSON.stringify(options.dir)}: ${describeError(error)}`);
    }
  }, SWEEP_EVERY_MS);
  sweeper.unref();
  const { hostname } = options;
  return {
    hostname,
    port,
    url: `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`,
    close: async () => {
      clearInterval(sweeper);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await Promise.allSettled([closed, ...underWay]);
    },
  };
}

async function listen(server: Server, options: RegistryServerOptions): Promise<number> {
  const { hostname, port } = options;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, hostname, resolve);
  }).catch((error: unknown) => {
    throw new CosignError(
      "USAGE",
      `Cannot listen on "${hostname}:${port}": ${describeError(error)}`,
      { cause: error, hint: "Choose another address; port 0 takes a free one" },
    );
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

async function handle(
  service: Service,
  options: RegistryServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const startMs = performance.now();
  const { method = "GET", url = "/" } = request;
  let status = "aborted";
  try {
    const reply = await answer(service, options, request, method, url).catch(refuse);
    if (!response.destroyed) status = reply.cause ?? String(reply.status);
    if (hasBody(request) && !request.complete) drain(request, response);
    response.setHeader("Docker-Distribution-Api-Version", "registry/2.0");
    await sendReply(reply, response);
  } catch {
    response.destroy(); // the client has gone, or the file cannot be read: it sees a short body
  }
  options.log?.(`${method} ${url} ${status} ${Math.round(performance.now() - startMs)}ms`);
}

async function answer(
  service: Service,
  options: RegistryServerOptions,
  request: IncomingMessage,
  method: string,
  url: string,
): Promise<Reply> {
  checkCredentials(options, request.headers.authorization);
  const at = url.indexOf("?");
  const route = parseRoute(at < 0 ? url : url.slice(0, at));
  const call: Call = {
    method,
    query: new URLSearchParams(at < 0 ? "" : url.slice(at + 1)),
    headers: singleHeaders(request.headers),
    body: request.iterator({ destroyOnReturn: false }), // the answer is still to be sent
  };
  return await dispatch(service, call, route);
}

function refuse(error: unknown): Reply {
  if (error instanceof Refusal) {
    return {
      status: error.status,
      headers: { ...error.headers, "Content-Type": "application/json" },
      body: encodeRefusal(error),
    };
  }
  // A full disk, a missing right: the client learns that it was not its fault, the log learns the rest.
  const body = utf8(JSON.stringify({ errors: [{ code: "UNKNOWN", message: "internal error" }] }));
  const cause = `500 (${describeError(error)})`;
  return { status: 500, headers: { "Content-Type": "application/json" }, body, cause };
}

function checkCredentials(options: RegistryServerOptions, header: string | undefined): void {
  if (options.username === undefined) return;
  const [, encoded = ""] = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(header ?? "") ?? [];
  const given = createHash("sha256").update(Buffer.from(encoded, "base64")).digest();
  const wanted = createHash("sha256").update(`${options.username}:${options.password}`).digest();
  if (timingSafeEqual(given, wanted)) return;
  throw new Refusal(401, "UNAUTHORIZED", "authentication required", {
    headers: { "WWW-Authenticate": 'Basic realm="registry", charset="UTF-8"' },
  });
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

// What is left of a body that nobody wants. A client that is still sending may not see an answer
// whose connection breaks, so a little more is taken; a large one is not worth it.
function drain(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader("Connection", "close");
  let sizeBytes = 0;
  request.on("data", (chunk: Uint8Array) => {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_DRAIN_BYTES) request.destroy();
  });
  request.on("error", () => undefined);
}

function singleHeaders(headers: IncomingHttpHeaders): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(", ") : value,
    ]),
  );
}
