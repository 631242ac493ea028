import type { Invocation } from "./command.ts";
import type { VERIFY_FLAGS } from "./flags/verify.ts";
import { usage } from "./parse.ts";
import { printableLine } from "./printable.ts";

/**
 * Verifies images that were found in a file, as `verify` does.
 *
 * @param what The file: `Dockerfile`.
 * @throws {CosignError} `USAGE` when none was found: nothing verified is no success.
 */
export async function verifyExtracted(
  call: Invocation<typeof VERIFY_FLAGS>,
  images: readonly string[],
  what: string,
): Promise<number> {
  if (images.length === 0) throw usage(`no images found in ${what}`);
  call.stderr.write(`Extracted image(s): ${images.map(printableLine).join(", ")}\n`);
  const { verifyCommand } = await import("./commands/verify.ts");
  return await verifyCommand({ ...call, args: images });
}
