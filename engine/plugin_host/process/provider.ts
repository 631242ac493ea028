import type { Attempt } from "../../io/retry.ts";
import { describeError, hasCode } from "../../model/errors.ts";
import type { BackendKey, KeyProvider, KeySession, PluginContext } from "../contract.ts";
import { findPluginProgram, type Program, type ProgramSpec } from "./program.ts";
import {
  encodePluginCall,
  type PluginAnswers,
  type PluginCall,
  parsePluginAnswer,
  refusedBy,
} from "./protocol.ts";
import { type RunOptions, runOnce, unusable } from "./run_once.ts";
import { Served } from "./served.ts";

/** Somebody else's program that has the keys of a scheme. */
export interface ProcessPlugin extends ProgramSpec {
  /** Time for one call, in milliseconds. Default 60,000. */
  readonly timeoutMs?: number | undefined;
  /** Said beside a refusal in the plugin's words. */
  readonly hint?: string;
}

/** Gives a call to the program, and answers parsed JSON. */
type Carry = (
  args: Readonly<Record<string, unknown>>,
  message: Uint8Array | undefined,
  signal: AbortSignal,
) => Promise<unknown>;

const TIMEOUT_MS = 60_000;
/** Processes of one plugin at once, and calls at once of one that stays. */
const PROCESSES = 8;
const SERVED_CALLS = 32;
/** A program that stays is started again when it ended, but not for ever. */
const MAX_STARTS = 3;

/** Makes the provider of a program that speaks sigstore's protocol for key plugins. */
export function processProvider(plugin: ProcessPlugin): KeyProvider {
  let found: Promise<Program> | undefined;
  const door = async (context: PluginContext): Promise<Door> => {
    found ??= findPluginProgram(plugin, context.env["PATH"] ?? "");
    return new Door(plugin, await found, context);
  };
  const publicKey = async (uri: string, context: PluginContext): Promise<BackendKey> => ({
    publicKey: await (await door(context)).ask("publicKey", { method: "publicKey" }, uri),
  });
  return {
    publicKey,
    algorithms: async (uri, context) =>
      await (await door(context)).ask(
        "supportedAlgorithms",
        { method: "supportedAlgorithms" },
        uri,
      ),
    create: async (uri, type, context) => {
      const opened = await door(context);
      const algorithm =
        type ?? (await opened.ask("defaultAlgorithm", { method: "defaultAlgorithm" }, uri));
      const call = { method: "createKey", algorithm } as const;
      return { publicKey: await opened.ask("createKey", call, uri) };
    },
    open: async (uri, context) =>
      sessionOf(await publicKey(uri, context), uri, await door(context)),
  };
}

/**
 * A session asks for its first signature as for all else, with a process. Before the second it tries
 * whether the program stays: who signs once pays nothing for that.
 */
function sessionOf(key: BackendKey, uri: string, door: Door): KeySession {
  let count = 0;
  const sign = async (
    message: Uint8Array | undefined,
    digest: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<Uint8Array> => {
    const call = { method: "signMessage", ...(digest && { digest }) } as const;
    count += 1;
    return await door.ask("signMessage", call, uri, { message, signal, maySettle: count > 1 });
  };
  return {
    ...key,
    signMessage: (message, signal) => sign(message, undefined, signal),
    signDigest: (digest, signal) => sign(undefined, digest, signal),
    [Symbol.asyncDispose]: () => door[Symbol.asyncDispose](),
  };
}

interface AskOptions {
  readonly message?: Uint8Array | undefined;
  readonly signal?: AbortSignal;
  /** Whether it is worth trying if the program stays. Default false. */
  readonly maySettle?: boolean;
}

/** The way to one program: a process for each call, or one that stays. */
class Door {
  readonly #plugin: ProcessPlugin;
  readonly #program: Program;
  readonly #context: PluginContext;
  readonly #options: RunOptions;
  #served: Promise<Served | undefined> | undefined;
  #starts = 0;

  constructor(plugin: ProcessPlugin, program: Program, context: PluginContext) {
    this.#plugin = plugin;
    this.#program = program;
    this.#context = context;
    this.#options = {
      plugin: plugin.plugin,
      timeoutMs: plugin.timeoutMs ?? TIMEOUT_MS,
      env: definedOf(context.env),
      tell: (line) => context.tell(`${plugin.plugin}: ${line}`),
    };
  }

  /** @throws {CosignError} `PLUGIN_FAILED`, and what the plugin refuses with. */
  async ask<M extends keyof PluginAnswers>(
    method: M,
    call: PluginCall,
    uri: string,
    { message, signal = this.#context.signal, maySettle = false }: AskOptions = {},
  ): Promise<PluginAnswers[M]> {
    const served = maySettle ? await this.#settled() : undefined;
    const { plugin } = this.#plugin;
    const carry: Carry =
      served === undefined
        ? (...what) => runOnce(this.#program, what[0], what[1], this.#options, what[2])
        : (...what) => served.ask(...what);
    return await this.#context.exchange(
      served === undefined ? plugin : `${plugin}, served`,
      async () => {
        const deadline = new Date(Date.now() + this.#options.timeoutMs);
        const args = encodePluginCall(call, resourceOf(uri), "sha256", deadline);
        return this.#read(await carry(args, message, signal), method);
      },
      { signal, atOnce: served === undefined ? PROCESSES : SERVED_CALLS },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const served = await this.#served?.catch(() => undefined);
    await served?.[Symbol.asyncDispose]();
  }

  #read<M extends keyof PluginAnswers>(json: unknown, method: M): Attempt<PluginAnswers[M]> {
    const { plugin, hint } = this.#plugin;
    let parsed: ReturnType<typeof parsePluginAnswer<M>>;
    try {
      parsed = parsePluginAnswer(json, method);
    } catch (error) {
      throw unusable(plugin, `its answer to "${method}" is none: ${describeError(error)}`);
    }
    if ("answer" in parsed) return { value: parsed.answer };
    const { refusal } = parsed;
    const error = refusedBy(plugin, refusal, hint);
    if (!hasCode(error, "KEY_SERVICE_RATE_LIMITED", "KEY_SERVICE_UNAVAILABLE")) throw error;
    const { afterMs } = refusal;
    return afterMs === undefined ? { transient: error } : { transient: error, afterMs };
  }

  /** The program that stays; nothing when it does not know how, or ended too often. */
  async #settled(): Promise<Served | undefined> {
    const current = this.#served;
    const served = await current;
    if (current !== undefined && served?.isOver !== true) return served;
    // Unless another call has started it meanwhile.
    if (this.#served === current) {
      if (this.#starts >= MAX_STARTS) return undefined;
      this.#starts += 1;
      this.#served = Served.open(this.#program, this.#options);
    }
    return await this.#served;
  }
}

/** What stands behind the scheme: the plugin's own name of the key. */
function resourceOf(uri: string): string {
  return uri.slice(uri.indexOf("://") + "://".length);
}

function definedOf(
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
