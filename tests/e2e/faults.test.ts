import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expectCode, makeKey, PASSWORD, readVerdicts, writeManifest } from "../support/batch.ts";
import { buildBinary, runBinary } from "../support/binary.ts";
import { seededRandom } from "../support/random.ts";
import { onBothRegistries, type TestRegistry } from "../support/registries.ts";
import { countSignatures } from "../support/signatures.ts";
import { startTap, type Tap, type TappedRequest } from "../support/tap.ts";
import { pushImages } from "../support/uploads.ts";

const LIMIT_MS = 180_000;
const FAULTY = 0.3;
/** Codes of an answer that was not reached. */
const INDETERMINATE = ["REGISTRY_RATE_LIMITED", "REGISTRY_UNAVAILABLE"];

const folder = mkdtempSync(join(tmpdir(), "faults-"));
const env = { COSIGN_PASSWORD: PASSWORD };

beforeAll(async () => {
  await buildBinary();
  await makeKey(folder, "cosign");
  await makeKey(folder, "other");
}, LIMIT_MS);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

onBothRegistries((_name, start) => {
  let registry: TestRegistry;
  let tap: Tap;

  beforeAll(async () => {
    registry = await start();
    tap = startTap(registry.host);
  });

  afterAll(async () => {
    await tap.close();
    await registry.close();
  });

  test(
    "batch verify gives no wrong verdict when 30 % of the requests are answered by 429 or 503",
    async () => {
      tap.onRequest((request) => request.forward());
      const images = await pushImages(tap.host, "faults/verify", 60);
      const signed = images.slice(0, 30);
      const foreign = images.slice(30, 45);
      await sign(signed.slice(0, 15), "cosign.key", "legacy");
      await sign(signed.slice(15), "cosign.key", "bundle");
      await sign(foreign, "other.key", "legacy");

      tap.onRequest(makeFaulty(seededRandom(1)));
      const report = join(folder, "verify.jsonl");
      const manifest = writeManifest(folder, "verify.json", { policy: "release" }, images);
      const argv = ["batch", "verify", manifest, "--report", report];
      const result = await runBinary(argv, { cwd: folder, env, timeoutMs: LIMIT_MS });
      expectCode(result, 12);

      const verdicts = readVerdicts(report);
      expect(verdicts.map(({ target }) => target).sort()).toEqual([...images].sort());
      const wrong = verdicts.filter(({ target, outcome, reason }) => {
        if (outcome === "error") return !INDETERMINATE.includes(reason?.code ?? "");
        if (signed.includes(target)) return outcome !== "passed";
        const code = foreign.includes(target) ? "NO_MATCHING_SIGNATURES" : "NO_SIGNATURES";
        return outcome !== "failed" || reason?.code !== code;
      });
      expect(wrong).toEqual([]);
      expect(verdicts.filter(({ outcome }) => outcome === "error").length).toBeLessThan(6);
    },
    LIMIT_MS,
  );

  test(
    "batch sign leaves one signature an image when 30 % of the requests are answered by 429 or 503",
    async () => {
      tap.onRequest((request) => request.forward());
      const images = await pushImages(tap.host, "faults/sign", 16);
      tap.onRequest(makeFaulty(seededRandom(2)));
      await sign(images.slice(0, 8), "cosign.key", "legacy");
      await sign(images.slice(8), "cosign.key", "bundle");
      const counts = await Promise.all(
        images.map((image, n) =>
          countSignatures(registry.host, image, n < 8 ? "legacy" : "bundle"),
        ),
      );
      expect(counts.filter((count) => count !== 1)).toEqual([]);
    },
    LIMIT_MS,
  );
});

/** Signs `targets` in a batch; where no answer was reached it is run again, as a person would. */
async function sign(
  targets: readonly string[],
  key: string,
  format: "legacy" | "bundle",
): Promise<void> {
  const name = `${key}-${format}.json`;
  const manifest = writeManifest(folder, name, { key, format, skipSigned: true }, targets);
  const run = () =>
    runBinary(["batch", "sign", manifest], { cwd: folder, env, timeoutMs: LIMIT_MS });
  let result = await run();
  for (let again = 0; again < 3 && result.code === 20; again += 1) result = await run();
  expectCode(result, 0);
}

/** Answers a part of the requests by 429 or 503; of those, every other was carried out all the same. */
function makeFaulty(random: () => number): (request: TappedRequest) => Promise<Response> {
  return async (request) => {
    if (random() >= FAULTY) return await request.forward();
    const status = random() < 0.5 ? 429 : 503;
    if (random() < 0.5) await request.forward();
    const retryAfter = random() < 0.2 ? { "retry-after": "1" } : undefined;
    return new Response('{"errors":[]}', { status, ...(retryAfter && { headers: retryAfter }) });
  };
}
