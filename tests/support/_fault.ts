import { createHash } from "node:crypto";
import {
  type Agent,
  type IncomingMessage,
  request as requestUpstream,
  type ServerResponse,
} from "node:http";
import { pipeline } from "node:stream/promises";

/** One way in which a registry, or the network before it, misbehaves. */
export type Fault =
  /** This status instead of the registry's answer: 429, 500, 503. `retryAfter` in seconds, or as a date. */
  | { readonly kind: "status"; readonly status: number; readonly retryAfter?: number | Date }
  /** 401 with this challenge. */
  | { readonly kind: "challenge"; readonly wwwAuthenticate: string }
  /** The connection breaks without an answer. With `applied` the registry has done what was asked. */
  | { readonly kind: "drop"; readonly applied?: boolean }
  /** The connection stays, and no answer comes. */
  | { readonly kind: "stall" }
  /** The connection breaks in the middle of the body, behind `afterBytes` (default: half of it). */
  | { readonly kind: "truncate"; readonly afterBytes?: number }
  /** A body without length and without end. */
  | { readonly kind: "endless" }
  /** The body comes in pieces of `chunkBytes` (default 1) every `everyMs`. */
  | { readonly kind: "slow"; readonly everyMs: number; readonly chunkBytes?: number }
  /** Other bytes than asked for. Default: the registry's, with the last one changed. */
  | { readonly kind: "body"; readonly content?: string }
  /** The registry's answer with other headers; `null` takes one away. Lies of all sorts. */
  | { readonly kind: "headers"; readonly headers: Readonly<Record<string, string | null>> }
  /** A `Docker-Content-Digest` that is not the body's. Default: of other bytes. */
  | { readonly kind: "digest"; readonly digest?: string }
  /** 307, or another status, to any place. */
  | { readonly kind: "redirect"; readonly location: string; readonly status?: number }
  /** 307 to itself. */
  | { readonly kind: "loop" }
  /** The path of the registry's `Location`, on another origin (`http://127.0.0.1:5001`). */
  | { readonly kind: "location"; readonly origin: string }
  /** A next page on another origin. */
  | { readonly kind: "link"; readonly origin: string };

/** The registry behind a proxy, and the connections to it. */
export interface Upstream {
  readonly origin: URL;
  readonly agent: Agent;
}

/** Hands a request to the registry, and its answer back. */
export async function passOn(
  upstream: Upstream,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const answer = await forward(upstream, request);
  response.writeHead(answer.statusCode ?? 502, answer.headers);
  await pipeline(answer, response);
}

/** Answers a request as `fault` has it. */
export async function misbehave(
  fault: Fault,
  upstream: Upstream,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  switch (fault.kind) {
    case "status":
      return refuse(request, response, fault.status, retryAfter(fault.retryAfter));
    case "challenge":
      return refuse(request, response, 401, { "WWW-Authenticate": fault.wwwAuthenticate });
    case "redirect":
      return refuse(request, response, fault.status ?? 307, { Location: fault.location });
    case "loop":
      return refuse(request, response, 307, { Location: request.url ?? "/" });
    case "drop":
      if (fault.applied) await readAll(await forward(upstream, request));
      request.socket.destroy();
      return;
    case "stall":
      request.resume();
      return;
    case "endless":
      return await sendEndlessly(upstream, request, response);
    default:
      return await distort(fault, upstream, request, response);
  }
}

/** The faults that need the registry's answer. */
type Distortion = Extract<
  Fault,
  { kind: "truncate" | "slow" | "body" | "headers" | "digest" | "location" | "link" }
>;

async function distort(
  fault: Distortion,
  upstream: Upstream,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const answer = await forward(upstream, request);
  const status = answer.statusCode ?? 502;
  const body = await readAll(answer);
  const headers: Record<string, string | string[] | undefined> = { ...answer.headers };
  delete headers["transfer-encoding"];
  if (request.method !== "HEAD" && status !== 204) headers["content-length"] = `${body.length}`;
  switch (fault.kind) {
    case "truncate": {
      response.writeHead(status, headers);
      const part = body.subarray(0, fault.afterBytes ?? body.length >> 1);
      await new Promise<void>((resolve) => response.write(part, () => resolve()));
      request.socket.destroy();
      return;
    }
    case "slow":
      response.writeHead(status, headers);
      return sendSlowly(response, body, fault.chunkBytes ?? 1, fault.everyMs);
    case "body": {
      const other = fault.content === undefined ? changed(body) : Buffer.from(fault.content);
      headers["content-length"] = `${other.length}`;
      response.writeHead(status, headers).end(other);
      return;
    }
    case "headers":
      for (const [name, value] of Object.entries(fault.headers)) {
        headers[name.toLowerCase()] = value ?? undefined;
      }
      break;
    case "digest":
      headers["docker-content-digest"] = fault.digest ?? digestOf("something else");
      break;
    case "location": {
      const { pathname, search } = new URL(answer.headers.location ?? "/", upstream.origin);
      headers["location"] = `${fault.origin}${pathname}${search}`;
      break;
    }
    case "link": {
      const separator = request.url?.includes("?") ? "&" : "?";
      headers["link"] = `<${fault.origin}${request.url}${separator}last=x>; rel="next"`;
      break;
    }
  }
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) response.setHeader(name, value);
  }
  response.statusCode = status;
  response.end(body);
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
): void {
  request.resume();
  response.writeHead(status, headers).end();
}

function retryAfter(value: number | Date | undefined): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  return { "Retry-After": typeof value === "number" ? String(value) : value.toUTCString() };
}

async function sendEndlessly(
  upstream: Upstream,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const answer = await forward(upstream, request);
  answer.resume();
  const headers = { ...answer.headers };
  delete headers["content-length"];
  response.writeHead(answer.statusCode ?? 502, headers);
  const chunk = Buffer.alloc(64 * 1024, " ");
  while (!response.destroyed) {
    await new Promise<void>((resolve) => {
      response.once("close", resolve);
      response.write(chunk, () => {
        response.off("close", resolve);
        resolve();
      });
    });
  }
}

function sendSlowly(
  response: ServerResponse,
  body: Uint8Array,
  chunkBytes: number,
  everyMs: number,
): void {
  let at = 0;
  const timer = setInterval(() => {
    if (at >= body.length) {
      clearInterval(timer);
      response.end();
    } else {
      response.write(body.subarray(at, at + chunkBytes));
      at += chunkBytes;
    }
  }, everyMs);
  response.on("close", () => clearInterval(timer));
}

function forward(upstream: Upstream, request: IncomingMessage): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = upstream.origin;
    const onward = requestUpstream(
      {
        hostname,
        port,
        method: request.method,
        path: request.url,
        // Also `Host`: a registry that answers with absolute addresses names the proxy's.
        headers: request.headers,
        agent: upstream.agent,
      },
      resolve,
    );
    onward.on("error", reject);
    pipeline(request, onward).catch(reject);
  });
}

async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function changed(body: Buffer): Buffer {
  const other = Buffer.from(body);
  const last = other.length - 1;
  if (last >= 0) other[last] = (other[last] ?? 0) ^ 1;
  return other;
}

function digestOf(content: string): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}
