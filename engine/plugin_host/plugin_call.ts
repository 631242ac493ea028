import type { Environment } from "../io/env.ts";
import { readFileBytes } from "../io/files.ts";
import { unlessAborted } from "../io/wait.ts";
import { CosignError, describeError, hasCode } from "../model/errors.ts";
import type { KeyProvider, PluginContext } from "./contract.ts";
import { pluginEnvironment } from "./plugin_env.ts";
import { pluginExchange, pluginFetch, type ServiceAccess } from "./plugin_fetch.ts";
import { Secrets } from "./secrets.ts";

/** What the engine gives to plugins. */
export interface PluginWorld extends ServiceAccess {
  readonly env: Environment;
  /** Takes a line for the user, without its end. */
  readonly tell: (line: string) => void;
  /** Takes a warning for the user, without its end. */
  readonly warn: (line: string) => void;
  /** Time for one operation of a plugin, its repetitions included, in milliseconds. Default 120,000. */
  readonly timeoutMs?: number;
}

/** Who has the keys of a scheme. */
export interface KeyBackend {
  /** The plugin's name. */
  readonly plugin: string;
  readonly provider: KeyProvider;
  /** The variables that the plugin may see. */
  readonly env: readonly string[];
}

/** Calls one plugin. Everything that it does passes here. */
export interface PluginCaller {
  /**
   * Runs an operation of the plugin until it is done, `signal` fires or its time is over.
   *
   * @throws {CosignError} what the plugin throws, with its secrets struck out; `PLUGIN_FAILED` for what is no
   * {@link CosignError}; `KEY_SERVICE_UNAVAILABLE` when its time is over.
   */
  call<T>(operation: (context: PluginContext) => Promise<T>, signal?: AbortSignal): Promise<T>;
}

const TIMEOUT_MS = 120_000;
const MAX_FILE_BYTES = 1024 * 1024; // tokens, kubeconfigs, service accounts: the largest have some KB

/** Makes the caller of a plugin, for one run. */
export function pluginCaller(
  { plugin, env }: Pick<KeyBackend, "plugin" | "env">,
  world: PluginWorld,
): PluginCaller {
  const secrets = new Secrets();
  const visible = pluginEnvironment(world.env, env);
  secrets.addEnvironment(visible);
  const { timeoutMs = TIMEOUT_MS } = world;
  return {
    call: async (operation, signal) => {
      const over = new AbortController();
      const ends = signal === undefined ? over.signal : AbortSignal.any([over.signal, signal]);
      const timer = setTimeout(() => over.abort(tooSlow(plugin, timeoutMs)), timeoutMs);
      try {
        ends.throwIfAborted();
        const context = contextOf(visible, secrets, world, ends);
        // Also a plugin that does not listen to the signal.
        return await unlessAborted(operation(context), ends);
      } catch (error) {
        throw struck(over.signal.aborted ? over.signal.reason : error, plugin, secrets);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

function contextOf(
  env: Environment,
  secrets: Secrets,
  world: PluginWorld,
  signal: AbortSignal,
): PluginContext {
  const fetch = pluginFetch(world, signal);
  return {
    signal,
    env,
    fetch: async (url, request) => {
      secrets.addHeaders(request?.headers ?? {});
      return await fetch(url, request);
    },
    exchange: pluginExchange(world, signal),
    readFile: (path) => readFileBytes(path, MAX_FILE_BYTES),
    secret: (text) => secrets.add(text),
    tell: (line) => world.tell(secrets.strike(line)),
    warn: (line) => world.warn(secrets.strike(line)),
  };
}

/** The error as others may see it: without its cause, which may hold a request with its credentials. */
function struck(error: unknown, plugin: string, secrets: Secrets): CosignError {
  if (!(error instanceof CosignError)) {
    return new CosignError(
      "PLUGIN_FAILED",
      `Plugin "${plugin}" failed: ${secrets.strike(describeError(error))}`,
    );
  }
  if (hasCode(error, "CANCELLED", "DEADLINE_EXCEEDED")) return error;
  const { code, message, hint } = error;
  return new CosignError(
    code,
    secrets.strike(message),
    hint === undefined ? {} : { hint: secrets.strike(hint) },
  );
}

function tooSlow(plugin: string, timeoutMs: number): CosignError {
  return new CosignError(
    "KEY_SERVICE_UNAVAILABLE",
    `Plugin "${plugin}" was not done after ${timeoutMs} ms`,
    { hint: "Check that its service or program answers; --timeout gives it more time" },
  );
}
