import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expectCode, makeKey, PASSWORD, readVerdicts, writeManifest } from "../support/batch.ts";
import { buildBinary, runBinary, startBinary } from "../support/binary.ts";
import { seededRandom } from "../support/random.ts";
import { onBothRegistries, type TestRegistry } from "../support/registries.ts";
import { countSignatures, type Place } from "../support/signatures.ts";
import { startTap, type Tap } from "../support/tap.ts";
import { pushImages } from "../support/uploads.ts";

/** Where the program is killed: before a request reaches the registry, or before its answer returns. */
type Moment = "before a request" | "after a request" | "after a manifest was written";

interface Point {
  readonly registry: TestRegistry["name"];
  readonly place: Place;
  readonly moment: Moment;
  /** Which request it is, counted among those of its sort. */
  readonly n: number;
}

const IMAGES = 200;
/** Every signature takes at least this many requests, one of which writes a manifest. */
const REQUESTS_PER_IMAGE = 3;
const LIMIT_MS = 120_000;
const MOMENTS: readonly Moment[] = [
  "after a manifest was written",
  "before a request",
  "after a request",
];
const COMBINATIONS = [
  { registry: "docker-registry", place: "legacy" },
  { registry: "docker-registry", place: "bundle" },
  { registry: "embedded registry", place: "bundle" },
  { registry: "embedded registry", place: "legacy" },
] as const;

/** Three points by default; `KILL_POINTS=100 KILL_SEED=7` for more, or others. */
const points = listPoints(
  Number(process.env["KILL_POINTS"] ?? 3),
  Number(process.env["KILL_SEED"] ?? 1),
);
const folder = mkdtempSync(join(tmpdir(), "kill-"));
const env = { COSIGN_PASSWORD: PASSWORD };

beforeAll(async () => {
  await buildBinary();
  await makeKey(folder, "cosign");
}, LIMIT_MS);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

onBothRegistries((name, start) => {
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

  for (const [index, point] of points.entries()) {
    if (point.registry !== name) continue;
    test(
      `batch sign (${point.place}) is killed ${point.moment} (the ${point.n}th) and resumed: one signature an image, one verdict a target`,
      async () => {
        tap.onRequest((request) => request.forward());
        const targets = await pushImages(tap.host, `kill/point-${index}`, IMAGES);
        const manifest = writeManifest(
          folder,
          `point-${index}.json`,
          { key: "cosign.key", format: point.place },
          targets,
        );
        const argv = ["batch", "sign", manifest, "--ledger", join(folder, `point-${index}.sqlite`)];

        await killAt(point, tap, argv);
        tap.onRequest((request) => request.forward());
        const report = join(folder, `point-${index}.jsonl`);
        const resumed = await runBinary([...argv, "--resume", "--report", report], {
          cwd: folder,
          env,
          timeoutMs: LIMIT_MS,
        });
        expectCode(resumed, 0);

        const verdicts = readVerdicts(report);
        expect(verdicts.filter(({ outcome }) => outcome !== "passed")).toEqual([]);
        expect(verdicts.map(({ target }) => target).sort()).toEqual([...targets].sort());
        const counts = await Promise.all(
          targets.map((target) => countSignatures(registry.host, target, point.place)),
        );
        expect(counts.filter((count) => count !== 1)).toEqual([]);
      },
      LIMIT_MS,
    );
  }
});

/** Starts the program and kills it at `point`; fails when it came to its end before. */
async function killAt(point: Point, tap: Tap, argv: readonly string[]): Promise<void> {
  const home = join(folder, "home");
  mkdirSync(home, { recursive: true });
  let seen = 0;
  let kill = (): void => undefined;
  tap.onRequest(async (request) => {
    const writesManifest = request.method === "PUT" && /\/manifests\//.test(request.path);
    if (point.moment !== "after a manifest was written" || writesManifest) seen += 1;
    if (seen !== point.n) return await request.forward();
    if (point.moment !== "before a request") await request.forward();
    kill();
    return new Response(null, { status: 503 });
  });
  const child = await startBinary(argv, { cwd: folder, env }, home);
  kill = () => child.kill("SIGKILL");
  const [stderr] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (child.signalCode !== "SIGKILL") {
    throw new Error(
      `Ended with ${child.exitCode} after ${seen} requests, before it was killed\n${stderr}`,
    );
  }
  await tap.settled();
}

function listPoints(count: number, seed: number): readonly Point[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, index) => {
    const combination = COMBINATIONS[index % COMBINATIONS.length] ?? COMBINATIONS[0];
    const moment = MOMENTS[index % MOMENTS.length] ?? "before a request";
    const range = moment === "after a manifest was written" ? IMAGES : IMAGES * REQUESTS_PER_IMAGE;
    return { ...combination, moment, n: 1 + Math.floor(random() * range) };
  });
}
