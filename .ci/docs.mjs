/**
 * `npm run docs` writes what is made from the tables of the command line and the schemas: `docs/cli/`,
 * `docs/man/`, `docs/compatibility.md` and `docs/*.schema.json`. A test says when they are stale.
 */
import { bun, run } from "./lib.mjs";
import "./setup.mjs";

run(bun, [".ci/docs/write.ts"]);
