import { createHash } from "node:crypto";
import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { type Fault, misbehave, passOn, type Upstream } from "./_fault.ts";

export type { Fault };

/** A request as it arrived. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** In milliseconds since the epoch. */
  readonly atMs: number;
  /** How often the same method and URL came before. */
  readonly repeats: number;
}

/** A proxy that is running. */
export interface FaultyProxy {
  /** `127.0.0.1:PORT`, as it stands in references. */
  readonly host: string;
  readonly port: number;
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Everything that has arrived, in order. */
  readonly requests: readonly SeenRequest[];
  close(): Promise<void>;
}

/** What {@link startFaultyProxy} is told. */
export interface FaultyProxyOptions {
  /** The registry behind it: `http://127.0.0.1:5000`. */
  readonly upstream: string;
  /** What to do wrong about a request, the `n`th from 0; nothing: pass it on. */
  readonly fault: (request: SeenRequest, n: number) => Fault | undefined;
}

/** Puts a proxy before a registry that does wrong what it is told to. Whoever starts it closes it. */
export async function startFaultyProxy(options: FaultyProxyOptions): Promise<FaultyProxy> {
  const agent = new Agent({ keepAlive: true });
  const upstream: Upstream = { origin: new URL(options.upstream), agent };
  const { close, ...proxy } = await listen((seen, n, request, response) => {
    const fault = options.fault(seen, n);
    return fault === undefined
      ? passOn(upstream, request, response)
      : misbehave(fault, upstream, request, response);
  });
  return {
    ...proxy,
    close: async () => {
      agent.destroy();
      await close();
    },
  };
}

/** A host that only writes down who asks it for what, and answers 404: the place to lure clients to. */
export function startWitness(): Promise<FaultyProxy> {
  return listen(async (_seen, _n, request, response) => {
    request.resume();
    response.writeHead(404, { "Content-Type": "application/json" }).end('{"errors":[]}');
  });
}

/**
 * Whether a request is among the unlucky `share` (0 to 1) of all. It depends on the seed, the request
 * and how often it was repeated, not on the order in which concurrent requests happen to come.
 */
export function isUnlucky(seed: number, share: number, request: SeenRequest): boolean {
  const text = `${seed} ${request.method} ${request.url} ${request.repeats}`;
  return createHash("sha256").update(text).digest().readUInt32BE(0) / 0x1_0000_0000 < share;
}

type Answer = (
  seen: SeenRequest,
  n: number,
  request: IncomingMessage,
  response: ServerResponse,
) => Promise<void>;

async function listen(answer: Answer): Promise<FaultyProxy> {
  const requests: SeenRequest[] = [];
  const repeats = new Map<string, number>();
  const server = createServer((request, response) => {
    const { method = "GET", url = "/", headers } = request;
    const key = `${method} ${url}`;
    const seen = { method, url, headers, atMs: Date.now(), repeats: repeats.get(key) ?? 0 };
    repeats.set(key, seen.repeats + 1);
    requests.push(seen);
    answer(seen, requests.length - 1, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    host: `127.0.0.1:${port}`,
    port,
    url: `http://127.0.0.1:${port}`,
    requests,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
