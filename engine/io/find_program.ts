import { accessSync, constants, statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";

/**
 * Looks for an executable in the folders of a `PATH`. Relative ones are passed over: a program that
 * lies in the directory somebody works in is not taken.
 *
 * @returns its whole path; nothing when no folder has it.
 */
export function findProgram(name: string, path: string): string | undefined {
  const file = process.platform === "win32" ? `${name}.exe` : name;
  return path
    .split(delimiter)
    .filter(isAbsolute)
    .map((folder) => join(folder, file))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false; // this folder does not have it: the next may
  }
}
