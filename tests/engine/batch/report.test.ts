import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reportFormat } from "../../../engine/batch/report/report.ts";
import type { ReportRun } from "../../../engine/batch/report/report_run.ts";
import { REASON_CODES, reportLineProblem } from "../../../engine/batch/report/schema.ts";
import { checkWritable, writePieces } from "../../../engine/io/pieces.ts";
import { parseDigest } from "../../../engine/model/digest.ts";
import { CosignError } from "../../../engine/model/errors.ts";
import type { Verdict } from "../../../engine/model/verdict.ts";
import { verdictOn } from "../../support/batch_verdict.ts";
import { parseXml } from "../../support/xml.ts";

const DIGEST = parseDigest(`sha256:${"a".repeat(64)}`);
const RUN: ReportRun = {
  id: "1b4e28ba-2fa1-41d2-883f-0016d3cca427",
  op: "verify",
  manifest: "release.yaml",
  startedAtMs: Date.UTC(2026, 0, 2, 3, 4, 5),
  finishedAtMs: Date.UTC(2026, 0, 2, 3, 4, 7),
  tally: { passed: 1, failed: 1, error: 1, skipped: 1, open: 0 },
  complete: true,
};
const PASSED: Verdict = {
  ...verdictOn("k.0"),
  outcome: "passed",
  subjects: [
    {
      name: `registry.example/app@${DIGEST}`,
      digest: DIGEST,
      platform: { os: "linux", architecture: "arm64", variant: "v8" },
      outcome: "passed",
      signatures: [
        {
          format: "bundle",
          key: "cosign.pub",
          keyDigest: DIGEST,
          payload: { critical: {}, optional: null },
          annotations: { env: "prod" },
        },
      ],
    },
  ],
};
const VERDICTS: readonly Verdict[] = [
  PASSED,
  verdictOn("k.1", "failed"),
  verdictOn("k.2", "error"),
  {
    ...verdictOn("k.3", "error"),
    outcome: "skipped",
    reason: { code: "SCHEMA1_UNSUPPORTED", message: "old", hint: "push it anew" },
  },
];

const textOf = (path: string, verdicts: readonly Verdict[] = VERDICTS) =>
  [...reportFormat(path)(RUN, verdicts)].join("");

describe("jsonLines()", () => {
  test("writes a line for the run, one for each verdict, and the sum", () => {
    const lines = textOf("a.jsonl")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ type }) => type)).toEqual([
      "run",
      "verdict",
      "verdict",
      "verdict",
      "verdict",
      "summary",
    ]);
    expect(lines[0]).toEqual({
      type: "run",
      version: 1,
      id: RUN.id,
      op: "verify",
      manifest: "release.yaml",
      startedAt: "2026-01-02T03:04:05.000Z",
    });
    expect(lines[1]).toEqual({ type: "verdict", ...PASSED });
    expect(lines.at(-1)).toMatchObject({
      passed: 1,
      failed: 1,
      error: 1,
      skipped: 1,
      complete: true,
    });
  });

  test("writes what its published schema says", () => {
    for (const line of textOf("a.jsonl").trimEnd().split("\n")) {
      expect(reportLineProblem(JSON.parse(line))).toBeUndefined();
    }
  });
});

describe("reportLineProblem()", () => {
  test("finds fields and codes that the schema does not have", () => {
    const verdict = { type: "verdict", ...verdictOn("k.1", "failed") };
    expect(reportLineProblem(verdict)).toBeUndefined();
    expect(reportLineProblem({ ...verdict, more: 1 })).toBeDefined();
    expect(reportLineProblem({ ...verdict, outcome: "passed" })).toBeDefined(); // with a reason
    expect(reportLineProblem({ ...verdict, reason: { code: "OTHER", message: "" } })).toBeDefined();
    expect(reportLineProblem({ type: "verdict" })).toBeDefined();
  });

  test("takes every code that can be the reason of a verdict", () => {
    for (const code of REASON_CODES) {
      const verdict = {
        type: "verdict",
        ...verdictOn("k", "failed"),
        reason: { code, message: "m" },
      };
      expect(reportLineProblem(verdict)).toBeUndefined();
    }
    expect(REASON_CODES).not.toContain("KEY_PASSWORD");
    expect(REASON_CODES).not.toContain("LEDGER_FULL");
  });
});

describe("junitXml()", () => {
  test("is well-formed and has the counts of the run", () => {
    const root = parseXml(textOf("a.xml"));
    expect(root.name).toBe("testsuites");
    const [suite] = root.children;
    expect(suite?.attributes).toEqual({
      name: "cosign-ts batch verify",
      tests: "4",
      failures: "1",
      errors: "1",
      skipped: "1",
      time: "2.000",
      timestamp: "2026-01-02T03:04:05",
    });
    const [properties, ...cases] = suite?.children ?? [];
    expect(properties?.children[0]?.attributes).toEqual({ name: "complete", value: "true" });
    expect(cases.map(({ children }) => children[0]?.name)).toEqual([
      undefined,
      "failure",
      "error",
      "skipped",
    ]);
    expect(cases[1]?.attributes).toEqual({
      name: "registry.example/app:1",
      classname: "release.yaml",
      time: "0.005",
    });
    expect(cases[1]?.children[0]?.attributes).toEqual({
      type: "NO_SIGNATURES",
      message: "it is failed",
    });
  });

  test("survives whatever a registry says", () => {
    const nasty = `a<b>&"c'\u0000\u0001\u001b[31m\ud800 \ufffe]]>\n\ttab \u{1f600}`;
    const verdict: Verdict = {
      ...verdictOn("k", "failed", nasty),
      outcome: "failed",
      reason: { code: "NO_SIGNATURES", message: nasty, hint: nasty },
    };
    const root = parseXml(textOf("a.xml", [verdict]));
    const testcase = root.children[0]?.children[1];
    const clean = `a<b>&"c'[31m ]]>\n\ttab \u{1f600}`;
    expect(testcase?.attributes["name"]).toBe(clean);
    expect(testcase?.children[0]?.attributes["message"]).toBe(clean);
    expect(testcase?.children[0]?.text).toBe(`hint: ${clean}`);
  });
});

describe("reportFormat()", () => {
  test("goes by the extension, and refuses what it does not know", () => {
    expect(reportFormat("-")).toBe(reportFormat("x.JSONL"));
    expect(reportFormat("x.xml")).not.toBe(reportFormat("x.jsonl"));
    expect(() => reportFormat("x.csv")).toThrow(CosignError);
  });
});

describe("writePieces()", () => {
  let dir = "";
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "report-"));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  test("writes the whole file, or leaves what was there", () => {
    const path = join(dir, "r.jsonl");
    writeFileSync(path, "before");
    function* broken(): Generator<string> {
      yield "half";
      throw new Error("it broke off");
    }
    expect(() => writePieces(path, broken())).toThrow("it broke off");
    expect(readFileSync(path, "utf8")).toBe("before");
    const pieces = Array.from({ length: 5000 }, (_, i) => `line ${i} ${"ü".repeat(50)}\n`);
    writePieces(path, pieces);
    expect(readFileSync(path, "utf8")).toBe(pieces.join(""));
    expect(readdirSync(dir)).toEqual(["r.jsonl"]);
  });

  test("says what cannot be written, before and after", () => {
    const path = join(dir, "no/such/r.jsonl");
    for (const work of [() => checkWritable(path), () => writePieces(path, [])]) {
      expect(work).toThrow(`Cannot write file "${path}": no such file or directory`);
    }
    expect(() => checkWritable(join(dir, "r.jsonl"))).not.toThrow();
  });
});
