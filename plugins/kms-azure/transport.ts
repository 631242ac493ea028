import type { HttpClient, PipelineRequest } from "@azure/core-rest-pipeline";
import { CosignError, hasCode, type PluginContext } from "../../engine/plugin_host/contract.ts";

type Pipeline = typeof import("@azure/core-rest-pipeline");

/** A transport of the SDK, and what went wrong in it. */
export interface SdkTransport {
  readonly httpClient: HttpClient;
  /** Why the last request had no answer: the SDK says of it no more than `network_error`. */
  lastFault(): CosignError | undefined;
}

/**
 * The transport of the SDK: our `fetch`, with its retries, budgets and limits. What the SDK asks Microsoft
 * Entra and the metadata of a machine for passes here as well.
 */
export function sdkTransport(pipeline: Pipeline, context: PluginContext): SdkTransport {
  let fault: CosignError | undefined;
  const httpClient: HttpClient = {
    sendRequest: async (request) => {
      const { url, method, headers, abortSignal, timeout } = request;
      const body = bodyOf(request);
      const response = await ask(request, () =>
        context.fetch(url, {
          method,
          headers: headers.toJSON({ preserveCase: true }),
          // It sets a time itself where it looks whether there is somebody at all.
          ...(timeout > 0 ? { timeoutMs: timeout, repeatable: false } : {}),
          ...(isCreation(request) ? { repeatable: false } : {}),
          ...(body === undefined ? {} : { body }),
          ...(abortSignal instanceof AbortSignal ? { signal: abortSignal } : {}),
        }),
      );
      const text = await response.text();
      // Was tried again by fetch; the SDK reads nothing of it that the user could use.
      if (response.status >= 500) throw sendError(request, unavailable(url, response.status, text));
      return {
        request,
        status: response.status,
        headers: pipeline.createHttpHeaders(Object.fromEntries(response.headers)),
        bodyAsText: text,
      };
    },
  };
  return { httpClient, lastFault: () => fault };

  async function ask(request: PipelineRequest, send: () => Promise<Response>): Promise<Response> {
    try {
      return await send();
    } catch (error) {
      throw hasCode(error, "KEY_SERVICE_UNAVAILABLE") ? sendError(request, error) : error;
    }
  }

  /** By this the SDK knows that nobody is there, and looks for credentials elsewhere. */
  function sendError(request: PipelineRequest, cause: CosignError): Error {
    fault = cause;
    const code = pipeline.RestError.REQUEST_SEND_ERROR;
    const error = new pipeline.RestError(cause.message, { code, request });
    error.cause = cause;
    return error;
  }
}

function unavailable(url: string, status: number, text: string): CosignError {
  const words = text.replaceAll(/[\p{Cc}\s]+/gu, " ").slice(0, 300);
  return new CosignError(
    "KEY_SERVICE_UNAVAILABLE",
    `Cannot ask "${new URL(url).host}": it answers HTTP ${status}: ${words}`,
    { hint: "Try again later" },
  );
}

/** The error of ours that something of the SDK's was made of. */
export function ownError(error: unknown, depth = 0): CosignError | undefined {
  if (error instanceof CosignError) return error;
  if (!(error instanceof Error) || depth > 5) return undefined;
  return ownError(error.cause, depth + 1);
}

function isCreation({ method, url }: PipelineRequest): boolean {
  return method === "POST" && new URL(url).pathname.endsWith("/create");
}

function bodyOf({ body }: PipelineRequest): Uint8Array | string | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === "string" || body instanceof Uint8Array) return body;
  throw new TypeError("The SDK sends a body that is neither text nor bytes");
}
