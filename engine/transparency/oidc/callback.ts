import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { isIP } from "node:net";
import { bareHost, isLoopbackHost } from "../../io/addresses.ts";
import { abortReason } from "../../io/wait.ts";
import { CosignError, describeError } from "../../model/errors.ts";

/** What the browser brought back: with our state, the rest not believed. */
export interface Callback {
  readonly parameters: URLSearchParams;
  /** Says in the browser how it ended, and waits until that is on its way. Called once. */
  readonly respond: (outcome: "done" | "failed") => Promise<void>;
}

/** Listens on this machine for the browser that comes back. Whoever opened it disposes of it. */
export interface CallbackListener {
  /** What the issuer is told. */
  readonly redirectUri: string;
  /** The first answer that has our state; nothing when none came in time. @throws {CosignError} why `signal` fired. */
  readonly answer: (timeoutMs: number, signal: AbortSignal) => Promise<Callback | undefined>;
  /** How many came with another state, or none. */
  readonly foreignAnswers: () => number;
  [Symbol.asyncDispose](): Promise<void>;
}

/** cosign's: issuers have it in their lists. */
const DEFAULT_REDIRECT_URL = "http://localhost:0/auth/callback";
const ADDRESSES = ["127.0.0.1", "::1"];
const PORT_ATTEMPTS = 5;
const HEADERS_TIMEOUT_MS = 10_000;
const MAX_HEADER_BYTES = 16_384;
const SHOWN_WITHIN_MS = 1000;
const PAGES = {
  done: "You are logged in. You may close this page.",
  failed: "The log-in failed: see the terminal. You may close this page.",
  foreign: "This is not the answer to the log-in that is under way.",
  none: "There is nothing here.",
} as const;

/**
 * Opens the port that the browser comes back to.
 *
 * @param redirectUrl On this machine; any free port when its port is 0. Default as cosign's.
 * @param state What the true answer has.
 * @throws {CosignError} `USAGE` for a URL that is not on this machine, `IDENTITY_UNAVAILABLE` when its port is taken.
 */
export async function listenForCallback(
  redirectUrl: string | undefined,
  state: string,
): Promise<CallbackListener> {
  const url = parseRedirectUrl(redirectUrl ?? DEFAULT_REDIRECT_URL);
  const { promise: answered, resolve: answer } = Promise.withResolvers<Callback>();
  let isAnswered = false;
  let foreign = 0;
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const asked = requestUrl(request, url);
    if (asked === undefined || asked.pathname !== url.pathname) {
      page(response, 404, "none");
      return;
    }
    const states = asked.searchParams.getAll("state");
    if (isAnswered || states.length !== 1 || states[0] !== state) {
      // Anybody may come to this port, a page of another site too: he must not end the log-in.
      if (!isAnswered) foreign += 1;
      page(response, 400, "foreign");
      return;
    }
    isAnswered = true;
    answer({
      parameters: asked.searchParams,
      respond: (outcome) => finish(response, outcome),
    });
  };
  const { servers, port } = await openServers(url, handle);
  url.port = `${port}`;
  return {
    redirectUri: url.href,
    answer: (timeoutMs, signal) => withinTime(answered, timeoutMs, signal),
    foreignAnswers: () => foreign,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(servers.map(closeServer));
    },
  };
}

function parseRedirectUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:" && isLoopbackHost(url.hostname) && !url.search && !url.hash) {
    return url;
  }
  throw new CosignError("USAGE", `Cannot use the redirect URL "${text.slice(0, 200)}"`, {
    hint: "The browser must come back to this machine: http://localhost:PORT/PATH",
  });
}

/** Nothing for a request that is none of a browser that was sent here: also where a name was bound to this address. */
function requestUrl({ method, url, headers }: IncomingMessage, own: URL): URL | undefined {
  const host = headers.host ?? "";
  const base = `http://${host}`;
  if (method !== "GET" || !URL.canParse(base) || !isLoopbackHost(new URL(base).hostname)) {
    return undefined;
  }
  return url?.startsWith("/") === true && URL.canParse(url, own.href)
    ? new URL(url, own)
    : undefined;
}

/** The same port on both addresses of this machine: else another program could take the one that is left. */
async function openServers(
  url: URL,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ readonly servers: readonly Server[]; readonly port: number }> {
  const wanted = url.port === "" ? 80 : Number(url.port);
  const host = bareHost(url.hostname);
  let failure: unknown;
  for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
    const servers: Server[] = [];
    let port = wanted;
    try {
      for (const address of isIP(host) === 0 ? ADDRESSES : [host]) {
        const server = await listen(address, port, handle);
        if (server === undefined) continue; // a machine without this family of addresses
        servers.push(server);
        port = portOf(server);
      }
      if (servers.length > 0) return { servers, port };
      failure = new Error("there is no loopback address");
    } catch (error) {
      failure = error;
      await Promise.all(servers.map(closeServer));
    }
    if (wanted !== 0) break;
  }
  throw new CosignError(
    "IDENTITY_UNAVAILABLE",
    `Cannot listen on "${url.host}" for the browser: ${describeError(failure)}`,
    {
      hint: "Choose another port with --oidc-redirect-url, or log in with --fulcio-auth-flow device",
    },
  );
}

function listen(
  address: string,
  port: number,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, handle);
    server.headersTimeout = HEADERS_TIMEOUT_MS;
    server.once("error", (error: NodeJS.ErrnoException) => {
      const isAbsent = error.code === "EADDRNOTAVAIL" || error.code === "EAFNOSUPPORT";
      if (isAbsent) resolve(undefined);
      else reject(error);
    });
    server.listen({ host: address, port, ipv6Only: true }, () => resolve(server));
  });
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("No port was opened");
  return address.port;
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** A page without scripts, that says nothing of what was asked for. */
function page(response: ServerResponse, status: number, text: keyof typeof PAGES): void {
  response.writeHead(status, {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    connection: "close",
  });
  response.end(
    `<!doctype html><html lang="en"><title>cosign-ts</title><body><p>${PAGES[text]}</p></body></html>\n`,
  );
}

/** Shows the last page. A browser that was closed meanwhile does not see it: nobody waits for it. */
function finish(response: ServerResponse, outcome: "done" | "failed"): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(end, SHOWN_WITHIN_MS);
    if (response.destroyed) return end();
    response.once("finish", end).once("close", end);
    page(response, outcome === "done" ? 200 : 400, outcome);
  });
}

function withinTime<T>(
  promise: Promise<T>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(abortReason(signal, "Cannot wait for the browser"));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve(undefined);
    }, timeoutMs);
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then((value) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      resolve(value);
    });
  });
}
