/**
 * `npm run build` compiles `dist/cosign-ts` for this machine; `npm run build:all` all targets, as
 * `dist/cosign-ts-SYSTEM-PROCESSOR` (the runtimes of the others come from npm).
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { bun, root, run } from "./lib.mjs";
import { writeNotices } from "./notices.mjs";
import { buildPolicyModule } from "./policy.mjs";
import "./setup.mjs";

const TARGETS = [
  "linux-x64",
  "linux-arm64",
  "linux-x64-musl",
  "linux-arm64-musl",
  "darwin-x64",
  "darwin-arm64",
  "windows-x64",
];

/** What makes the binary small to start, and blind to the directory it is started in. */
const FLAGS = [
  "--compile",
  "--minify",
  "--splitting",
  "--bytecode",
  "--format=esm",
  "--no-compile-autoload-bunfig",
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-tsconfig",
  "--no-compile-autoload-package-json",
];

const dist = join(root, "dist");
mkdirSync(dist, { recursive: true });
const policies = buildPolicyModule();
const notices = writeNotices(policies.length > 0);
const assets = [...policies, notices].map((path) => `--asset=${path}`);
if (process.argv.includes("--all")) for (const target of TARGETS) build(target);
else build();

function build(target) {
  const suffix = process.platform === "win32" || target?.startsWith("windows") ? ".exe" : "";
  const name = (target === undefined ? "cosign-ts" : `cosign-ts-${target}`) + suffix;
  // Made elsewhere and moved: whoever runs the old binary meanwhile goes on with it. The name of the
  // output is part of its bytes, so it is the same in every build.
  const started = new Date();
  const folder = mkdtempSync(join(dist, ".build-"));
  // On "exit", since a failing build ends the process.
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const output = join(folder, name);
  const platform = target === undefined ? [] : [`--target=bun-${target}`];
  run(
    bun,
    ["build", ...FLAGS, ...assets, ...platform, join(root, "main.ts"), `--outfile=${output}`],
    {
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  // A source that changes meanwhile is newer than what is made of it.
  utimesSync(output, started, started);
  renameSync(output, join(dist, name));
  const sizeMb = Math.round(statSync(join(dist, name)).size / 1e6);
  process.stderr.write(`build: dist/${name} (${sizeMb} MB)\n`);
}
