import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { makeKey, PASSWORD, writeManifest } from "../tests/support/batch.ts";
import { buildBinary } from "../tests/support/binary.ts";
import { type Run, runTimed } from "./measure.ts";

/** Worker threads of the batches that are measured: as many as without the flag. */
const WORKERS = Math.max(1, Math.min(availableParallelism() - 1, 8));
/** Targets that a worker works on at once, as without the flag. */
const CONCURRENCY = 16;
/** What the bare script has in flight: as many as all workers together. */
export const LANES: number = WORKERS * CONCURRENCY;

/** A folder with a copy of the binary and a key pair. Whoever opens it closes it. */
export interface Setting {
  readonly folder: string;
  readonly binary: string;
  /** Runs a batch over `targets`, as a user would, on a ledger of its own. */
  batch(
    op: "sign" | "verify",
    format: "legacy" | "bundle",
    targets: readonly string[],
  ): Promise<Run>;
  close(): void;
}

/** Makes a {@link Setting}. The binary is compiled when a source is newer. */
export async function openSetting(): Promise<Setting> {
  const folder = mkdtempSync(join(tmpdir(), "bench-"));
  const binary = join(folder, "cosign-ts");
  copyFileSync(await buildBinary(), binary); // somebody may compile it anew meanwhile
  await makeKey(folder, "cosign");
  let batches = 0;
  return {
    folder,
    binary,
    batch: async (op, format, targets) => {
      batches += 1;
      const defaults = { key: "cosign.key", format, policy: "release" };
      const manifest = writeManifest(folder, `batch-${batches}.json`, defaults, targets);
      const ledger = join(folder, `batch-${batches}.ledger`);
      const counts = ["--workers", `${WORKERS}`, "--concurrency", `${CONCURRENCY}`];
      return await runTimed([binary, "batch", op, manifest, "--ledger", ledger, ...counts], {
        cwd: folder,
        env: { HOME: folder, COSIGN_PASSWORD: PASSWORD },
      });
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}
