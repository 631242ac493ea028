/** A request as a server of a test has seen it. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** A server of a test, on a free port of the loopback. */
export interface TestServer {
  readonly host: string;
  readonly url: string;
  readonly seen: SeenRequest[];
  close(): Promise<void>;
}

/** Starts a server whose answers a test makes up. Whoever starts it closes it. */
export function startServer(
  answer: (request: SeenRequest, number: number) => Response | Promise<Response>,
  tls?: { readonly key: string; readonly cert: string },
): TestServer {
  const seen: SeenRequest[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    ...(tls === undefined ? {} : { tls }),
    fetch: async (raw) => {
      const url = new URL(raw.url);
      const request: SeenRequest = {
        method: raw.method,
        path: `${url.pathname}${url.search}`,
        headers: raw.headers,
        body: new Uint8Array(await raw.arrayBuffer()),
      };
      seen.push(request);
      return await answer(request, seen.length);
    },
  });
  const scheme = tls === undefined ? "http" : "https";
  return {
    host: `127.0.0.1:${server.port}`,
    url: `${scheme}://127.0.0.1:${server.port}`,
    seen,
    close: () => server.stop(true),
  };
}

/** Runs `use` with a server and closes it. */
export async function withServer<T>(
  answer: (request: SeenRequest, number: number) => Response | Promise<Response>,
  use: (server: TestServer) => Promise<T>,
): Promise<T> {
  const server = startServer(answer);
  try {
    return await use(server);
  } finally {
    await server.close();
  }
}
