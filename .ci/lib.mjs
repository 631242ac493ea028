/** What the scripts of this folder share. */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the project. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The Bun binary that `npm ci` installed. */
export const bun = binary("bun");

/** The path of a binary in `node_modules/.bin`. */
export function binary(name) {
  const suffix = process.platform === "win32" ? ".cmd" : "";
  return join(root, "node_modules", ".bin", name + suffix);
}

/**
 * Runs a command in the project's folder with our terminal, and ends the script with its exit code
 * when that is not 0.
 *
 * @returns the result, with `stdout` when `options.stdio` asks for it.
 */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: "inherit",
    shell: process.platform === "win32",
    ...options,
  });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) {
    process.stderr.write(
      `${[command, ...args].join(" ")}: exit code ${result.status ?? result.signal}\n`,
    );
    process.exit(result.status ?? 1);
  }
  return result;
}

/**
 * The environment for tests and smoke runs: without what would change whom we trust, where requests
 * go or what the commands do by default.
 */
export function cleanEnvironment() {
  const dropped = /^(COSIGN_|SSL_CERT_|NODE_|BUN_|DENO_|SIGSTORE_|(https?|all|no)_proxy$)/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !dropped.test(name)));
}
