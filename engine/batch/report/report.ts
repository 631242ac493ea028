import { CosignError } from "../../model/errors.ts";
import { jsonLines } from "./jsonl.ts";
import { junitXml } from "./junit.ts";
import type { ReportFormat } from "./report_run.ts";

const FORMATS: Readonly<Record<string, ReportFormat>> = {
  ".jsonl": jsonLines,
  ".xml": junitXml,
};

/**
 * The form of a report, by the extension of its file; `-` (standard output) is JSON lines.
 *
 * @throws {CosignError} `USAGE` for any other extension.
 */
export function reportFormat(path: string): ReportFormat {
  if (path === "-") return jsonLines;
  for (const [extension, format] of Object.entries(FORMATS)) {
    if (path.toLowerCase().endsWith(extension)) return format;
  }
  const known = Object.keys(FORMATS).join(" or ");
  throw new CosignError("USAGE", `Cannot write report "${path}": its form is not known`, {
    hint: `Name a file that ends in ${known}`,
  });
}
