import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import type { Environment } from "./env.ts";

/** The directories of the XDG standard that this program uses, and where they are in a home. */
const PLACES = {
  config: { variable: "XDG_CONFIG_HOME", inHome: ".config" },
  state: { variable: "XDG_STATE_HOME", inHome: ".local/state" },
} as const;

/**
 * The user's directory for configuration or state (XDG Base Directory Specification). It need not be there.
 *
 * @returns nothing for a user without a home, in a bare container.
 */
export function userDirectory(env: Environment, what: keyof typeof PLACES): string | undefined {
  const { variable, inHome } = PLACES[what];
  const named = env[variable];
  if (named !== undefined && isAbsolute(named)) return named; // the standard passes over relative ones
  const home = env["HOME"] ?? systemHome();
  return home === undefined || home === "" ? undefined : join(home, inHome);
}

function systemHome(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined; // a user without an entry
  }
}
