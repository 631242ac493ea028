import type { Verdict } from "../../model/verdict.ts";
import type { ReportRun } from "./report_run.ts";

/**
 * A report as JUnit XML: a target is a test case; failed, error and skipped are what they are there
 * too. What XML cannot hold (most control characters, lone surrogates) is left out.
 */
export function* junitXml(run: ReportRun, verdicts: Iterable<Verdict>): Iterable<string> {
  const { passed, failed, error, skipped } = run.tally;
  const counts = attributes({
    name: `cosign-ts batch ${run.op}`,
    tests: passed + failed + error + skipped,
    failures: failed,
    errors: error,
    skipped,
    time: seconds(run.finishedAtMs - run.startedAtMs),
  });
  yield `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites${counts}>\n`;
  yield `  <testsuite${counts}${attributes({ timestamp: new Date(run.startedAtMs).toISOString().slice(0, 19) })}>\n`;
  const complete = attributes({ name: "complete", value: String(run.complete) });
  yield `    <properties>\n      <property${complete}/>\n    </properties>\n`;
  for (const verdict of verdicts) yield testCase(verdict, run);
  yield "  </testsuite>\n</testsuites>\n";
}

function testCase(verdict: Verdict, run: ReportRun): string {
  const head = `    <testcase${attributes({
    name: verdict.target,
    classname: run.manifest ?? "stdin",
    time: seconds(verdict.elapsedMs),
  })}`;
  if (verdict.outcome === "passed") return `${head}/>\n`;
  const { code, message, hint } = verdict.reason;
  const said = attributes({ message, type: code });
  if (verdict.outcome === "skipped") {
    return `${head}>\n      <skipped${attributes({ message: `${code}: ${message}` })}/>\n    </testcase>\n`;
  }
  const name = verdict.outcome === "failed" ? "failure" : "error";
  const details = verdict.subjects
    .filter((subject) => subject.reason !== undefined)
    .map((subject) => `${subject.name}: ${subject.reason?.code}: ${subject.reason?.message}`);
  const body = [...(hint === undefined ? [] : [`hint: ${hint}`]), ...details].join("\n");
  return `${head}>\n      <${name}${said}>${escapeXml(body)}</${name}>\n    </testcase>\n`;
}

function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(
      ([name, value]) =>
        ` ${name}="${escapeXml(String(value)).replaceAll(/[\t\r\n]/g, attributeSpace)}"`,
    )
    .join("");
}

function attributeSpace(character: string): string {
  return `&#${character.charCodeAt(0)};`;
}

/** XML 1.0 §2.2: what a document may hold; everything else cannot even be escaped. */
const FORBIDDEN = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu;
const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

function escapeXml(text: string): string {
  return text
    .replaceAll(FORBIDDEN, "")
    .replaceAll(/[&<>"]/g, (character) => ENTITIES[character] ?? character);
}

function seconds(ms: number): string {
  return (Math.max(0, ms) / 1000).toFixed(3);
}
