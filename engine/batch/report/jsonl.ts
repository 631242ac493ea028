import type { Verdict } from "../../model/verdict.ts";
import type { ReportRun } from "./report_run.ts";

/** Version of the report's lines; a field more does not change it, a changed one does. */
export const REPORT_VERSION = 1;

/** A report as JSON lines: one that tells of the run, one a target, one that sums up (`docs/report.schema.json`). */
export function* jsonLines(run: ReportRun, verdicts: Iterable<Verdict>): Iterable<string> {
  yield line({
    type: "run",
    version: REPORT_VERSION,
    id: run.id,
    op: run.op,
    ...(run.manifest === undefined ? {} : { manifest: run.manifest }),
    startedAt: new Date(run.startedAtMs).toISOString(),
  });
  for (const verdict of verdicts) yield line({ type: "verdict", ...verdict });
  const { passed, failed, error, skipped, open } = run.tally;
  yield line({
    type: "summary",
    passed,
    failed,
    error,
    skipped,
    open,
    complete: run.complete,
    finishedAt: new Date(run.finishedAtMs).toISOString(),
  });
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
