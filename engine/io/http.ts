import { joinBytes } from "../model/bytes.ts";
import { CosignError, describeError, type ErrorCode } from "../model/errors.ts";
import { trustedRoots } from "./certificates.ts";
import type { ConnectionOptions } from "./connection.ts";
import type { Environment } from "./env.ts";
import { namesProxies, proxyFor } from "./proxy.ts";
import { transport } from "./runtime.ts";
import { abortReason } from "./wait.ts";

/** A minute without an answer or without a byte of it. */
const DEFAULT_TIMEOUT_MS = 60_000;
/** Bodies of at most this announced size are read in one go: nothing is gained by chunks. */
const ONE_GO_BYTES = 256 * 1024;

/** What a server and we tell each other of certificates. PEM; checked before use (`certificates.ts`). */
export interface TlsOptions {
  /** Trusted beside the system's certificates. */
  readonly caPem?: string;
  readonly certificatePem?: string;
  readonly keyPem?: string;
  readonly serverName?: string;
  /** Certificates are not checked. */
  readonly insecure?: boolean;
}

/** One request. Redirects are answers like others. */
export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Bytes, or what makes the stream of them anew for each attempt (then name `content-length`). It calls
   * `progress` for every piece: the time begins anew.
   */
  readonly body?: Uint8Array | ((progress: () => void) => ReadableStream<Uint8Array>);
  readonly tls?: TlsOptions;
  /** Past every proxy: for what only answers in this machine's own network. Default false. */
  readonly direct?: boolean;
  /** Time without headers, and later without another byte of the body, in milliseconds. Default 60,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** An answer whose body is still on its way: it ends with {@link readBody} or {@link discardBody}. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly url: string;
  readonly raw: Response;
  readonly watchdog: Watchdog;
}

/** A request that was sent, as an observer is told of it: nothing in it is secret. */
export interface Exchange {
  readonly method: string;
  /** Redacted. */
  readonly url: string;
  /** Absent when there was no answer. */
  readonly status?: number;
  readonly error?: string;
  readonly elapsedMs: number;
}

/** What all requests of a client have in common. */
export interface HttpOptions {
  /** Where proxies and certificate stores are named. */
  readonly env: Environment;
  readonly onExchange?: (exchange: Exchange) => void;
}

/** Sends one request. @throws {CosignError} `REGISTRY_NETWORK`, `REGISTRY_TLS`, `REGISTRY_TIMEOUT` or why `signal` fired. */
export type HttpClient = (request: HttpRequest) => Promise<HttpResponse>;

/** Makes a client. It holds nothing that must be closed. */
export function httpClient(options: HttpOptions): HttpClient {
  let roots: string | undefined;
  const hasProxies = namesProxies(options.env);
  const connectionFor = ({ url, tls = {}, direct: isDirect }: HttpRequest): ConnectionOptions => {
    const usesProxy = hasProxies && isDirect !== true;
    const proxy = usesProxy ? proxyFor(new URL(url), options.env) : undefined;
    const direct = proxy === undefined ? {} : { proxy };
    if (!url.startsWith("https:")) return direct;
    const { caPem, ...rest } = tls;
    roots ??= trustedRoots(options.env);
    return { ...direct, ...rest, caPem: caPem === undefined ? roots : `${caPem}\n${roots}` };
  };
  return async (request) => {
    const connection = connectionFor(request);
    const watchdog = new Watchdog(request.timeoutMs ?? DEFAULT_TIMEOUT_MS, request.signal);
    const startedMs = performance.now();
    const tell = (outcome: { status: number } | { error: string }): void =>
      options.onExchange?.({
        method: request.method,
        url: redactUrl(request.url),
        elapsedMs: performance.now() - startedMs,
        ...outcome,
      });
    try {
      const raw = await transport(request.url, requestInit(request, watchdog), connection);
      watchdog.touch();
      tell({ status: raw.status });
      return { status: raw.status, headers: raw.headers, url: request.url, raw, watchdog };
    } catch (cause) {
      const error = networkError(cause, request.method, request.url, watchdog);
      watchdog.close();
      tell({ error: error.message });
      throw error;
    }
  };
}

/**
 * Reads a body to its end.
 *
 * @throws {CosignError} `LIMIT_EXCEEDED` when it is longer than `limitBytes`, `REGISTRY_PROTOCOL` when it is
 * compressed though we asked for it as it is, `REGISTRY_NETWORK` when it breaks off, `REGISTRY_TIMEOUT`.
 */
