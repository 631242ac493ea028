import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expectCode, makeKey, PASSWORD } from "../support/batch.ts";
import { buildBinary, runBinary } from "../support/binary.ts";
import { onBothRegistries, type TestRegistry } from "../support/registries.ts";
import { countSignatures, type Place } from "../support/signatures.ts";
import { inParallel, pushImage } from "../support/uploads.ts";

const WRITERS = 32;
/** How often each race is run; `RACE_RUNS=20` by hand. */
const RUNS = Number(process.env["RACE_RUNS"] ?? 3);
const LIMIT_MS = 120_000;

const folder = mkdtempSync(join(tmpdir(), "race-"));

beforeAll(async () => {
  await buildBinary();
  await makeKey(folder, "cosign");
}, LIMIT_MS);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

onBothRegistries((name, start) => {
  let registry: TestRegistry;

  beforeAll(async () => {
    registry = await start();
  });

  afterAll(() => registry.close());

  const places: readonly Place[] = name === "docker-registry" ? ["legacy", "bundle"] : ["bundle"];
  for (const place of places) {
    for (let run = 1; run <= RUNS; run += 1) {
      test(
        `sign (${place}) by ${WRITERS} processes at once loses no signature, run ${run}`,
        async () => {
          const repository = `race/${place}-${run}`;
          const digest = await pushImage(registry.host, repository, "latest", repository);
          const image = `${registry.host}/${repository}@${digest}`;
          const writers = Array.from({ length: WRITERS }, (_, n) => `writer-${n}`);

          const argv = ["sign", "--key", "cosign.key", "--tlog-upload=false", "--format", place];
          const results = await Promise.all(
            writers.map((writer) =>
              runBinary([...argv, "-a", `writer=${writer}`, image], {
                cwd: folder,
                env: { COSIGN_PASSWORD: PASSWORD },
                timeoutMs: LIMIT_MS,
              }),
            ),
          );
          for (const result of results) expectCode(result, 0);

          expect(await countSignatures(registry.host, image, place)).toBe(WRITERS);
          if (run > 1) return;
          // And each is good: the one with this writer's annotation is found among the others.
          await inParallel(writers, async (writer) => {
            const verify = ["verify", "--key", "cosign.pub", "--insecure-ignore-tlog"];
            const argv = [...verify, "-a", `writer=${writer}`, image];
            expectCode(await runBinary(argv, { cwd: folder }), 0);
          });
        },
        LIMIT_MS,
      );
    }
  }
});
