import { pushImages } from "../tests/support/uploads.ts";
import { alternate, type Measurement, ROUNDS, requestsOf } from "./measure.ts";
import { startEmbeddedRegistry } from "./registry.ts";
import { openSetting } from "./setting.ts";

const FEW = 1000;
const MANY = 10_000;
const LIMIT = 1.1;
const MEMORY_LIMIT_BYTES = 300_000_000;

/**
 * `batch verify` of 10,000 targets on the embedded registry against 1,000: time per target, and the
 * most memory that the process ever has.
 */
export async function* measureScale(): AsyncGenerator<Measurement, void, undefined> {
  const setting = await openSetting();
  const registry = await startEmbeddedRegistry(setting.binary);
  try {
    for (const format of ["legacy", "bundle"] as const) {
      const targets = await pushImages(registry.host, `bench/scale-${format}`, MANY);
      await setting.batch("sign", format, targets);
      const requests = { ours: 0, peer: 0 };
      const peaks: number[] = [];
      const timePerTarget = await alternate(
        { name: `scale ${format}, time a target`, unit: "ms", limit: LIMIT },
        ROUNDS,
        async () => {
          const run = await setting.batch("verify", format, targets);
          requests.ours = requestsOf(run);
          peaks.push(run.peakBytes);
          return run.elapsedMs / MANY;
        },
        async () => {
          const run = await setting.batch("verify", format, targets.slice(0, FEW));
          requests.peer = requestsOf(run);
          return run.elapsedMs / FEW;
        },
      );
      yield { ...timePerTarget, requests };
      const memory = await alternate(
        { name: `scale ${format}, memory`, unit: "bytes", limit: 1 },
        peaks.length,
        (round) => Promise.resolve(peaks[round - 1] ?? Number.NaN),
        () => Promise.resolve(MEMORY_LIMIT_BYTES),
      );
      yield memory;
    }
  } finally {
    await registry.close();
    setting.close();
  }
}