export async function readBody(response: HttpResponse, limitBytes: number): Promise<Uint8Array> {
  const { raw, watchdog, headers, url } = response;
  try {
    refuseEncoding(response);
    const announced = announcedBytes(headers);
    if (announced !== undefined && announced > limitBytes) throw tooLong(url, limitBytes);
    if (announced !== undefined && announced <= ONE_GO_BYTES) {
      return new Uint8Array(await raw.arrayBuffer());
    }
    return await readChunks(response, limitBytes);
  } catch (cause) {
    if (cause instanceof CosignError) throw cause;
    throw networkError(cause, "GET", url, watchdog);
  } finally {
    discardBody(response);
  }
}

/**
 * The pieces of a body as they come, in all `sizeBytes`. Whoever stops early gives up the rest.
 *
 * @param sizeBytes Any number when absent.
 * @throws {CosignError} `DIGEST_MISMATCH` when it has another length, else as {@link readBody}.
 */
export async function* streamBody(
  response: HttpResponse,
  sizeBytes?: number,
): AsyncGenerator<Uint8Array> {
  const { raw, watchdog, url } = response;
  const reader = raw.body?.getReader();
  let gotBytes = 0;
  try {
    refuseEncoding(response);
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true };
      if (done || value === undefined) break;
      watchdog.touch();
      gotBytes += value.length;
      if (sizeBytes !== undefined && gotBytes > sizeBytes) break;
      yield value;
    }
  } catch (cause) {
    if (cause instanceof CosignError) throw cause;
    throw networkError(cause, "GET", url, watchdog);
  } finally {
    watchdog.close();
    reader?.cancel().catch(() => {});
  }
  if (sizeBytes === undefined || gotBytes === sizeBytes) return;
  const got = gotBytes > sizeBytes ? "more" : `${gotBytes}`;
  throw new CosignError(
    "DIGEST_MISMATCH",
    `Cannot read "${redactUrl(url)}": it has ${got} bytes, expected ${sizeBytes}`,
  );
}

/** Gives up what is still to come of a body. */
export function discardBody(response: HttpResponse): void {
  response.watchdog.close();
  // Asked in this order: to look at a body makes a stream of it.
  if (!response.raw.bodyUsed) response.raw.body?.cancel().catch(() => {});
}

/** A URL without credentials and with the values of its query hidden, but for those of listings and digests. */
export function redactUrl(text: string): string {
  if (!URL.canParse(text)) return JSON.stringify(text.slice(0, 200));
  const url = new URL(text);
  url.username = "";
  url.password = "";
  for (const name of new Set(url.searchParams.keys())) {
    if (!PLAIN_PARAMETERS.has(name)) url.searchParams.set(name, "REDACTED");
  }
  return url.href;
}

const PLAIN_PARAMETERS: ReadonlySet<string> = new Set([
  "n",
  "last",
  "digest",
  "mount",
  "from",
  "scope",
  "service",
  "artifactType",
]);

/** Ends a request that makes no progress, or whose asker has gone. */
export class Watchdog {
  readonly #controller: AbortController = new AbortController();
  readonly #timeoutMs: number;
  readonly #caller: AbortSignal | undefined;
  readonly #onCallerAbort: () => void = () => this.#controller.abort();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #touchedMs: number = performance.now();
  #expired = false;

  constructor(timeoutMs: number, caller: AbortSignal | undefined) {
    this.#timeoutMs = timeoutMs;
    this.#caller = caller;
    if (caller?.aborted) this.#controller.abort();
    caller?.addEventListener("abort", this.#onCallerAbort, { once: true });
    this.#arm(timeoutMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Why the request was ended; nothing when it was not. */
  reason(what: string): CosignError | undefined {
    if (this.#expired) {
      return new CosignError("REGISTRY_TIMEOUT", `${what}: no answer for ${this.#timeoutMs} ms`);
    }
    return this.#caller?.aborted ? abortReason(this.#caller, what) : undefined;
  }

  /** Something came: the time begins anew. */
  touch(): void {
    this.#touchedMs = performance.now();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener("abort", this.#onCallerAbort);
  }

  #arm(afterMs: number): void {
    this.#timer = setTimeout(() => {
      const leftMs = this.#touchedMs + this.#timeoutMs - performance.now();
      if (leftMs > 1) return this.#arm(leftMs);
      this.#expired = true;
      this.#controller.abort();
    }, afterMs);
  }
}

