import { existsSync } from "node:fs";
import { join } from "node:path";
import { isMetadataHost } from "../../io/addresses.ts";
import type { Environment } from "../../io/env.ts";
import { redactUrl } from "../../io/http.ts";
import { CosignError } from "../../model/errors.ts";
import type { ServiceContext } from "../service.ts";
import type { AmbientContext } from "./ambient_provider.ts";
import { ask, refuseOpenUrl } from "./ask.ts";

/** Credentials of Google's in a file: of a service account, a user, or another cloud. */
export interface GoogleCredentials {
  /** Shows who we are to Google's services. */
  readonly accessToken: () => Promise<string>;
  readonly idToken: (audience: string) => Promise<string>;
}

const FILE_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS";
const WELL_KNOWN = "application_default_credentials.json";

/** Where Google's own programs look for credentials; nothing when there are none. */
export function credentialsFile(env: Environment): string | undefined {
  if (env[FILE_VARIABLE]) return env[FILE_VARIABLE];
  const folder = configurationFolder(env);
  if (folder === undefined) return undefined;
  const file = join(folder, WELL_KNOWN);
  return existsSync(file) ? file : undefined;
}

/** Nothing where there is no home: the folder that somebody works in is none. */
function configurationFolder(env: Environment): string | undefined {
  if (env["CLOUDSDK_CONFIG"]) return env["CLOUDSDK_CONFIG"];
  if (env["APPDATA"]) return join(env["APPDATA"], "gcloud");
  return env["HOME"] ? join(env["HOME"], ".config", "gcloud") : undefined;
}

/** Opens credentials by Google's library, whose requests go the way of all others. */
export async function openCredentials(
  file: string,
  scope: string,
  { services }: AmbientContext,
): Promise<GoogleCredentials> {
  const { GoogleAuth, gaxios } = await import("google-auth-library");
  const auth = new GoogleAuth({
    keyFilename: file,
    scopes: scope,
    clientOptions: {
      transporter: new gaxios.Gaxios({ fetchImplementation: sender(services), retry: false }),
    },
  });
  return {
    accessToken: () => orUnavailable(file, async () => await auth.getAccessToken()),
    idToken: (audience) =>
      orUnavailable(file, async () => {
        const client = await auth.getIdTokenClient(audience);
        return await client.idTokenProvider.fetchIdToken(audience);
      }),
  };
}

function sender(services: ServiceContext): typeof fetch {
  const send = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = input instanceof Request ? input : new Request(`${input}`, init);
    // Credentials of another cloud begin at that cloud's metadata.
    const isMetadata = isMetadataHost(new URL(request.url).hostname);
    if (!isMetadata) refuseOpenUrl(request.url, "the token endpoint of Google's credentials");
    if (request.method !== "GET" && request.method !== "POST") {
      throw new CosignError(
        "FEATURE_UNAVAILABLE",
        `Cannot get a token by Google's credentials: they want a ${request.method} at "${redactUrl(request.url)}"`,
      );
    }
    const body = await request.arrayBuffer();
    const reply = await ask(
      {
        method: request.method,
        direct: isMetadata,
        url: request.url,
        what: "get a token of Google",
        headers: Object.fromEntries(request.headers.entries()),
        ...(body.byteLength === 0 ? {} : { body: new Uint8Array(body) }),
      },
      services,
    );
    return new Response(new Uint8Array(reply.body), reply);
  };
  return Object.assign(send, { preconnect: () => {} }); // Bun's fetch has it, and so its type
}

async function orUnavailable(
  file: string,
  get: () => Promise<string | null | undefined>,
): Promise<string> {
  const error = (cause?: unknown): CosignError =>
    new CosignError(
      "IDENTITY_UNAVAILABLE",
      `Cannot get a token by Google's credentials in "${file}"`,
      { hint: "Log in anew: gcloud auth application-default login", cause },
    );
  let token: string | null | undefined;
  try {
    token = await get();
  } catch (cause) {
    if (cause instanceof CosignError) throw cause;
    throw error();
  }
  if (token) return token;
  throw error();
}
