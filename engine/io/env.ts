import { CosignError } from "../model/errors.ts";

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Variables that make the runtime run foreign code, stop checking certificates, or print secrets.
 * A value that does none of that is let through.
 */
const REFUSED: Readonly<Record<string, { readonly when: RegExp; readonly why: string }>> = {
  BUN_OPTIONS: { when: /./s, why: "it can load other code into this program" },
  BUN_BE_BUN: { when: /./s, why: "it turns this program into another one" },
  BUN_INSPECT: { when: /./s, why: "it opens this program to a debugger" },
  BUN_INSPECT_CONNECT_TO: { when: /./s, why: "it opens this program to a debugger" },
  BUN_INSPECT_PRELOAD: { when: /./s, why: "it loads other code into this program" },
  BUN_CONFIG_VERBOSE_FETCH: {
    when: /^(?!0$|false$)./s,
    why: "it prints credentials; use --verbose",
  },
  NODE_TLS_REJECT_UNAUTHORIZED: {
    when: /^(?:0|false)$/i,
    why: "it turns the check of certificates off; use --allow-insecure-registry for one registry",
  },
};

/**
 * Refuses variables that change what runs here or what is trusted.
 *
 * @throws {CosignError} `ENVIRONMENT_REFUSED`.
 */
export function refuseUnsafeEnvironment(env: Environment): void {
  const name = unsafeVariable(env);
  if (name === undefined) return;
  const why = REFUSED[name]?.why;
  throw new CosignError("ENVIRONMENT_REFUSED", `Refused to run with ${name} set: ${why}`, {
    hint: `Unset ${name} and run again`,
  });
}

/** The first variable that {@link refuseUnsafeEnvironment} refuses; nothing when there is none. */
export function unsafeVariable(env: Environment): string | undefined {
  return Object.entries(REFUSED).find(([name, { when }]) => {
    const value = env[name];
    return value !== undefined && when.test(value);
  })?.[0];
}

/**
 * The environment for a child process: everything but our own variables (`COSIGN_*` holds passwords)
 * and those that steer a JavaScript runtime.
 */
export function childEnvironment(env: Environment): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && !/^(?:COSIGN|BUN|NODE|DENO)_/.test(name)) kept[name] = value;
  }
  return kept;
}

/**
 * Reads a truth value as Go's `strconv.ParseBool` does: `1 t T TRUE true True`, `0 f F FALSE false False`.
 *
 * @returns nothing for any other text.
 */
export function parseGoBool(text: string): boolean | undefined {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(?:0|f|F|FALSE|false|False)$/.test(text)) return false;
  return undefined;
}