function requestInit(request: HttpRequest, watchdog: Watchdog): RequestInit {
  const { method, headers, body } = request;
  return {
    method,
    headers: { "accept-encoding": "identity", ...headers },
    redirect: "manual",
    signal: watchdog.signal,
    ...(body === undefined
      ? {}
      : { body: typeof body === "function" ? body(() => watchdog.touch()) : body }),
  };
}

function refuseEncoding({ headers, url }: HttpResponse): void {
  const encoding = headers.get("content-encoding");
  if (encoding === null || encoding === "" || encoding === "identity") return;
  throw new CosignError(
    "REGISTRY_PROTOCOL",
    `Cannot read "${redactUrl(url)}": it is encoded as ${JSON.stringify(encoding.slice(0, 40))}, which was not asked for`,
  );
}

async function readChunks(response: HttpResponse, limitBytes: number): Promise<Uint8Array> {
  const reader = response.raw.body?.getReader();
  if (reader === undefined) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    response.watchdog.touch();
    sizeBytes += value.length;
    if (sizeBytes > limitBytes) {
      reader.cancel().catch(() => {});
      throw tooLong(response.url, limitBytes);
    }
    chunks.push(value);
  }
  return joinBytes(chunks);
}

function announcedBytes(headers: Headers): number | undefined {
  const text = headers.get("content-length");
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function tooLong(url: string, limitBytes: number): CosignError {
  return new CosignError(
    "LIMIT_EXCEEDED",
    `Cannot read "${redactUrl(url)}": longer than the limit of ${limitBytes} bytes`,
  );
}

/** What went wrong below HTTP. */
export type NetworkFault = "refused" | "unresolved" | "no-tls" | "certificate" | "broken";

const faults: WeakMap<CosignError, NetworkFault> = new WeakMap();

/** What went wrong below HTTP, of an error that a client threw. */
export function networkFault(error: unknown): NetworkFault | undefined {
  return error instanceof CosignError ? faults.get(error) : undefined;
}

function networkError(
  cause: unknown,
  method: string,
  url: string,
  watchdog: Watchdog,
): CosignError {
  const what = `Cannot ${method} "${redactUrl(url)}"`;
  const ended = watchdog.reason(what);
  if (ended !== undefined) return ended;
  if (cause instanceof CosignError) return cause;
  const fault = classify(cause);
  const { code, text, hint } = FAULTS[fault];
  const detail = fault === "certificate" || fault === "broken" ? `: ${detailOf(cause)}` : "";
  const error = new CosignError(code, `${what}: ${text}${detail}`, {
    cause,
    ...(hint === undefined ? {} : { hint }),
  });
  faults.set(error, fault);
  return error;
}

const FAULTS: Readonly<
  Record<NetworkFault, { readonly code: ErrorCode; readonly text: string; readonly hint?: string }>
> = {
  refused: { code: "REGISTRY_NETWORK", text: "connection refused" },
  unresolved: { code: "REGISTRY_NETWORK", text: "no such host" },
  "no-tls": {
    code: "REGISTRY_TLS",
    text: "the TLS handshake failed: the server speaks no TLS there, or wants a client certificate",
  },
  certificate: {
    code: "REGISTRY_TLS",
    text: "the certificate of the server is not trusted",
    hint: "Name the issuer with --registry-cacert or SSL_CERT_FILE",
  },
  broken: { code: "REGISTRY_NETWORK", text: "the connection broke" },
};

/** Bun names faults by code, Deno only by the text of a cause. */
function classify(cause: unknown): NetworkFault {
  const code = property(cause, "code");
  if (typeof code === "string") {
    if (code === "ECONNREFUSED" || code === "ConnectionRefused") return "refused";
    if (/^(?:ENOTFOUND|EAI_|DNS)/.test(code)) return "unresolved";
    if (code === "EPROTO") return "no-tls";
    if (/CERT|SIGNATURE|ISSUER|_CRL_|ERR_TLS_|PATH_LENGTH|INVALID_PURPOSE/.test(code)) {
      return "certificate";
    }
  }
  const text = detailOf(cause);
  if (/invalid peer certificate/i.test(text)) return "certificate";
  if (/connection refused/i.test(text)) return "refused";
  if (/dns error/i.test(text)) return "unresolved";
  if (/InvalidContentType|fatal alert|handshake/i.test(text)) return "no-tls";
  return "broken";
}

function detailOf(cause: unknown): string {
  const inner = property(cause, "cause");
  const text = inner === undefined ? describeError(cause) : describeError(inner);
  return text.replace(/ For more information, pass `verbose.*$/, "").slice(0, 300);
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
