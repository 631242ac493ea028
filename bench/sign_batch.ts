import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pushImages } from "../tests/support/uploads.ts";
import { alternate, type Measurement, ROUNDS, requestsOf, runTimed } from "./measure.ts";
import { startDockerRegistry } from "./registry.ts";
import { LANES, openSetting } from "./setting.ts";

const IMAGES = 1000;
const LIMIT = 2;

/**
 * `batch sign` of 1,000 images on `docker-registry`, what it reads back included, against a bare
 * replay of its requests. Every run has a repository of its own, with the same images.
 */
export async function* measureSignBatch(): AsyncGenerator<Measurement, void, undefined> {
  const setting = await openSetting();
  const registry = await startDockerRegistry();
  try {
    for (const format of ["legacy", "bundle"] as const) {
      const fresh = (name: string) => pushImages(registry.host, name, IMAGES);
      const model = `bench/sign-${format}`;
      const targets = await fresh(model);
      const list = join(setting.folder, `sign-${format}.json`);
      const recorded = await registry.record(() => setting.batch("sign", format, targets));
      writeFileSync(list, JSON.stringify(recorded));
      let sent = 0;
      const replay = [process.execPath, join(import.meta.dir, "replay.ts")];
      const measured = await alternate(
        { name: `sign_batch ${format}`, unit: "ms", limit: LIMIT },
        ROUNDS,
        async (round) => {
          const run = await setting.batch("sign", format, await fresh(`${model}-ours-${round}`));
          sent = requestsOf(run);
          return run.elapsedMs;
        },
        async (round) => {
          const repository = `${model}-peer-${round}`;
          await fresh(repository);
          const argv = [...replay, list, registry.host, `${LANES}`, model, repository];
          return (await runTimed(argv)).elapsedMs;
        },
      );
      yield { ...measured, requests: { ours: sent, peer: recorded.length } };
    }
  } finally {
    await registry.close();
    setting.close();
  }
}
