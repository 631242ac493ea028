/** Writes `BYTES` bytes to standard output, then says on standard error how it went. */
import { standardOutput } from "../../../engine/io/standard_output.ts";
import { reportError } from "../../../engine/model/errors.ts";

const [bytes = "0"] = process.argv.slice(2);
const report = standardOutput(2);
try {
  const output = standardOutput(1);
  output.write("first line: ä\n");
  output.write(new Uint8Array(Number(bytes)).fill(0x2e));
  report.write("written\n");
} catch (error) {
  report.write(`${reportError(error).code}\n`);
}
