/**
 * Installs what is not installed yet: nothing when `node_modules` already is what
 * `package-lock.json` says. Needs Node (18 or newer) and npm, no compiler.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root, run } from "./lib.mjs";

if (!isInstalled()) {
  note("installing the dependencies (npm ci)");
  run("npm", ["ci", "--no-audit", "--no-fund"]);
}
// Where install scripts are off, the two runtimes are on the disk but not in their place.
ensureStarts("bun", "install.js");
ensureStarts("deno", "install.cjs");

/** Whether every package of the lock file is there in its version; optional ones may be missing. */
function isInstalled() {
  const wanted = readPackages(join(root, "package-lock.json"));
  const present = readPackages(join(root, "node_modules", ".package-lock.json"));
  if (wanted === undefined || present === undefined) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === "") return true;
    const found = present[path];
    if (found === undefined) return entry.optional === true;
    return found.version === entry.version && existsSync(join(root, path));
  });
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8")).packages;
  } catch {
    return undefined;
  }
}

function ensureStarts(name, installer) {
  if (starts(name)) return;
  note(`putting the ${name} binary in its place`);
  run(process.execPath, [join(root, "node_modules", name, installer)]);
  if (!starts(name)) {
    throw new Error(
      `Cannot start node_modules/.bin/${name}: is this platform supported by ${name}?`,
    );
  }
}

function starts(name) {
  const bin = join(
    root,
    "node_modules",
    ".bin",
    process.platform === "win32" ? `${name}.cmd` : name,
  );
  const { status } = spawnSync(bin, ["--version"], {
    stdio: "ignore",
    shell: process.platform === "win32",
  });
  return status === 0;
}

function note(text) {
  process.stderr.write(`setup: ${text}\n`);
}
