// A process that writes to a ledger until it is killed: one line on stdout for every recorded verdict.
import { writeSync } from "node:fs";
import { Ledger } from "../../engine/batch/ledger.ts";
import { verdictOn } from "./batch_verdict.ts";

const [path = "", mode = "endless"] = process.argv.slice(2);
try {
  const ledger = Ledger.open(path);
  const run = ledger.begin({ op: "verify", manifest: "/m.yaml", digest: "sha256:1", nowMs: 1 });
  if (mode === "hold") {
    writeSync(1, "held\n");
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  }
  for (let i = 0; ; i++) {
    const target = `registry.example/app:${i}-${"x".repeat(mode === "fill" ? 2000 : 10)}`;
    const [claim] = ledger.claim(run, [{ key: `k${i}`, target }], i);
    writeSync(1, `started ${claim?.id}\n`);
    ledger.finish([verdictOn(claim?.id ?? "", "passed", target)]);
    writeSync(1, `done ${claim?.id}\n`);
  }
} catch (error) {
  const code = error instanceof Error && "code" in error ? error.code : error;
  writeSync(1, `fault ${code}\n`);
}
