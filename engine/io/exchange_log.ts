import type { Exchange } from "./http.ts";

/** Writes a line a request to standard error (`--verbose`). The URL is redacted already. */
export function logExchange({ method, url, status, error, elapsedMs }: Exchange): void {
  process.stderr.write(`${method} ${url}: ${status ?? error} (${elapsedMs.toFixed(0)} ms)\n`);
}

/** Writes a warning to standard error, from any thread. */
export function logWarning(line: string): void {
  process.stderr.write(`WARNING: ${line.replaceAll(/\p{Cc}+/gu, " ")}\n`);
}
