import { test } from "bun:test";
import { spawnSync } from "node:child_process";
import { findGo } from "../../.ci/policy.mjs";
import { findPython } from "./python.ts";

/** What a test may need of the machine beside Node and npm. */
export type Tool =
  | "go"
  | "docker-registry"
  | "chromium"
  | "openssl"
  | "bash"
  | "chroot"
  | "netns"
  | "script"
  | "zsh"
  | "fish"
  | "moto"
  | "hvac"
  | "nacl";

const HINTS: Readonly<Record<Tool, string>> = {
  go: "install Go 1.25 or later from https://go.dev/dl/ (Debian's is older)",
  "docker-registry": "apt-get install docker-registry",
  chromium: "apt-get install chromium",
  openssl: "apt-get install openssl",
  bash: "apt-get install bash",
  script: "apt-get install bsdutils",
  zsh: "apt-get install zsh",
  fish: "apt-get install fish",
  moto: "python3 -m venv ~/.cache/cosign-ts/python, then its bin/pip install moto flask flask-cors",
  hvac: "python3 -m venv ~/.cache/cosign-ts/python, then its bin/pip install hvac",
  nacl: "python3 -m venv ~/.cache/cosign-ts/python, then its bin/pip install pynacl",
  chroot: "run the tests as root on Linux, where mounts are allowed",
  netns: "run the tests as root on Linux, where networks of one's own are allowed",
};

/** Whether the machine has `tool`. */
export function hasTool(tool: Tool): boolean {
  if (tool === "chroot") {
    return process.getuid?.() === 0 && succeeds("unshare", ["--mount", "chroot", "/", "true"]);
  }
  if (tool === "netns") {
    return process.getuid?.() === 0 && succeeds("unshare", ["--net", "true"]);
  }
  if (tool === "go") return findGo() !== undefined;
  if (tool === "moto" || tool === "hvac" || tool === "nacl") return findPython(tool) !== undefined;
  return Bun.which(tool) !== null;
}

/**
 * `test` where the machine has all of `tools`; elsewhere a test that is skipped and says what is
 * missing (with `CI=true` the run fails for it).
 */
export function requires(...tools: readonly Tool[]): typeof test {
  const missing = tools.filter((tool) => !hasTool(tool));
  if (missing.length === 0) return test;
  for (const tool of missing) {
    process.stderr.write(`SKIPPING tests that need ${tool}: ${HINTS[tool]}\n`);
  }
  return test.skip as typeof test;
}

function succeeds(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}
