import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reportLineProblem } from "../../engine/batch/report/schema.ts";
import type { SignatureFact } from "../../engine/model/verdict.ts";
import { expectCode, type ReportedVerdict } from "../support/batch.ts";
import { buildBinary, runBinary } from "../support/binary.ts";
import { startEmbeddedRegistry } from "../support/embedded_registry.ts";
import { pushPackedLayout } from "../support/push_layout.ts";
import type { TestRegistry } from "../support/registries.ts";
import { unpackVectors } from "../support/vectors.ts";

const LIMIT_MS = 300_000;
const IMAGES = 100;
const ALICE = "alice@example.com";
const ISSUER = "http://127.0.0.1:5810/auth";
const CI = "https://github.com/acme/widget/.github/workflows/release.yml@refs/heads/main";
const ROOT = "trust/trusted-root-v1.json";
/** What real cosign signed: as bundles with Rekor v2 and a timestamp, with Rekor v1, and at `.sig` tags. */
const LAYOUTS = [
  ["native-app", "sha256:fdcadc6e2fe4785800e4f191ef0364c26438d723d3d533ea659426bb7cf61177", "v2"],
  ["r1-native", "sha256:34319cbbd4220aea5aa83c34b81caa3c2d447cc95cc121a276a3ec50a3fff38c", "v1"],
  [
    "native-mutbase",
    "sha256:92b026e0b54f58d1f1a0d2961da34f04d5cb1b4f39d07c068b670926cbc4ae2d",
    "v2",
  ],
  [
    "r1-legacy-native",
    "sha256:69cb8d9ceb330e4bec2cd0870a31645b3708b0cf160aec8dd98308b590713f72",
    "v1",
  ],
] as const;

const folder = mkdtempSync(join(tmpdir(), "batch-keyless-"));
let registry: TestRegistry;
/** By the number of each image. */
const images: string[] = [];
const kindOf = (i: number) => LAYOUTS[i % LAYOUTS.length]?.[2];

beforeAll(async () => {
  for (const prefix of ["trust/", "keys/"]) unpackVectors(prefix, join(folder, prefix), "keyless");
  registry = await startEmbeddedRegistry();
  for (let i = 0; i < IMAGES; i++) {
    const [layout, digest] = LAYOUTS[i % LAYOUTS.length] ?? LAYOUTS[0];
    const repository = `team/image-${i}`;
    const packed = { set: "keyless", prefix: `layouts/${layout}/`, isDump: true } as const;
    await pushPackedLayout(registry.host, packed, repository);
    images.push(`${registry.host}/${repository}@${digest}`);
  }
  await buildBinary();
}, LIMIT_MS);

afterAll(async () => {
  await registry.close();
  rmSync(folder, { recursive: true, force: true });
});

type Verdict = ReportedVerdict & {
  readonly subjects: readonly { readonly signatures: readonly SignatureFact[] }[];
};

/** Runs a batch, and reads what it reports. */
async function batch(words: readonly string[], stdin?: string) {
  const result = await runBinary(
    ["batch", "verify", ...words, "--report", "-", "--ledger", `run-${crypto.randomUUID()}.db`],
    { cwd: folder, timeoutMs: LIMIT_MS, ...(stdin === undefined ? {} : { stdin }) },
  );
  const lines: readonly unknown[] = result.stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
  for (const line of lines) expect(reportLineProblem(line)).toBeUndefined();
  const isVerdict = (line: unknown): line is Verdict =>
    typeof line === "object" && line !== null && "type" in line && line.type === "verdict";
  return { ...result, verdicts: lines.filter(isVerdict) };
}

function manifest(
  policy: Readonly<Record<string, unknown>>,
  targets: readonly string[] = images,
): string {
  const path = join(folder, `${crypto.randomUUID()}.json`);
  const whole = { version: 1, defaults: { policy: "p" }, policies: { p: policy }, targets };
  writeFileSync(path, JSON.stringify(whole));
  return path;
}

