/**
 * `npm run ready`: everything that must hold before a change is offered: format, lint, types, the
 * build, all tests (the architecture among them), and a smoke run of the binary and of Deno.
 */
import { run } from "./lib.mjs";
import "./setup.mjs";

for (const step of ["check", "build", "smoke", "test"]) {
  process.stderr.write(`\n== ${step}\n`);
  run(process.execPath, [`.ci/${step}.mjs`]);
}
process.stderr.write("\nready\n");
