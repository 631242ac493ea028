import { readFileBytes } from "../../io/files.ts";
import { onInterrupt } from "../../io/program.ts";
import { serveRegistry } from "../../registry/server/serve.ts";
import type { CommandFunction } from "../command.ts";
import type { REGISTRY_SERVE_FLAGS } from "../flags/other.ts";
import { usage } from "../parse.ts";

const MAX_PASSWORD_FILE_BYTES = 65_536;

/** `registry serve`: an OCI registry on a directory, until it is interrupted. */
export const registryServeCommand: CommandFunction<typeof REGISTRY_SERVE_FLAGS> = async ({
  flags,
  stdout,
  stderr,
}) => {
  if (flags.dir === undefined || flags.dir === "") {
    throw usage(
      "registry serve needs --dir",
      "Name the directory that holds everything: --dir DIR",
    );
  }
  const server = await serveRegistry({
    dir: flags.dir,
    ...parseListen(flags.listen),
    ...(await credentialsOf(flags.username, flags["password-file"])),
    ...(flags.verbose ? { log: (line: string) => void stderr.write(`${line}\n`) } : {}),
  });
  // The first line of standard output is the address: scripts that take a free port read it.
  stdout.write(`${server.url}\n`);
  stderr.write(`Serving ${flags.dir} on ${server.url}; stop with Ctrl-C\n`);
  await new Promise<void>((resolve) => onInterrupt(resolve));
  await server.close();
  return 0;
};

function parseListen(listen: string): { readonly hostname: string; readonly port: number } {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:]*)):(\d{1,5})$/.exec(listen);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw usage(`Cannot listen on ${JSON.stringify(listen)}`, "Write HOST:PORT, e.g. 127.0.0.1:0");
  }
  return { hostname: match[1] ?? (match[2] || "0.0.0.0"), port };
}

async function credentialsOf(
  username: string | undefined,
  passwordFile: string | undefined,
): Promise<{ readonly username?: string; readonly password?: string }> {
  if (username === undefined && passwordFile === undefined) return {};
  if (username === undefined || passwordFile === undefined) {
    throw usage("--username and --password-file belong together");
  }
  const text = new TextDecoder().decode(await readFileBytes(passwordFile, MAX_PASSWORD_FILE_BYTES));
  return { username, password: text.replace(/\r?\n$/, "") };
}
