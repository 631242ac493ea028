import type { AuthClient } from "google-auth-library";
import {
  CosignError,
  describeError,
  type PluginContext,
} from "../../engine/plugin_host/contract.ts";

/** Who we are to Google. */
export interface Credentials {
  /** Headers of a request: the access token, renewed when it is about to end. @throws {CosignError} `KEY_SERVICE_AUTH`. */
  headers(): Promise<Readonly<Record<string, string>>>;
  /** `googleapis.com`, or of a cloud of its own. */
  readonly universe: string;
}

const SCOPE = "https://www.googleapis.com/auth/cloud-platform";

/**
 * Finds the Application Default Credentials: the file that `GOOGLE_APPLICATION_CREDENTIALS` names (service
 * account, workload identity, impersonation), that of `gcloud auth application-default login`, or those of the
 * machine.
 *
 * @param project Of the key: nobody is asked for another.
 * @throws {CosignError} `KEY_SERVICE_AUTH`.
 */
export async function openCredentials(
  project: string,
  context: PluginContext,
): Promise<Credentials> {
  const { GoogleAuth, PassThroughClient } = await import("google-auth-library");
  const { transporter } = new PassThroughClient({
    transporterOptions: {
      fetchImplementation: tokenFetch(context),
      retryConfig: { retry: 0, noResponseRetries: 0 }, // fetch has done it
    },
  });
  const auth = new GoogleAuth({
    scopes: [SCOPE],
    projectId: project,
    clientOptions: { transporter },
  });
  try {
    const client = await auth.getClient();
    handOn(client, transporter);
    return {
      universe: client.universeDomain,
      headers: async () => {
        try {
          return Object.fromEntries(await client.getRequestHeaders());
        } catch (error) {
          throw refused(error);
        }
      },
    };
  } catch (error) {
    throw refused(error);
  }
}

/**
 * Gives our transport to what the library makes with one of its own: accounts that impersonate others, and
 * what exchanges the tokens of a workload.
 */
function handOn(client: object, transporter: AuthClient["transporter"]): void {
  Reflect.set(client, "transporter", transporter);
  for (const name of ["stsCredential", "sourceClient"]) {
    const part: unknown = Reflect.get(client, name);
    if (typeof part === "object" && part !== null) handOn(part, transporter);
  }
}

/** How tokens are fetched: through the engine. What asks the machine's metadata server goes its own way. */
function tokenFetch(context: PluginContext): typeof fetch {
  const ask = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const { method = "GET", body, signal } = init;
    const url = input instanceof Request ? input.url : String(input);
    const text = body === undefined || body === null ? undefined : textOf(body);
    return await context.fetch(url, {
      method,
      headers: Object.fromEntries(new Headers(init.headers)),
      ...(text === undefined ? {} : { body: text }),
      ...(signal instanceof AbortSignal ? { signal } : {}),
    });
  };
  return Object.assign(ask, { preconnect: () => {} });
}

function textOf(body: NonNullable<RequestInit["body"]>): Uint8Array | string {
  if (typeof body === "string" || body instanceof Uint8Array) return body;
  if (body instanceof URLSearchParams) return body.toString();
  throw new TypeError("The library sends a body that is neither text nor bytes");
}

function refused(error: unknown): CosignError {
  if (error instanceof CosignError) return error;
  const { cause } = error instanceof Error ? error : { cause: undefined };
  if (cause instanceof CosignError) return cause;
  const said = describeError(error).replaceAll(/\s+/g, " ").slice(0, 300);
  const status: unknown = error instanceof Error ? Reflect.get(error, "status") : undefined;
  if (typeof status === "number" && status >= 500) {
    return new CosignError("KEY_SERVICE_UNAVAILABLE", `Cannot log in to Google Cloud: ${said}`, {
      hint: "Try again later",
    });
  }
  return new CosignError("KEY_SERVICE_AUTH", `Cannot log in to Google Cloud: ${said}`, {
    cause: error,
    hint: 'Name a file of credentials with GOOGLE_APPLICATION_CREDENTIALS, or run "gcloud auth application-default login"',
  });
}