describe("batch verify with identities", () => {
  test(
    "judges a hundred images by the policy of a manifest, and reports who signed them, and when",
    async () => {
      const identities = [
        { issuer: "https://elsewhere.example", subject: ALICE },
        { issuer: ISSUER, subject: ALICE },
      ];
      const result = await batch([manifest({ identities, trustedRoot: ROOT })]);
      expectCode(result, 0);
      expect(result.verdicts).toHaveLength(IMAGES);
      for (const [i, image] of images.entries()) {
        const verdict = result.verdicts.find(({ target }) => target === image);
        const [fact] = verdict?.subjects[0]?.signatures ?? [];
        expect(verdict?.outcome).toBe("passed");
        expect(fact?.certificate).toMatchObject({ subjects: [ALICE], issuer: ISSUER });
        expect(fact?.logEntries).toEqual([
          {
            log: expect.stringMatching(/^http/),
            index: expect.any(Number),
            ...(kindOf(i) === "v1"
              ? { integratedTime: expect.stringMatching(/^20\d\d-.*Z$/) }
              : {}),
          },
        ]);
        if (kindOf(i) === "v1") continue;
        expect(fact?.timestamps).toEqual([
          { authority: expect.any(String), time: expect.stringMatching(/^20\d\d-.*Z$/) },
        ]);
      }
    },
    LIMIT_MS,
  );

  test(
    "judges a list from standard input by flags",
    async () => {
      const flags = (identity: string) => [
        ...["--certificate-identity", identity, "--certificate-oidc-issuer", ISSUER],
        ...["--trusted-root", ROOT, "-"],
      ];
      const good = await batch(flags(ALICE), `${images.join("\n")}\n`);
      expectCode(good, 0);
      expect(good.verdicts.filter(({ outcome }) => outcome === "passed")).toHaveLength(IMAGES);
      const bad = await batch(flags("alice@example.co"), `${images.slice(0, 8).join("\n")}\n`);
      expectCode(bad, 12);
      for (const { outcome, reason } of bad.verdicts) {
        expect(outcome).toBe("failed");
        expect(reason?.code).toBe("NO_MATCHING_SIGNATURES");
        expect(reason?.message).toContain("none of the expected identities matched");
      }
    },
    LIMIT_MS,
  );

  test(
    "takes a key or an identity, whichever has signed, and a pipeline by its workflow",
    async () => {
      const some = images.slice(0, 4);
      const either = {
        keys: ["keys/cosign.pub"],
        identities: [{ issuer: ISSUER, subject: "nobody" }],
      };
      const byKey = await batch([manifest({ ...either, trustedRoot: ROOT }, some.slice(0, 1))]);
      expectCode(byKey, 0);
      expect(byKey.verdicts[0]?.subjects[0]?.signatures[0]?.certificate).toBeUndefined();
      const pipeline = (repository: string) => ({
        identities: [
          {
            issuerRegExp: "^http://127\\.0\\.0\\.1:\\d+/actions$",
            subjectRegExp: "^https://github\\.com/acme/",
            workflow: { repository },
          },
        ],
        trustedRoot: ROOT,
      });
      const right = await batch([manifest(pipeline("acme/widget"), some.slice(0, 1))]);
      expectCode(right, 0);
      expect(right.verdicts[0]?.subjects[0]?.signatures[0]?.certificate?.subjects).toEqual([CI]);
      expect(right.stderr).toContain(
        "WARNING: policies.p.identities[0].subjectRegExp may match in the middle",
      );
      expect(right.stderr).not.toContain("issuerRegExp may match");
      expectCode(await batch([manifest(pipeline("acme/gadget"), some.slice(0, 1))]), 12);
    },
    LIMIT_MS,
  );

  test(
    "counts logs and timestamp authorities",
    async () => {
      const identities = [{ issuer: ISSUER, subject: ALICE }];
      const judge = (transparency: unknown) =>
        batch([manifest({ identities, transparency, trustedRoot: ROOT }, images.slice(0, 4))]);
      const both = await judge({ require: "both" });
      expectCode(both, 12);
      for (const { target, outcome, reason } of both.verdicts) {
        const isStamped = kindOf(images.indexOf(target)) === "v2";
        expect([target, outcome]).toEqual([target, isStamped ? "passed" : "failed"]);
        if (!isStamped)
          expect(reason?.message).toContain(
            "threshold not met for verified signed timestamps: 0 < 1",
          );
      }
      const two = await judge({ logs: 2 });
      expect(two.verdicts.every(({ outcome }) => outcome === "failed")).toBe(true);
      expect(two.verdicts[0]?.reason?.message).toContain(
        "not enough verified log entries from transparency log: 1 < 2",
      );
      const stamped = await judge({ require: "timestamp" });
      expect(stamped.verdicts.filter(({ outcome }) => outcome === "passed")).toHaveLength(2);
    },
    LIMIT_MS,
  );

  test(
    "ends before its first target when a root is none, or cannot be read, or another is trusted",
    async () => {
      const identities = [{ issuer: ISSUER, subject: ALICE }];
      const some = images.slice(0, 2);
      const missing = await batch([manifest({ identities, trustedRoot: "trust/none.json" }, some)]);
      expectCode(missing, 1);
      expect(missing.stderr).toContain("code: FILE_READ");
      writeFileSync(join(folder, "empty.json"), "{}");
      const empty = await batch([manifest({ identities, trustedRoot: "empty.json" }, some)]);
      expect(empty.stderr).toContain("code: TRUST_INVALID");
      const rogue = await batch([
        ...["--trusted-root", "trust/mutated/rogue-ca.json"],
        manifest({ identities, trustedRoot: ROOT }, some),
      ]);
      expectCode(rogue, 12);
    },
    LIMIT_MS,
  );

  test(
    "goes on with a run by the same identities, and not by others",
    async () => {
      const some = images.slice(0, 3);
      const path = manifest(
        { identities: [{ issuer: ISSUER, subject: ALICE }], trustedRoot: ROOT },
        some,
      );
      const run = () =>
        runBinary(["batch", "verify", "--resume", "--ledger", "resumed.db", path], { cwd: folder });
      expectCode(await run(), 0);
      const again = await run();
      expectCode(again, 0);
      expect(again.stderr).toContain("The last run is complete");
      writeFileSync(path, readFileSync(path, "utf8").replace(ALICE, "bob@example.com"));
      expectCode(await run(), 12);
    },
    LIMIT_MS,
  );
});
