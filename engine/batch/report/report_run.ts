import type { Job } from "../../model/job.ts";
import type { Verdict } from "../../model/verdict.ts";
import type { Tally } from "../ledger.ts";

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
