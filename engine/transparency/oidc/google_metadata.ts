import { readFileSync } from "node:fs";
import type { Environment } from "../../io/env.ts";
import { CosignError, hasCode } from "../../model/errors.ts";
import type { ServiceReply } from "../service.ts";
import type { AmbientContext } from "./ambient_provider.ts";
import { ask, type IdentityCall } from "./ask.ts";

/** Not a name: no DNS server can send us elsewhere. */
const METADATA_HOST = "169.254.169.254";
const HOST_VARIABLE = "GCE_METADATA_HOST";
const HOST = /^(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;
const PRODUCT_FILE = "/sys/class/dmi/id/product_name";
/** Set in Cloud Run, its jobs, and Cloud Functions. */
const SERVERLESS = ["K_SERVICE", "CLOUD_RUN_JOB", "FUNCTION_NAME"];
const FLAVOR = "Google";
/** It is on this very machine. */
const TIMEOUT_MS = 5000;

/**
 * Whether this is a machine of Google's, without asking the network: at other clouds the address of
 * the metadata is somebody else's.
 */
export function isOnGoogle(env: Environment): boolean {
  if (env[HOST_VARIABLE] || SERVERLESS.some((name) => env[name])) return true;
  try {
    return readFileSync(PRODUCT_FILE, "utf8").trim().startsWith("Google");
  } catch {
    return false; // no such file: another machine
  }
}

/** What the metadata server says; no reply when it is not there or not Google's. */
export interface MetadataAnswer {
  readonly reply?: ServiceReply;
  readonly call: IdentityCall;
  readonly refusal: (what: string, why: string | undefined) => CosignError;
}

/** Asks the metadata server. @param path Below `computeMetadata/v1/`. */
export async function askMetadata(
  path: string,
  { env, services }: AmbientContext,
  { attempts }: { readonly attempts?: number } = {},
): Promise<MetadataAnswer> {
  const host = env[HOST_VARIABLE] || METADATA_HOST;
  if (!HOST.test(host)) {
    throw new CosignError("USAGE", `Cannot use ${HOST_VARIABLE}: it is no host`);
  }
  const call: IdentityCall = {
    method: "GET",
    url: `http://${host}/computeMetadata/v1/${path}`,
    what: "ask Google's metadata server",
    // Without it the server answers nothing: no browser can be made to send it.
    headers: { "metadata-flavor": FLAVOR },
    // A proxy would ask for the identity of its own machine.
    direct: true,
  };
  const refusal = (what: string, why = "it is not there"): CosignError =>
    new CosignError(
      "IDENTITY_UNAVAILABLE",
      `Cannot ${what} from Google's metadata server "${host}": ${why}`,
      { hint: "See that a service account is attached to this machine" },
    );
  try {
    const retry = { ...services.retry, ...(attempts === undefined ? {} : { attempts }) };
    const reply = await ask(call, { ...services, timeoutMs: TIMEOUT_MS, retry });
    return { call, refusal, ...(reply.headers.get("metadata-flavor") === FLAVOR ? { reply } : {}) };
  } catch (error) {
    if (hasCode(error, "SERVICE_UNAVAILABLE", "SERVICE_PROTOCOL")) return { call, refusal };
    throw error;
  }
}
