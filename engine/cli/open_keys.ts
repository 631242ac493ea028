import { readPassword } from "../io/password.ts";
import { plainFetch } from "../io/plain_fetch.ts";
import type { KeyHost, RunKey } from "../keys/key_ring.ts";
import { type KeyContext, type OpenedSigner, openSigner, readPublicKey } from "../keys/open.ts";
import { CosignError } from "../model/errors.ts";
import { type PublicKey, WEAKNESSES, type Weakness } from "../model/key.ts";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";
import type { PluginWorld } from "../plugin_host/plugin_call.ts";
import type { World } from "./command.ts";
import type { FlagValues } from "./flag.ts";
import type { GLOBAL_FLAGS } from "./flags/global.ts";
import type { WEAK_KEY_FLAGS } from "./flags/key.ts";
import { usage } from "./parse.ts";
import { printableLine, printableText } from "./printable.ts";

/** A call of a command that opens keys; its `--timeout` limits what plugins do. */
export type KeyCall = World & {
  readonly flags: FlagValues<typeof WEAK_KEY_FLAGS & Pick<typeof GLOBAL_FLAGS, "timeout">>;
};

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
  /** @throws {CosignError} `KEY_NOT_FOUND` for what was not opened. */
  readonly signer: (uri: string) => OpenedSigner;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Of a command that verifies. */
export const NO_KEY_HOST: KeyHost = {
  sign: () => Promise.reject(new TypeError("Verification signs nothing")),
  lease: () => Promise.reject(new TypeError("Verification signs nothing")),
};

/**
 * Opens the private keys of a run, each once; a password is asked for when a key needs it, once.
 *
 * @throws {CosignError} `KEY_…`, `PLUGIN_…`.
 */
export async function openSigningKeys(
  uris: readonly string[],
  call: KeyCall,
  options: OpenKeysOptions,
): Promise<SigningKeys> {
  const context = keyContext(call, options);
  const signers = new Map<string, OpenedSigner>();
  await using opened = new AsyncDisposableStack(); // those that were opened, when a later one cannot be
  const keys: RunKey[] = [];
  for (const uri of new Set(uris)) {
    const signer = opened.use(await openSigner(uri, context));
    signers.set(uri, signer);
    const { publicKey, privateKey, digest } = signer;
    keys.push({
      ...factsOf(uri, publicKey),
      hosted: privateKey === undefined,
      digest,
      ...(privateKey === undefined ? {} : { privateKey }),
    });
  }
  const all = opened.move();
  return {
    keys,
    signer: (uri) => {
      const signer = signers.get(uri);
      if (signer !== undefined) return signer;
      throw new CosignError("KEY_NOT_FOUND", `Cannot sign with "${uri}": it was not opened`);
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
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
  call: KeyCall,
  options: OpenKeysOptions,
  digest: SignatureDigestAlgorithm = "sha256",
): Promise<readonly RunKey[]> {
  const context = keyContext(call, options);
  const keys: RunKey[] = [];
  for (const uri of new Set(uris)) {
    const key = await readPublicKey(uri, context);
    keys.push({ ...factsOf(uri, key), hosted: false, digest: key.digest ?? digest });
  }
  return keys;
}

/** What opening a key may ask of the world; the password is asked for once at most. */
export function keyContext(call: KeyCall, options: OpenKeysOptions): KeyContext {
  const allowed = allowedWeaknesses(call.flags);
  let password: Promise<Uint8Array> | undefined;
  let plugins: Promise<PluginWorld> | undefined;
  return {
    env: call.env,
    signal: options.signal,
    fetch: plainFetch(call.env),
    password: async () => {
      password ??= readPassword({
        env: call.env,
        isNew: options.isNew ?? false,
        stdinIsTaken: options.stdinIsTaken ?? false,
      });
      return (await password).slice(); // who uses it may wipe it
    },
    keyBackend: async (scheme) => await (await call.plugins()).keyBackend(scheme),
    pluginWorld: () => {
      plugins ??= pluginWorld(call);
      return plugins;
    },
    weakKeys: { allowed, tell: (key) => call.stderr.write(weakKeyWarning(key)) },
  };
}

/** What plugins are called with. Keys lie in the main thread only: the budgets of their services too. */
async function pluginWorld({ env, stderr, flags }: KeyCall): Promise<PluginWorld> {
  const { httpClient } = await import("../io/http.ts");
  const { Budgets, createBudgetMemory } = await import("../io/budget.ts");
  const say = (line: string): void => stderr.write(`${printableLine(line)}\n`);
  return {
    env,
    http: httpClient({ env }),
    budgets: new Budgets(createBudgetMemory(), 1),
    ...(flags.timeout > 0 ? { timeoutMs: flags.timeout } : {}),
    tell: say,
    warn: (line) => say(`WARNING: ${line}`),
  };
}

/** Reads `--allow-weak-key`. @throws {CosignError} `USAGE` for names that are none. */
export function allowedWeaknesses(flags: KeyCall["flags"]): readonly Weakness[] {
  return flags["allow-weak-key"].map((text) => {
    const name = WEAKNESSES.find((each) => each === text);
    if (name !== undefined) return name;
    throw usage(
      `invalid argument ${JSON.stringify(text)} for "--allow-weak-key" flag: must be one of: ${WEAKNESSES.join(", ")}`,
    );
  });
}

/** What is said of a weak key that is used all the same. */
export function weakKeyWarning({ uri, weaknesses = [] }: PublicKey): string {
  return `WARNING: Key "${printableText(uri)}" is weak (${weaknesses.join(", ")}): what it has signed may be forged\n`;
}

function factsOf(
  uri: string,
  { type, spki, weaknesses }: PublicKey,
): Pick<RunKey, "uri" | "type" | "spki" | "weaknesses"> {
  return { uri, type, spki, ...(weaknesses === undefined ? {} : { weaknesses }) };
}
