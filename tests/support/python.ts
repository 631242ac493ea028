import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import { join } from "node:path";

/** What tests may need of PyPI: AWS in memory, a client of Vault, libsodium. */
export type PythonPackage = "moto" | "hvac" | "nacl";

/** Where `.ci/run` installs them, outside of the project. */
const OWN_PYTHON = join(
  process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"),
  "cosign-ts/python/bin/python",
);

const found = new Map<PythonPackage, string | undefined>();

/** A Python that has the package; nothing when there is none. */
export function findPython(name: PythonPackage): string | undefined {
  if (!found.has(name)) {
    const has = (python: string): boolean =>
      spawnSync(python, ["-c", `import ${name}`], { stdio: "ignore" }).status === 0;
    found.set(name, [OWN_PYTHON, "python3"].find(has));
  }
  return found.get(name);
}
