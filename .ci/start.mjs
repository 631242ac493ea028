/**
 * `npm start` runs the demonstration, `npm start -- ARGS` the command line, in the folder where it
 * was typed. The exit code is the command's.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";
import { bun, root } from "./lib.mjs";
import "./setup.mjs";

const args = process.argv.slice(2);
const child = spawn(
  bun,
  ["--no-env-file", join(root, "main.ts"), ...(args.length === 0 ? ["demo"] : args)],
  {
    cwd: process.env.INIT_CWD ?? process.cwd(),
    stdio: "inherit",
    shell: process.platform === "win32",
  },
);

// A terminal sends Ctrl-C to the child as well, and a second one means "now": pass it on only where
// there is no terminal.
const hasTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
process.on("SIGINT", () => hasTerminal || child.kill("SIGINT"));
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));

child.on("error", (error) => {
  process.stderr.write(`Cannot start ${bun}: ${error.message}\n`);
  process.exitCode = 1;
});
child.on("exit", (code, signal) => {
  process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
});
