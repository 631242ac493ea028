import {
  CosignError,
  type PluginAnswer,
  type PluginContext,
} from "../../engine/plugin_host/contract.ts";

/** A request as the SDK hands it to its transport. */
interface SdkRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

interface SdkAnswer {
  readonly response: {
    readonly statusCode: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: Uint8Array;
  };
}

/** What the SDK asks its transport for. */
export interface SdkTransport {
  readonly metadata: { readonly handlerProtocol: string };
  handle(request: SdkRequest, options?: { readonly abortSignal?: unknown }): Promise<SdkAnswer>;
  httpHandlerConfigs(): Readonly<Record<string, never>>;
  updateHttpClientConfig(): void;
  destroy(): void;
}

/**
 * The transport of the SDK: our `fetch`, with its retries, budgets and limits. Also what the credential
 * chain asks of STS and SSO passes here; instance and container metadata the SDK fetches by itself.
 */
export function sdkTransport(context: PluginContext): SdkTransport {
  const insecure = context.env["AWS_TLS_INSECURE_SKIP_VERIFY"] === "1";
  if (insecure)
    context.warn("AWS_TLS_INSECURE_SKIP_VERIFY: the server's certificate is not checked");
  return {
    metadata: { handlerProtocol: "http/1.1" },
    handle: async (request, { abortSignal } = {}) => {
      const { method, headers } = request;
      const body = bodyOf(request);
      // Without its host: fetch derives it from the URL, as the SDK did when it signed the request.
      const { host: _, ...others } = headers;
      const response = await context.fetch(urlOf(request), {
        method,
        headers: others,
        isThrottled,
        repeatable: !/\.Create\w+$/.test(headers["x-amz-target"] ?? ""),
        ...(body === undefined ? {} : { body }),
        ...(abortSignal instanceof AbortSignal ? { signal: abortSignal } : {}),
        ...(insecure ? { tls: { insecure } } : {}),
      });
      const answer = {
        statusCode: response.status,
        headers: Object.fromEntries(response.headers),
        body: new Uint8Array(await response.arrayBuffer()),
      };
      // Was tried again by fetch: the SDK must not do the same once more.
      if (answer.statusCode >= 500) throw unavailable(request.hostname, answer);
      return { response: answer };
    },
    httpHandlerConfigs: () => ({}),
    updateHttpClientConfig: () => {},
    destroy: () => {},
  };
}

/** KMS says with 400 that it is asked too often (`"__type": "ThrottlingException"`), STS in XML. */
function isThrottled({ status, body }: PluginAnswer): boolean {
  if (status === 429) return true;
  if (status !== 400 && status !== 503) return false;
  const text = new TextDecoder().decode(body.subarray(0, 4096));
  return /"__type"\s*:\s*"[^"]*Throttl|<Code>Throttl/.test(text);
}

function urlOf({ protocol, hostname, port, path, query = {} }: SdkRequest): string {
  const url = new URL(`${protocol}//${hostname}${port === undefined ? "" : `:${port}`}${path}`);
  for (const [name, value] of Object.entries(query)) {
    for (const each of [value ?? ""].flat()) url.searchParams.append(name, each);
  }
  return url.href;
}

function bodyOf({ method, body }: SdkRequest): Uint8Array | string | undefined {
  if (body === undefined || body === null || method === "GET" || method === "HEAD")
    return undefined;
  if (typeof body === "string" || body instanceof Uint8Array) return body;
  throw new TypeError("The SDK sends a body that is neither text nor bytes");
}

function unavailable(
  host: string,
  { statusCode, body }: { readonly statusCode: number; readonly body: Uint8Array },
): CosignError {
  const text = new TextDecoder().decode(body.subarray(0, 300)).replaceAll(/[\p{Cc}\s]+/gu, " ");
  return new CosignError(
    "KEY_SERVICE_UNAVAILABLE",
    `Cannot ask "${host}": it answers HTTP ${statusCode}: ${text}`,
    { hint: "Try again later" },
  );
}
