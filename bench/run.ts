/**
 * `npm run bench`: measures, prints a line each, and writes all of it to `dist/bench.json`.
 *
 *     bun bench/run.ts [verify_batch | sign_batch | scale | startup | blob | keyless_verify] …
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { measureBlob } from "./blob.ts";
import { measureCopy } from "./copy.ts";
import { measureKeylessVerify } from "./keyless_verify.ts";
import { describe, type Measurement } from "./measure.ts";
import { measureScale } from "./scale.ts";
import { measureSignBatch } from "./sign_batch.ts";
import { measureStartup } from "./startup.ts";
import { measureVerifyBatch } from "./verify_batch.ts";

const BENCHES: Readonly<Record<string, () => AsyncIterable<Measurement>>> = {
  startup: measureStartup,
  verify_batch: measureVerifyBatch,
  sign_batch: measureSignBatch,
  scale: measureScale,
  copy: measureCopy,
  blob: measureBlob,
  keyless_verify: measureKeylessVerify,
};

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(BENCHES);
const measurements: Measurement[] = [];
for (const name of names) {
  const measure = BENCHES[name];
  if (measure === undefined) throw new Error(`There is no bench "${name}"`);
  for await (const measurement of measure()) {
    measurements.push(measurement);
    process.stdout.write(`${describe(measurement)}\n`);
  }
}
const path = join(dirname(import.meta.dir), "dist", "bench.json");
writeFileSync(path, `${JSON.stringify(measurements, undefined, 2)}\n`);
if (measurements.some(({ ratio, limit }) => !(ratio <= limit))) process.exitCode = 1;
