import { accessSync, constants, readdirSync, statSync } from "node:fs";
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

/**
 * Finds all programs on a `PATH` whose names begin with `prefix`, each where {@link findProgram} finds it.
 *
 * @returns whole paths by what stands behind the prefix.
 */
export function findPrograms(prefix: string, path: string): ReadonlyMap<string, string> {
  const ending = process.platform === "win32" ? ".exe" : "";
  const found = new Map<string, string>();
  for (const folder of path.split(delimiter).filter(isAbsolute)) {
    for (const file of namesIn(folder)) {
      if (!file.startsWith(prefix) || !file.endsWith(ending)) continue;
      const name = file.slice(prefix.length, file.length - ending.length);
      if (!found.has(name) && isExecutable(join(folder, file))) found.set(name, join(folder, file));
    }
  }
  return found;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // a PATH names what is not there
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false; // this folder does not have it: the next may
  }
}
