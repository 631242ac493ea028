import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Environment } from "../io/env.ts";
import { isWritableByAnybody } from "../io/file_identity.ts";
import { readFileBytes } from "../io/files.ts";
import { userDirectory } from "../io/user_directory.ts";
import { parseUtf8 } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";
import { parseUserPlugins } from "../plugin_host/manifest.ts";
import type { UserPlugins } from "../plugin_host/table.ts";

const MAX_BYTES = 1024 * 1024; // a declaration has some hundred bytes

/**
 * Reads the plugins that a user declares: in the file of `--plugins`, and in `cosign-ts/plugins.json` of his
 * configuration directory where that is there.
 *
 * @param file Of `--plugins`; empty or absent for none.
 * @throws {CosignError} `PLUGIN_MANIFEST_INVALID`, `FILE_READ`, `LIMIT_EXCEEDED`.
 */
export async function readUserPlugins(
  file: string | undefined,
  env: Environment,
): Promise<readonly UserPlugins[]> {
  const own = userDirectory(env, "config");
  const configured = own === undefined ? undefined : join(own, "cosign-ts", "plugins.json");
  const files = [
    ...(configured !== undefined && (await exists(configured)) ? [configured] : []),
    ...(file === undefined || file === "" ? [] : [file]),
  ];
  return await Promise.all(files.map(readPluginsFile));
}

async function readPluginsFile(path: string): Promise<UserPlugins> {
  const bytes = await readFileBytes(path, MAX_BYTES);
  await refuseForeign(path);
  const where = `plugins of "${path}"`;
  let value: unknown;
  try {
    value = JSON.parse(parseUtf8(bytes));
  } catch (error) {
    throw new CosignError(
      "PLUGIN_MANIFEST_INVALID",
      `Cannot read ${where}: ${describeError(error)}`,
    );
  }
  return { where: path, declarations: parseUserPlugins(value, where) };
}

/** What is named there is run: others must not be able to write it. */
async function refuseForeign(path: string): Promise<void> {
  if (!(await isWritableByAnybody(path))) return;
  throw new CosignError(
    "PLUGIN_MANIFEST_INVALID",
    `Cannot use plugins of "${path}": anybody can write to that file`,
    { hint: `The programs that it names are run: chmod o-w ${path}` },
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false; // nobody has to have one; one that cannot be seen is none
  }
}
