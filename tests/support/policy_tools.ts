import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { buildPolicyModule, findGo } from "../../.ci/policy.mjs";

const root = join(import.meta.dir, "../..");
const sources = join(root, "plugins/policy");
const TOOLS = ["cuelang.org/go/cmd/cue", "github.com/open-policy-agent/opa"];

/** The program whose `dist/` holds CUE and OPA, made when it is not up to date (minutes, once). */
export function policyProgram(): URL {
  if (buildPolicyModule().length === 0) throw new Error("CUE and OPA could not be built");
  return new URL("../../main.ts", import.meta.url);
}

/**
 * The folder of the command-line programs `cue` and `opa`, built from the modules that
 * `plugins/policy/` pins, outside the project (minutes, once).
 */
export function buildPolicyTools(): string {
  const pins = ["go.mod", "go.sum"].map((name) => readFileSync(join(sources, name)));
  const hash = createHash("sha256").update(Buffer.concat(pins)).digest("hex").slice(0, 16);
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const folder = join(cache, "cosign-ts-tests", `policy-tools-${hash}`);
  if (existsSync(join(folder, "cue")) && existsSync(join(folder, "opa"))) return folder;
  const made = `${folder}.${process.pid}`;
  mkdirSync(made, { recursive: true });
  const go = findGo() ?? "go";
  const built = spawnSync(
    go,
    ["build", "-trimpath", "-buildvcs=false", "-o", `${made}/`, ...TOOLS],
    {
      cwd: sources,
      encoding: "utf8",
      env: { ...process.env, GOTOOLCHAIN: "local" },
    },
  );
  if (built.status !== 0) throw new Error(`Cannot build cue and opa: ${built.stderr}`);
  renameSync(made, folder);
  return folder;
}
