const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1e3,
  m: 6e4,
  h: 3.6e6,
};
const MAX_DURATION_MS = 2 ** 31 - 1; // what timers take: 24 days

/**
 * Reads a duration as Go writes it (`1h2m3.5s`), without a sign.
 *
 * @returns milliseconds.
 * @throws {SyntaxError} when `text` is anything else, or more than timers take.
 */
export function parseDurationMs(text: string): number {
  if (text === "0") return 0;
  const quoted = JSON.stringify(text.slice(0, 100));
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(text)) {
    throw new SyntaxError(
      `Cannot parse duration ${quoted}: expected a number and a unit, as in 90s`,
    );
  }
  let sumMs = 0;
  for (const [, amount = "", unit = ""] of text.matchAll(/([\d.]+)([a-zµμ]+)/g)) {
    sumMs += Number(amount) * (UNIT_MS[unit] ?? 0);
  }
  if (!(sumMs <= MAX_DURATION_MS))
    throw new SyntaxError(`Cannot parse duration ${quoted}: too long`);
  return sumMs;
}

/** Writes a duration as Go does: `3m0s`, `1h0m0s`, `1.5s`, `250ms`, `0s`. */
export function formatDuration(durationMs: number): string {
  if (durationMs === 0) return "0s";
  if (durationMs < 1000) return `${durationMs}ms`;
  const hours = Math.floor(durationMs / 3_600_000);
  const minutes = Math.floor(durationMs / 60_000) % 60;
  const seconds = `${(durationMs % 60_000) / 1000}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
