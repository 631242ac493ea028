/** A request as it goes by: the `n`-th, counted from 1. */
export interface TappedRequest {
  readonly n: number;
  readonly method: string;
  readonly path: string;
  /** Hands it to the registry and answers what that answers. */
  forward(): Promise<Response>;
}

/** A proxy in front of a registry. Whoever starts it closes it. */
export interface Tap {
  readonly host: string;
  /** Decides what becomes of requests from now on; by default they are forwarded. */
  onRequest(handle: (request: TappedRequest) => Promise<Response>): void;
  /** How many requests came since the last {@link Tap.onRequest}. */
  readonly count: number;
  /** Waits until the registry has answered all that was handed to it. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** Starts a {@link Tap} on a free port, in front of the registry at `upstream` (`127.0.0.1:PORT`). */
export function startTap(upstream: string): Tap {
  let handle = (request: TappedRequest): Promise<Response> => request.forward();
  let count = 0;
  const inFlight = new Set<Promise<unknown>>();
  const forward = async (path: string, init: BunFetchRequestInit): Promise<Response> => {
    const answer = fetch(`http://${upstream}${path}`, init).then(async (response) => {
      const content = await response.arrayBuffer();
      const { status, headers } = response;
      // A body that is nothing must not become a body of no bytes: its length is that of GET's.
      return new Response(content.byteLength === 0 ? null : content, { status, headers });
    });
    inFlight.add(answer);
    return await answer.finally(() => inFlight.delete(answer));
  };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    fetch: async (request) => {
      const { pathname, search } = new URL(request.url);
      // Read whole, so that whoever is killed meanwhile has sent it or not.
      const body = request.body === null ? undefined : await request.bytes();
      count += 1;
      return await handle({
        n: count,
        method: request.method,
        path: pathname + search,
        forward: () =>
          forward(pathname + search, {
            method: request.method,
            headers: request.headers,
            ...(body !== undefined && { body }),
            redirect: "manual",
            decompress: false,
          }),
      });
    },
  });
  return {
    host: `127.0.0.1:${server.port}`,
    onRequest: (next) => {
      handle = next;
      count = 0;
    },
    get count() {
      return count;
    },
    settled: async () => {
      await Promise.allSettled([...inFlight]);
    },
    close: () => server.stop(true),
  };
}
