import type { BatchResult } from "../batch/run_batch.ts";
import type { Verdict } from "../model/verdict.ts";
import { formatSeconds } from "./batch_progress.ts";
import { printableLine } from "./printable.ts";

const MAX_ROWS = 50; // what is more stands in the report
const COLORS = { failed: "31", error: "33", skipped: "2", passed: "32" } as const;

/** What the table of a batch is made of. */
export interface TableOptions {
  readonly result: Pick<BatchResult, "tally" | "complete">;
  /** The verdicts that did not pass. */
  readonly verdicts: Iterable<Verdict>;
  readonly op: "sign" | "verify";
  readonly elapsedMs: number;
  /** HTTP requests that were sent. */
  readonly requests: number;
  readonly hasColor: boolean;
}

/** The end of a batch in a person's words: a row for each target that did not pass, then the counts. */
export function* tableLines(options: TableOptions): Generator<string, void, undefined> {
  const { tally, complete } = options.result;
  const paint = (outcome: keyof typeof COLORS, text: string) =>
    options.hasColor ? `\x1b[${COLORS[outcome]}m${text}\x1b[0m` : text;
  const hints = new Map<string, string>();
  let rows = 0;
  for (const verdict of options.verdicts) {
    if (verdict.outcome === "passed") continue;
    rows += 1;
    const { code, message, hint } = verdict.reason;
    if (hint !== undefined) hints.set(code, hint);
    if (rows > MAX_ROWS) continue;
    yield `${paint(verdict.outcome, verdict.outcome.padEnd(7))} ${printableLine(verdict.target)}`;
    yield `        ${code}: ${printableLine(message.trimEnd().replaceAll(/\s*\n\s*/g, "; "))}`;
  }
  if (rows > MAX_ROWS) yield `… and ${rows - MAX_ROWS} more: --report FILE.jsonl has them all`;
  for (const [code, hint] of hints) yield `hint: ${code}: ${printableLine(hint)}`;
  const { passed, failed, error, skipped, open } = tally;
  const targets = passed + failed + error + skipped;
  const seconds = options.elapsedMs / 1000;
  yield [
    `${targets} ${targets === 1 ? "target" : "targets"}: ${paint("passed", `${passed} ${options.op === "sign" ? "signed" : "verified"}`)}`,
    failed > 0 ? paint("failed", `${failed} failed`) : "0 failed",
    error > 0 ? paint("error", `${error} errors`) : "0 errors",
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
    ...(open > 0 ? [`${open} without an answer`] : []),
  ].join(", ");
  yield `${formatSeconds(seconds)}, ${options.requests} requests${complete ? "" : "; not complete"}`;
}
