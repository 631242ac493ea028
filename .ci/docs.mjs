/**
 * `npm run docs` writes what is made from the tables of the command line: `docs/cli/`, `docs/man/`
 * and `docs/compatibility.md`. A test says when they are stale.
 */
import { bun, run } from "./lib.mjs";
import "./setup.mjs";

run(bun, [".ci/docs/write.ts"]);
