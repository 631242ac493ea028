import { isatty } from "node:tty";
import type { Environment } from "./env.ts";

/** What standard error is, for what is shown on it. */
export interface Screen {
  /** Somebody looks at it: lines may be redrawn. */
  readonly isTerminal: boolean;
  readonly hasColor: boolean;
  /** Characters of a line. */
  readonly columns: () => number;
}

/** Looks at standard error. `NO_COLOR` turns colour off. */
export function openScreen(env: Environment): Screen {
  const isTerminal = isatty(2) && env["TERM"] !== "dumb";
  const noColor = env["NO_COLOR"];
  return {
    isTerminal,
    hasColor: isTerminal && (noColor === undefined || noColor === ""),
    columns: () => process.stderr.columns ?? 80,
  };
}
