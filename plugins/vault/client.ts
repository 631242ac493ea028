import * as v from "valibot";
import { CosignError, type PluginContext } from "../../engine/plugin_host/contract.ts";
import { type Purpose, refusal } from "./refusal.ts";
import { readSettings, type VaultSettings } from "./settings.ts";
import { readToken } from "./token.ts";

/** One thing that is asked of Vault. */
export interface VaultCall extends Purpose {
  readonly method: "GET" | "POST";
  readonly body?: Readonly<Record<string, unknown>>;
}

/** A server that we have a token for. */
export interface Vault {
  readonly settings: VaultSettings;
  /**
   * @returns What stands under `data` of the answer; nothing when it has no body.
   * @throws {CosignError} `KEY_NOT_FOUND`, `KEY_DENIED`, `KEY_DISABLED`, `KEY_SIGN_FAILED`, `KEY_SERVICE_…`.
   */
  call(call: VaultCall, signal: AbortSignal): Promise<unknown>;
}

const answerSchema = v.looseObject({ data: v.nullish(v.unknown()) });

/**
 * Finds out where Vault is and who we are. Nothing is asked of it yet.
 *
 * @throws {CosignError} `USAGE`, `KEY_SERVICE_AUTH`, `FILE_READ`.
 */
export async function openVault(context: PluginContext): Promise<Vault> {
  const settings = await readSettings(context);
  const token = await readToken(context);
  return {
    settings,
    call: async (call, signal) => {
      const url = `${settings.address}/v1/${call.path}`;
      let response = await send(url, call, signal);
      const location = redirectOf(response, url);
      // A standby that does not pass requests on names the active node, as often as its API knows: once.
      if (location !== undefined) response = await send(location, call, signal);
      return await readAnswer(response, call, settings);
    },
  };

  async function send(url: string, call: VaultCall, signal: AbortSignal): Promise<Response> {
    const { namespace, tls, timeoutMs } = settings;
    return await context.fetch(url, {
      method: call.method,
      headers: {
        "x-vault-token": token,
        "x-vault-request": "true",
        ...(namespace === undefined ? {} : { "x-vault-namespace": namespace }),
        ...(call.body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      tls,
      signal,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
  }
}

/** Where else to ask; never from https to http, where the token would go in the open. */
function redirectOf(response: Response, from: string): string | undefined {
  const location = response.headers.get("location");
  if (![301, 302, 307, 308].includes(response.status) || location === null) return undefined;
  if (!URL.canParse(location, from)) return undefined;
  const target = new URL(location, from);
  const isSafe = target.protocol === "https:" || target.protocol === new URL(from).protocol;
  return isSafe && /^https?:$/.test(target.protocol) ? target.href : undefined;
}

async function readAnswer(
  response: Response,
  call: VaultCall,
  settings: VaultSettings,
): Promise<unknown> {
  const text = await response.text();
  if (!response.ok) throw refusal(response.status, text, call, settings);
  if (text === "") return undefined;
  try {
    return v.parse(answerSchema, JSON.parse(text)).data ?? undefined;
  } catch (error) {
    throw new CosignError(
      "KEY_SERVICE_PROTOCOL",
      `Cannot ${call.what}: what answers at ${settings.address} is no Vault`,
      { cause: error },
    );
  }
}
