import { alternate, type Measurement, runTimed } from "./measure.ts";
import { openSetting } from "./setting.ts";

/** Starts are short: more rounds than elsewhere. */
const STARTS = 21;
const LIMIT = 1;

/** `version` of the binary against cosign's where that is on the PATH, else against `bun -e 0`. */
export async function* measureStartup(): AsyncGenerator<Measurement, void, undefined> {
  const setting = await openSetting();
  try {
    const cosign = Bun.which("cosign");
    const peer = cosign === null ? [process.execPath, "-e", "0"] : [cosign, "version"];
    const name = cosign === null ? "startup, to bun -e 0" : "startup, to cosign version";
    const env = { HOME: setting.folder };
    const measured = await alternate(
      { name, unit: "ms", limit: LIMIT },
      STARTS,
      async () => (await runTimed([setting.binary, "version"], { env })).elapsedMs,
      async () => (await runTimed(peer, { env })).elapsedMs,
    );
    yield measured;
  } finally {
    setting.close();
  }
}
