/**
 * `npm test`: all tests, or those whose paths are given. Says loudly what was skipped, and why; with
 * `CI=true` a skipped test is a failure. The last line is `N passed, N failed`, counted from the
 * JUnit report, which stays in `dist/junit.xml`.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { bun, cleanEnvironment, root } from "./lib.mjs";
import "./setup.mjs";
import { countTests, listSkipped } from "./junit.mjs";

const report = join(root, "dist", "junit.xml");
mkdirSync(join(root, "dist"), { recursive: true });
rmSync(report, { force: true });

const { status } = spawnSync(
  bun,
  [
    "test",
    "--timeout=60000", // a busy machine; who needs longer says so
    "--reporter=junit",
    `--reporter-outfile=${report}`,
    ...(process.argv.length > 2 ? process.argv.slice(2) : ["tests/"]),
  ],
  { cwd: root, stdio: "inherit", env: cleanEnvironment() },
);

let xml = "";
try {
  xml = readFileSync(report, "utf8");
} catch {
  process.stderr.write("The test run left no report\n");
}
const skipped = listSkipped(xml);
for (const name of skipped) process.stdout.write(`SKIPPED: ${name}\n`);
const counts = countTests(xml);
const skipsFail = process.env.CI === "true";
const failed = counts.failed + (skipsFail ? skipped.length : 0);
// A crash, a file that does not load, or no test at all is a failure that no test case tells of.
const hidden = (status !== 0 && failed === 0) || counts.passed + failed === 0 ? 1 : 0;
if (hidden) process.stdout.write(`The test runner ended with ${status}\n`);
if (skipped.length > 0) {
  process.stdout.write(
    `${skipped.length} skipped${skipsFail ? ": with CI=true a skip is a failure" : ""}\n`,
  );
}
process.stdout.write(`${counts.passed} passed, ${failed + hidden} failed\n`);
process.exitCode = failed + hidden > 0 ? 1 : 0;
