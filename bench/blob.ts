import { closeSync, ftruncateSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PASSWORD } from "../tests/support/batch.ts";
import { alternate, type Measurement, ROUNDS, type Run, runTimed } from "./measure.ts";
import { openSetting, type Setting } from "./setting.ts";

const LARGE_BYTES = 4 * 1024 ** 3;
/** Hashing at 0.9 times the speed of openssl, at least. */
const HASHING_LIMIT = 1 / 0.9;
const MEMORY_LIMIT_BYTES = 120_000_000;
/** Starts are short: more rounds than elsewhere. */
const STARTS = 21;

/**
 * `sign-blob` and `verify-blob` of 4 GB against `openssl dgst -sha256`, the time for a small file taken
 * off (start, password); their memory; `verify-blob` of a small file against cosign's where that is on
 * the PATH, else against our own start.
 */
export async function* measureBlob(): AsyncGenerator<Measurement, void, undefined> {
  const setting = await openSetting();
  try {
    const large = join(setting.folder, "large");
    const small = join(setting.folder, "small");
    writeFileSync(small, "small");
    const fd = openSync(large, "w");
    ftruncateSync(fd, LARGE_BYTES); // a hole is read as quickly as a file that is in memory
    closeSync(fd);
    for (const path of [large, small]) await signBlob(setting, path);
    yield* [
      ...(await measureLarge("sign-blob", setting, signBlob, large, small)),
      ...(await measureLarge("verify-blob", setting, verifyBlob, large, small)),
      await measureSmall(setting, small),
    ];
  } finally {
    setting.close();
  }
}

type BlobRun = (setting: Setting, path: string) => Promise<Run>;

async function signBlob({ binary, folder }: Setting, path: string): Promise<Run> {
  const format = ["--new-bundle-format=false", "--output-signature", `${path}.sig`];
  const argv = ["sign-blob", "--key", "cosign.key", "--tlog-upload=false", ...format, path];
  const env = { HOME: folder, COSIGN_PASSWORD: PASSWORD };
  return await runTimed([binary, ...argv], { cwd: folder, env });
}

function verifyArgv(path: string): readonly string[] {
  const signature = ["--key", "cosign.pub", "--signature", `${path}.sig`];
  return ["verify-blob", ...signature, "--insecure-ignore-tlog=true", path];
}

async function verifyBlob({ binary, folder }: Setting, path: string): Promise<Run> {
  const env = { HOME: folder };
  return await runTimed([binary, ...verifyArgv(path)], { cwd: folder, env });
}

async function measureLarge(
  name: string,
  setting: Setting,
  run: BlobRun,
  large: string,
  small: string,
): Promise<readonly Measurement[]> {
  const peaks: number[] = [];
  const hashing = await alternate(
    { name: `${name} of 4 GB, hashing, to openssl dgst`, unit: "ms", limit: HASHING_LIMIT },
    ROUNDS,
    async () => {
      const whole = await run(setting, large);
      peaks.push(whole.peakBytes);
      return whole.elapsedMs - (await run(setting, small)).elapsedMs;
    },
    async () => (await runTimed(["openssl", "dgst", "-sha256", large])).elapsedMs,
  );
  const memory = await alternate(
    { name: `${name} of 4 GB, memory`, unit: "bytes", limit: 1 },
    peaks.length,
    (round) => Promise.resolve(peaks[round - 1] ?? Number.NaN),
    () => Promise.resolve(MEMORY_LIMIT_BYTES),
  );
  return [hashing, memory];
}

async function measureSmall(setting: Setting, small: string): Promise<Measurement> {
  const cosign = Bun.which("cosign");
  const { folder, binary } = setting;
  const peer = cosign === null ? [binary, "version"] : [cosign, ...verifyArgv(small)];
  const name = cosign === null ? "our own start" : "cosign";
  const limit = cosign === null ? Number.POSITIVE_INFINITY : 1; // without cosign: only reported
  return await alternate(
    { name: `verify-blob of a small file, to ${name}`, unit: "ms", limit },
    STARTS,
    async () => (await verifyBlob(setting, small)).elapsedMs,
    async () => (await runTimed(peer, { cwd: folder, env: { HOME: folder } })).elapsedMs,
  );
}
