/** `npm run bench [-- NAME …]`: builds, measures, and writes `dist/bench.json`. See bench/README.md. */
import { join } from "node:path";
import { bun, root, run } from "./lib.mjs";
import "./setup.mjs";

run(process.execPath, [join(root, ".ci", "build.mjs")]);
run(bun, [join(root, "bench", "run.ts"), ...process.argv.slice(2)]);
