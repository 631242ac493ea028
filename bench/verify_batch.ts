import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pushImages } from "../tests/support/uploads.ts";
import { alternate, type Measurement, ROUNDS, requestsOf, runTimed } from "./measure.ts";
import { startDockerRegistry } from "./registry.ts";
import { LANES, openSetting } from "./setting.ts";

const IMAGES = 1000;
const LIMIT = 1.5;

/** `batch verify` of 1,000 images on `docker-registry`, against a bare replay of its requests. */
export async function* measureVerifyBatch(): AsyncGenerator<Measurement, void, undefined> {
  const setting = await openSetting();
  const registry = await startDockerRegistry();
  try {
    for (const format of ["legacy", "bundle"] as const) {
      const targets = await pushImages(registry.host, `bench/verify-${format}`, IMAGES);
      await setting.batch("sign", format, targets);

      const list = join(setting.folder, `verify-${format}.json`);
      const recorded = await registry.record(() => setting.batch("verify", format, targets));
      writeFileSync(list, JSON.stringify(recorded));
      let sent = 0;
      const replay = [process.execPath, join(import.meta.dir, "replay.ts")];
      const measured = await alternate(
        { name: `verify_batch ${format}`, unit: "ms", limit: LIMIT },
        ROUNDS,
        async () => {
          const run = await setting.batch("verify", format, targets);
          sent = requestsOf(run);
          return run.elapsedMs;
        },
        async () => (await runTimed([...replay, list, registry.host, `${LANES}`])).elapsedMs,
      );
      yield { ...measured, requests: { ours: sent, peer: recorded.length } };
    }
  } finally {
    await registry.close();
    setting.close();
  }
}
