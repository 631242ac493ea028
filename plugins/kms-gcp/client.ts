import {
  CosignError,
  type PluginAnswer,
  type PluginContext,
} from "../../engine/plugin_host/contract.ts";
import { openCredentials } from "./credentials.ts";
import type { GcpKeyName } from "./key_uri.ts";
import { type Purpose, refusal } from "./refusal.ts";

/** One thing that is asked of Cloud KMS (REST, v1). */
export interface KmsCall extends Purpose {
  /** Default: `GET`. */
  readonly method?: "GET" | "POST";
  /** Behind `/v1/`, with the query. */
  readonly path: string;
  readonly body?: unknown;
  /** Whether it makes something new. Default: false. */
  readonly isCreation?: boolean;
  /** What a refusal says that will pass in a moment. */
  readonly passing?: RegExp;
}

/** Cloud KMS, to somebody with credentials. */
export interface Kms {
  /**
   * @returns The answer, parsed.
   * @throws {CosignError} `KEY_NOT_FOUND`, `KEY_DENIED`, `KEY_DISABLED`, `KEY_EXISTS`, `KEY_UNSUPPORTED`,
   * `KEY_SIGN_FAILED`, `KEY_SERVICE_…`.
   */
  call(call: KmsCall, signal: AbortSignal): Promise<unknown>;
}

/** Finds credentials. Nothing is asked of Cloud KMS yet. @throws {CosignError} `KEY_SERVICE_AUTH`. */
export async function openKms({ project }: GcpKeyName, context: PluginContext): Promise<Kms> {
  const credentials = await openCredentials(project, context);
  // gcloud's own setting, for private endpoints.
  const endpoint =
    context.env["CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS"] ||
    `https://cloudkms.${credentials.universe}/`;
  return {
    call: async (call, signal) => {
      const { method = "GET", path, body, isCreation = false, passing } = call;
      const response = await context.fetch(`${endpoint.replace(/\/+$/, "")}/v1/${path}`, {
        method,
        headers: {
          ...(await credentials.headers()),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        repeatable: !isCreation,
        ...(passing === undefined ? {} : { isThrottled: (answer) => says(answer, passing) }),
        signal,
      });
      const text = await response.text();
      if (!response.ok) throw refusal(response.status, text, call);
      try {
        return JSON.parse(text);
      } catch (error) {
        throw new CosignError(
          "KEY_SERVICE_PROTOCOL",
          `Cannot ${call.what}: what answers there is no Cloud KMS`,
          { cause: error },
        );
      }
    },
  };
}

function says({ status, body }: PluginAnswer, words: RegExp): boolean {
  return status === 429 || (status === 400 && words.test(new TextDecoder().decode(body)));
}
