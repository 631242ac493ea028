import type { World } from "../../../engine/cli/command.ts";
import { runCli } from "../../../engine/cli/run.ts";
import { parsePluginManifest } from "../../../engine/plugin_host/manifest.ts";
import { makePluginTable, type PluginTable } from "../../../engine/plugin_host/table.ts";
import { EXAMPLES } from "../../../examples/plugins/texts.ts";
import { LINKS, MANIFEST } from "../../../plugins/builtin.ts";

/** What one command line left behind. */
export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Runs a command line in this process, with an environment of its own. */
export type Cli = (
  argv: readonly string[],
  env?: Readonly<Record<string, string>>,
) => Promise<CliResult>;

/** {@link cli} with other plugins than those of the program. */
export function cliWith(
  plugins: (path: string, ...declared: Parameters<World["plugins"]>) => Promise<PluginTable>,
): Cli {
  return async (argv, env = {}) => {
    const stdout: string[] = [];
    const stderr: string[] = [];
    const code = await runCli(argv, {
      env,
      runtime: { name: "test 1", platform: "linux/x64" },
      stdout: { write: (data) => stdout.push(typeof data === "string" ? data : textOf(data)) },
      stderr: { write: (text) => stderr.push(text) },
      plugins: (declared) => plugins(env["PATH"] ?? "", declared),
      examples: async () => EXAMPLES,
    });
    return { code, stdout: stdout.join(""), stderr: stderr.join("") };
  };
}

/** See {@link Cli}. */
export const cli: Cli = cliWith(async (path, declared = []) =>
  makePluginTable(parsePluginManifest(MANIFEST), LINKS, { declared, path }),
);
