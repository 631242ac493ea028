import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  CosignError,
  describeError,
  hasCode,
  type PluginContext,
} from "../../engine/plugin_host/contract.ts";
import { setting } from "./settings.ts";

/** A helper that asks a person may take its time; tokens have some hundred bytes. */
const HELPER_TIMEOUT_MS = 60_000;
const MAX_TOKEN_BYTES = 64 * 1024;
const HELPER_SETTING = /^\s*"?token_helper"?\s*[=:]\s*"([^"\n]+)"/m;

/**
 * Finds the token, as Vault's own programs do: `VAULT_TOKEN`, `BAO_TOKEN`, the token helper that
 * `~/.vault` names, the file `~/.vault-token`.
 *
 * @throws {CosignError} `KEY_SERVICE_AUTH` when there is none.
 */
export async function readToken(context: PluginContext): Promise<string> {
  const token =
    setting(context, "TOKEN") ?? (await helperToken(context)) ?? (await fileToken(context));
  if (token === undefined) {
    throw new CosignError("KEY_SERVICE_AUTH", "Cannot log in to Vault: there is no token", {
      hint: 'Set VAULT_TOKEN or BAO_TOKEN, or run "vault login" or "bao login", which write ~/.vault-token',
    });
  }
  if (/[^\x21-\x7e]/.test(token)) {
    throw new CosignError(
      "KEY_SERVICE_AUTH",
      "Cannot log in to Vault: the token has characters that no token has",
    );
  }
  context.secret(token);
  return token;
}

async function fileToken(context: PluginContext): Promise<string | undefined> {
  const path = setting(context, "TOKEN_PATH") ?? inHome(context, ".vault-token");
  return (await readText(path, context))?.trim() || undefined;
}

/** The program in `token_helper` of the client's configuration (HCL), which knows this one setting. */
async function helperToken(context: PluginContext): Promise<string | undefined> {
  const path = setting(context, "CONFIG_PATH") ?? inHome(context, ".vault");
  const helper = HELPER_SETTING.exec((await readText(path, context)) ?? "")?.[1];
  if (helper === undefined) return undefined;
  try {
    // By the shell, as Vault runs it: the setting may have arguments.
    const { stdout } = await promisify(execFile)("/bin/sh", ["-c", `${helper} get`], {
      env: { ...context.env },
      timeout: HELPER_TIMEOUT_MS,
      maxBuffer: MAX_TOKEN_BYTES,
      signal: context.signal,
    });
    return stdout.trim() || undefined;
  } catch (error) {
    if (context.signal.aborted) throw error;
    throw new CosignError(
      "KEY_SERVICE_AUTH",
      `Cannot log in to Vault: the token helper of "${path}" failed: ${describeError(error).split("\n")[0]}`,
      { cause: error },
    );
  }
}

/** The text of a file; nothing when there is none. */
async function readText(
  path: string | undefined,
  context: PluginContext,
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return new TextDecoder().decode(await context.readFile(path));
  } catch (error) {
    if (hasCode(error, "FILE_READ") && isMissing(error.cause)) return undefined;
    throw error;
  }
}

function isMissing(cause: unknown): boolean {
  return (
    cause instanceof Error && /^(?:ENOENT|ENOTDIR|EISDIR)$/.test(String(Reflect.get(cause, "code")))
  );
}

function inHome({ env }: PluginContext, name: string): string | undefined {
  const home = env["HOME"] || env["USERPROFILE"];
  return home ? join(home, name) : undefined;
}
