import { writeSync } from "node:fs";

/**
 * Writes some of `bytes` to standard output (1) or standard error (2). In Deno `node:fs` does not say
 * how much it has written before a reader was too slow.
 *
 * @returns how many were written.
 */
export function writeSome(descriptor: 1 | 2, bytes: Uint8Array): number {
  if (process.versions["bun"] !== undefined) return writeSync(descriptor, bytes);
  return (descriptor === 1 ? Deno.stdout : Deno.stderr).writeSync(bytes);
}
