/** `npm run check`: format, lint and types. `npm run format` repairs what can be repaired. */
import { binary, run } from "./lib.mjs";
import "./setup.mjs";

const fix = process.argv.includes("--fix");
run(
  binary("biome"),
  fix ? ["check", "--write", "--error-on-warnings"] : ["check", "--error-on-warnings"],
);
run(binary("tsc"), ["-p", "."]);
