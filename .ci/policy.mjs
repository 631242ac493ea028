/**
 * Compiles `plugins/policy/` (CUE and Rego) to `dist/policy.wasm.gz`, with Go's support file for it
 * beside, when a source has changed since. `npm run build` embeds both.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { root } from "./lib.mjs";

const sources = join(root, "plugins", "policy");
const dist = join(root, "dist");
const made = ["policy.wasm.gz", "wasm_exec.js"].map((name) => join(dist, name));
/** Says of which sources they were made. */
const stamp = join(dist, "policy.sha256");

/**
 * Brings the module up to date.
 *
 * @returns the files to embed; none when they cannot be made here (with `CI=true` that is an error).
 */
export function buildPolicyModule() {
  const hash = hashSources();
  if (isMadeOf(hash)) return made;
  const reason = compile(hash);
  if (reason === undefined) return made;
  const text = `build: CUE and Rego policies are not built in: ${reason}\n`;
  if (process.env.CI === "true") {
    process.stderr.write(text);
    process.exit(1);
  }
  process.stderr.write(
    `${text}build: without them, verify-attestation --policy asks "cue" and "opa"\n`,
  );
  return [];
}

/**
 * The `go` of the `PATH`, or of the place where Go's own archives put it; nothing when there is none
 * that is new enough for the modules.
 */
export function findGo() {
  const places = ["go", ...(process.platform === "win32" ? [] : ["/usr/local/go/bin/go"])];
  return places.find((go) => {
    const env = { ...process.env, GOTOOLCHAIN: "local" };
    const { stdout } = spawnSync(go, ["version"], { encoding: "utf8", env });
    const [, major, minor] = /go(\d+)\.(\d+)/.exec(stdout ?? "") ?? [];
    return Number(major) > 1 || Number(minor) >= 25;
  });
}

function hashSources() {
  const hash = createHash("sha256");
  const names = readdirSync(sources).filter((name) => /\.go$|^go\./.test(name));
  for (const name of names.sort()) {
    const bytes = readFileSync(join(sources, name));
    hash.update(`${name} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest("hex");
}

function isMadeOf(hash) {
  return [...made, stamp].every((path) => existsSync(path)) && readFileSync(stamp, "utf8") === hash;
}

/** @returns why not, when it does not work. */
function compile(hash) {
  const go = findGo();
  if (go === undefined) return "there is no Go 1.25 or later (https://go.dev/dl/) on the PATH";
  process.stderr.write("build: compiling CUE and OPA (minutes, once)\n");
  mkdirSync(dist, { recursive: true });
  const folder = mkdtempSync(join(dist, ".policy-"));
  try {
    const module = join(folder, "policy.wasm");
    const args = ["build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", module, "."];
    const built = spawnSync(go, args, {
      cwd: sources,
      encoding: "utf8",
      env: { ...process.env, GOOS: "js", GOARCH: "wasm", CGO_ENABLED: "0", GOTOOLCHAIN: "local" },
    });
    if (built.status !== 0) return `go build failed: ${built.stderr.trim()}`;
    const { stdout } = spawnSync(go, ["env", "GOROOT"], { encoding: "utf8" });
    const support = join(stdout.trim(), "lib", "wasm", "wasm_exec.js");
    if (!existsSync(support)) return `Go has no ${support}`;
    const files = ["module", "support", "stamp"].map((name) => join(folder, name));
    writeFileSync(files[0], gzipSync(readFileSync(module), { level: 9 }));
    copyFileSync(support, files[1]);
    writeFileSync(files[2], hash);
    // The stamp last: it vouches for the others.
    for (const [i, path] of [...made, stamp].entries()) renameSync(files[i], path);
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
