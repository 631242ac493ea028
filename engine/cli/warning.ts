import type { Output } from "./command.ts";
import { printableText } from "./printable.ts";

/** What tells the user of something in one line, as cosign does. */
export function warningTo(stderr: Output): (line: string) => void {
  return (line) => stderr.write(`WARNING: ${printableText(line)}\n`);
}
