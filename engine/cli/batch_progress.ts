import type { BatchEvent } from "../batch/run_batch.ts";
import type { Screen } from "../io/screen.ts";
import type { Output } from "./command.ts";

const REDRAW_MS = 100;
const PLAIN_LINE_MS = 10_000;
const RATE_WINDOW_MS = 5000; // long enough to be steady, short enough to follow a 429
const BAR_CHARACTERS = 24;

/** What progress is shown with. */
export interface ProgressOptions {
  readonly op: "sign" | "verify";
  /** Targets; absent while that is known only by listing. */
  readonly total?: number;
  readonly screen: Screen;
  readonly stderr: Output;
  readonly nowMs: () => number;
}

interface Sample {
  readonly atMs: number;
  readonly done: number;
}

/**
 * Shows how a batch goes: on a terminal a line that is redrawn (bar, rate, failures, time left),
 * elsewhere a plain line now and then. Whoever made it ends it.
 */
export class Progress {
  readonly #options: ProgressOptions;
  readonly #startedMs: number;
  #samples: Sample[];
  #done = 0;
  #failed = 0;
  #errors = 0;
  #kept = 0;
  #shownMs: number;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#startedMs = options.nowMs();
    this.#shownMs = this.#startedMs;
    this.#samples = [{ atMs: this.#startedMs, done: 0 }];
  }

  /** Takes what happened in the batch. */
  observe(event: BatchEvent): void {
    if (event.type === "kept") {
      this.#kept += event.count;
      this.#done += event.count;
    } else if (event.type === "verdicts") {
      for (const { outcome } of event.verdicts) {
        this.#done += 1;
        if (outcome === "failed") this.#failed += 1;
        if (outcome === "error") this.#errors += 1;
      }
    } else return;
    const { screen, nowMs } = this.#options;
    const intervalMs = screen.isTerminal ? REDRAW_MS : PLAIN_LINE_MS;
    if (nowMs() - this.#shownMs >= intervalMs) this.show();
  }

  /** Shows how it stands now. */
  show(): void {
    const { screen, stderr, nowMs } = this.#options;
    this.#shownMs = nowMs();
    const line = this.#line();
    if (screen.isTerminal)
      stderr.write(`\r\x1b[2K${line.slice(0, Math.max(20, screen.columns() - 1))}`);
    else stderr.write(`${line}\n`);
  }

  /** Takes the redrawn line away, so that something else can be said. */
  clear(): void {
    if (this.#options.screen.isTerminal) this.#options.stderr.write("\r\x1b[2K");
  }

  #line(): string {
    const { op, total, screen } = this.#options;
    const rate = this.#rate();
    const verb = op === "sign" ? "signing" : "verifying";
    const count = total === undefined ? `${this.#done}` : `${this.#done}/${total}`;
    const parts = [
      `${verb} ${count}`,
      `${rate >= 10 ? Math.round(rate) : rate.toFixed(1)}/s`,
      ...(this.#failed > 0 ? [`${this.#failed} failed`] : []),
      ...(this.#errors > 0 ? [`${this.#errors} errors`] : []),
    ];
    if (total !== undefined && rate > 0 && this.#done < total) {
      parts.push(`${formatSeconds((total - this.#done) / rate)} left`);
    }
    const text = parts.join(", ");
    return screen.isTerminal && total !== undefined ? `${bar(this.#done / total)} ${text}` : text;
  }

  /** Targets a second, over the last few seconds; what was kept from before took no time. */
  #rate(): number {
    const nowMs = this.#options.nowMs();
    const done = this.#done - this.#kept;
    this.#samples = this.#samples.filter(({ atMs }) => atMs >= nowMs - RATE_WINDOW_MS).slice(-100);
    const first = this.#samples[0] ?? { atMs: this.#startedMs, done: 0 };
    this.#samples.push({ atMs: nowMs, done });
    return (done - first.done) / Math.max(0.001, (nowMs - first.atMs) / 1000);
  }
}

/** Seconds as people write them: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes} min ${whole % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function bar(share: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * BAR_CHARACTERS);
  return `[${"#".repeat(filled)}${".".repeat(BAR_CHARACTERS - filled)}]`;
}
