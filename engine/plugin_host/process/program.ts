import { isAbsolute } from "node:path";
import { fileIdentity, fileSha256 } from "../../io/file_identity.ts";
import { findProgram } from "../../io/find_program.ts";
import { CosignError, describeError } from "../../model/errors.ts";

/** A program that a manifest names, or that was found on the PATH. */
export interface ProgramSpec {
  /** The plugin's name. */
  readonly plugin: string;
  /** The program, and arguments that stand before those of the protocol. */
  readonly command: readonly string[];
  /** Of the program's file: hexadecimal digits. */
  readonly sha256?: string | undefined;
}

/** A program that was found, and stays the one that was found. */
export interface Program {
  /** Absolute. */
  readonly path: string;
  readonly args: readonly string[];
  /** @throws {CosignError} `PLUGIN_FAILED` when the file has changed since it was found. */
  readonly check: () => Promise<void>;
}

/**
 * Finds a plugin's program: by its path, or on the PATH, where relative folders are passed over.
 *
 * @throws {CosignError} `PLUGIN_FAILED` when it is not there, or its SHA-256 is another one.
 */
export async function findPluginProgram(
  { plugin, command: [name = "", ...args], sha256 }: ProgramSpec,
  path: string,
): Promise<Program> {
  const file = isAbsolute(name) ? name : findProgram(name, path);
  if (file === undefined) {
    throw failed(plugin, `"${name}" is in no folder of the PATH`, "Install it, or name its path");
  }
  const found = await attempt(plugin, () => fileIdentity(file));
  const hash = sha256 === undefined ? undefined : await attempt(plugin, () => fileSha256(file));
  if (hash !== sha256) {
    throw failed(
      plugin,
      `"${file}" has SHA-256 ${hash}, expected ${sha256}`,
      "It is not the program that was declared: find out who replaced it",
    );
  }
  return {
    path: file,
    args,
    check: async () => {
      if ((await attempt(plugin, () => fileIdentity(file))) === found) return;
      throw failed(plugin, `"${file}" has changed since it was found`, "Run again");
    },
  };
}

async function attempt<T>(plugin: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw failed(plugin, describeError(error));
  }
}

function failed(plugin: string, why: string, hint?: string): CosignError {
  return new CosignError(
    "PLUGIN_FAILED",
    `Cannot run plugin "${plugin}": ${why}`,
    hint === undefined ? {} : { hint },
  );
}
