import { childEnvironment, type Environment } from "../io/env.ts";

/** What every program needs, whatever it does. Nothing of it is a secret. */
const ALWAYS = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "LANG",
  "LC_*",
  "TZ",
  "TMPDIR",
  "TEMP",
  "TMP",
  "XDG_*",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "ALL_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "all_proxy",
  // Windows
  "SYSTEMROOT",
  "SystemRoot",
  "COMSPEC",
  "PATHEXT",
  "APPDATA",
  "LOCALAPPDATA",
  "USERPROFILE",
  "PROGRAMDATA",
];

/**
 * The variables that a plugin may see: those that every program needs and those that its declaration
 * names, with `*` for any end of a name. Never `COSIGN_*`, unless named in full.
 */
export function pluginEnvironment(
  env: Environment,
  names: readonly string[],
): Readonly<Record<string, string>> {
  const allowed = [...ALWAYS, ...names];
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(childEnvironment(env))) {
    if (allowed.some((pattern) => matches(pattern, name))) kept[name] = value;
  }
  for (const name of names) {
    const value = env[name];
    if (value !== undefined && /^COSIGN_\w+$/.test(name)) kept[name] = value;
  }
  return kept;
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}
