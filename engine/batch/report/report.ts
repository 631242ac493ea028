import { CosignError } from "../../model/errors.ts";
import type { Job } from "../../model/job.ts";
import type { Verdict } from "../../model/verdict.ts";
import type { Tally } from "../ledger.ts";
import { jsonLines } from "./jsonl.ts";
import { junitXml } from "./junit.ts";

/** What a report tells of its run. */
export interface ReportRun {
  /** The run's id in its ledger, the same again after `--resume`. */
  readonly id: string;
  readonly op: Job["op"];
  /** The manifest's path; absent for a list from standard input. */
  readonly manifest?: string;
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  readonly tally: Tally;
  /** Whether every planned target has its verdict. */
  readonly complete: boolean;
}

/** Writes a report piece by piece. */
export type ReportFormat = (run: ReportRun, verdicts: Iterable<Verdict>) => Iterable<string>;

const FORMATS: Readonly<Record<string, ReportFormat>> = {
  ".jsonl": jsonLines,
  ".xml": junitXml,
};

/**
 * The form of a report, by the extension of its file; `-` (standard output) is JSON lines.
 *
 * @throws {CosignError} `USAGE` for any other extension.
 */
export function reportFormat(path: string): ReportFormat {
  if (path === "-") return jsonLines;
  for (const [extension, format] of Object.entries(FORMATS)) {
    if (path.toLowerCase().endsWith(extension)) return format;
  }
  const known = Object.keys(FORMATS).join(" or ");
  throw new CosignError("USAGE", `Cannot write report "${path}": its form is not known`, {
    hint: `Name a file that ends in ${known}`,
  });
}
