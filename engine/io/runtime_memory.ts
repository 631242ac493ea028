/** A text of less leaves too little behind to stop for it. */
const LARGE_BYTES = 16 * 1024 * 1024;

/**
 * Has memory given back that nobody refers to any more, after work on something of `sizeBytes`: on a
 * machine with much memory the runtime would let copies of a large SBOM pile up to gigabytes first. Does
 * nothing for what is small, and in Deno, which collects earlier and cannot be asked to.
 */
export function tidyAfter(sizeBytes: number): void {
  if (sizeBytes >= LARGE_BYTES && process.versions["bun"] !== undefined) Bun.gc(true);
}
