import type { Exchange } from "./http.ts";

/** Writes a line a request to standard error (`--verbose`). The URL is redacted already. */
export function logExchange({ method, url, status, error, elapsedMs }: Exchange): void {
  process.stderr.write(`${method} ${url}: ${status ?? error} (${elapsedMs.toFixed(0)} ms)\n`);
}
