import { readPassword } from "../io/password.ts";
import { plainFetch } from "../io/plain_fetch.ts";
import type { RunKey } from "../keys/key_ring.ts";
import { type KeyContext, openSigner, readPublicKey } from "../keys/open.ts";
import { CosignError } from "../model/errors.ts";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";
import type { Signer } from "../plugin_host/contract.ts";
import type { PluginWorld } from "../plugin_host/plugin_call.ts";
import type { World } from "./command.ts";
import { printableLine } from "./printable.ts";

/** How keys are opened. */
export interface OpenKeysOptions {
  readonly signal: AbortSignal;
  /** Standard input holds something else than a password. Default false. */
  readonly stdinIsTaken?: boolean;
  /** A new key: its password is asked for twice. Default false. */
  readonly isNew?: boolean;
}

/** Keys that sign, opened once for a run. Whoever opened them closes them. */
export interface SigningKeys {
  readonly keys: readonly RunKey[];
  /** Signs with a key that lies elsewhere. */
  readonly signHosted: (
    uri: string,
    message: Uint8Array,
    signal?: AbortSignal,
  ) => Promise<Uint8Array>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens the private keys of a run, each once; a password is asked for when a key needs it, once.
 *
 * @throws {CosignError} `KEY_…`, `PLUGIN_…`.
 */
export async function openSigningKeys(
  uris: readonly string[],
  world: World,
  options: OpenKeysOptions,
): Promise<SigningKeys> {
  const context = keyContext(world, options);
  const signers = new Map<string, Signer>();
  const keys: RunKey[] = [];
  for (const uri of new Set(uris)) {
    const signer = await openSigner(uri, context);
    signers.set(uri, signer);
    const { publicKey, privateKey, digest } = signer;
    keys.push({
      uri,
      type: publicKey.type,
      spki: publicKey.spki,
      hosted: privateKey === undefined,
      digest,
      ...(privateKey === undefined ? {} : { privateKey }),
    });
  }
  return {
    keys,
    signHosted: async (uri, message, signal) => {
      const signer = signers.get(uri);
      if (signer !== undefined) return await signer.sign(message, signal);
      throw new CosignError("KEY_NOT_FOUND", `Cannot sign with "${uri}": it was not opened`);
    },
    [Symbol.asyncDispose]: async () => {
      for (const signer of signers.values()) await signer[Symbol.asyncDispose]();
    },
  };
}

/**
 * Reads the public keys of a run, each once.
 *
 * @param digest The digest that signatures are over; of the key's own kind when absent.
 * @throws {CosignError} `KEY_…`, `PLUGIN_…`.
 */
export async function openVerificationKeys(
  uris: readonly string[],
  world: World,
  options: OpenKeysOptions,
  digest: SignatureDigestAlgorithm = "sha256",
): Promise<readonly RunKey[]> {
  const context = keyContext(world, options);
  const keys: RunKey[] = [];
  for (const uri of new Set(uris)) {
    const { type, spki, digest: demanded } = await readPublicKey(uri, context);
    keys.push({ uri, type, spki, hosted: false, digest: demanded ?? digest });
  }
  return keys;
}

/** What opening a key may ask of the world; the password is asked for once at most. */
export function keyContext(world: World, options: OpenKeysOptions): KeyContext {
  let password: Promise<Uint8Array> | undefined;
  let plugins: Promise<PluginWorld> | undefined;
  return {
    env: world.env,
    signal: options.signal,
    fetch: plainFetch(world.env),
    password: async () => {
      password ??= readPassword({
        env: world.env,
        isNew: options.isNew ?? false,
        stdinIsTaken: options.stdinIsTaken ?? false,
      });
      return (await password).slice(); // who uses it may wipe it
    },
    keyBackend: async (scheme) => await (await world.plugins()).keyBackend(scheme),
    pluginWorld: () => {
      plugins ??= pluginWorld(world);
      return plugins;
    },
  };
}

/** What plugins are called with. Keys lie in the main thread only: the budgets of their services too. */
async function pluginWorld({ env, stderr }: World): Promise<PluginWorld> {
  const { httpClient } = await import("../io/http.ts");
  const { Budgets, createBudgetMemory } = await import("../io/budget.ts");
  const say = (line: string): void => stderr.write(`${printableLine(line)}\n`);
  return {
    env,
    http: httpClient({ env }),
    budgets: new Budgets(createBudgetMemory(), 1),
    tell: say,
    warn: (line) => say(`WARNING: ${line}`),
  };
}
