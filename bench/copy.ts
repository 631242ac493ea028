import { randomBytes } from "node:crypto";
import { pushLayeredImage } from "../tests/support/layered_image.ts";
import { startTap } from "../tests/support/tap.ts";
import { alternate, type Measurement, ROUNDS, runTimed } from "./measure.ts";
import { startEmbeddedRegistry } from "./registry.ts";
import { openSetting } from "./setting.ts";

const LAYERS = 20;
const SMALL_BYTES = 1_000_000;
const LARGE_BYTES = 20_000_000;
/** Twenty times the layers: what is on its way counts, and what the runtime has not given back. */
const MEMORY_LIMIT = 2;

/**
 * `copy` of an image with 20 layers: between two repositories of one registry, where no layer may move;
 * and between two registries, where memory may not grow with the layers.
 */
export async function* measureCopy(): AsyncGenerator<Measurement, void, undefined> {
  const setting = await openSetting();
  const source = await startEmbeddedRegistry(setting.binary);
  const target = await startEmbeddedRegistry(setting.binary);
  try {
    for (const [name, sizeBytes] of [
      ["small", SMALL_BYTES],
      ["large", LARGE_BYTES],
    ] as const) {
      const layers = Array.from({ length: LAYERS }, () => randomBytes(sizeBytes));
      await pushLayeredImage(source.host, `bench/${name}`, "1", layers);
    }
    const copy = (from: string, to: string) =>
      runTimed([setting.binary, "copy", from, to], { env: { HOME: setting.folder } });
    const memory = await alternate(
      {
        name: "copy between registries, memory of 400 MB to 20 MB",
        unit: "bytes",
        limit: MEMORY_LIMIT,
      },
      ROUNDS,
      async (round) =>
        (await copy(`${source.host}/bench/large:1`, `${target.host}/bench/large-${round}:1`))
          .peakBytes,
      async (round) =>
        (await copy(`${source.host}/bench/small:1`, `${target.host}/bench/small-${round}:1`))
          .peakBytes,
    );
    yield* [memory, await measureMounts(source.host, copy)];
  } finally {
    await target.close();
    await source.close();
    setting.close();
  }
}

/** The bytes that went over the wire for a copy within one registry, against those of the layers. */
async function measureMounts(
  host: string,
  copy: (from: string, to: string) => Promise<unknown>,
): Promise<Measurement> {
  const tap = startTap(host);
  try {
    let moved = 0;
    tap.onRequest(async ({ method, path, forward }) => {
      const response = await forward();
      const isBlob = path.includes("/blobs/sha256:") && method === "GET";
      const isUpload = path.includes("/blobs/uploads/") && method !== "POST";
      if (isBlob || isUpload) moved += 1;
      return response;
    });
    return await alternate(
      { name: "copy within a registry, layers moved", unit: "bytes", limit: 0 },
      ROUNDS,
      async (round) => {
        moved = 0;
        await copy(`${tap.host}/bench/small:1`, `${tap.host}/bench/mounted-${round}:1`);
        return moved * SMALL_BYTES;
      },
      () => Promise.resolve(LAYERS * SMALL_BYTES),
    );
  } finally {
    tap.close();
  }
}
