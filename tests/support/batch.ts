import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BinaryResult, runBinary } from "./binary.ts";

/** The password of every key that {@link makeKey} makes. */
export const PASSWORD = "e2e pässword";

/** A verdict as it stands in a report. */
export interface ReportedVerdict {
  readonly type: "verdict";
  readonly target: string;
  readonly outcome: "passed" | "failed" | "error" | "skipped";
  readonly reason?: { readonly code: string; readonly message: string };
}

/** Makes `NAME.key` and `NAME.pub` in `folder`. */
export async function makeKey(folder: string, name: string): Promise<void> {
  const result = await runBinary(["generate-key-pair", "--output-key-prefix", name], {
    cwd: folder,
    env: { COSIGN_PASSWORD: PASSWORD },
  });
  expectCode(result, 0);
}

/** Writes a batch manifest, and answers its path. */
export function writeManifest(
  folder: string,
  name: string,
  defaults: Readonly<Record<string, unknown>>,
  targets: readonly string[],
): string {
  const path = join(folder, name);
  const policies = { release: { keys: ["cosign.pub"] } };
  const manifest = {
    version: 1,
    defaults: { transparency: "none", ...defaults },
    policies,
    targets,
  };
  writeFileSync(path, JSON.stringify(manifest));
  return path;
}

/** The verdicts of a report in JSON lines. */
export function readVerdicts(path: string): readonly ReportedVerdict[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))
    .filter(({ type }) => type === "verdict");
}

/** Throws unless a run of the binary ended with `code`. */
export function expectCode(result: BinaryResult, code: number): void {
  if (result.code === code) return;
  throw new Error(`Exit code ${result.code}, expected ${code}\n${result.stdout}${result.stderr}`);
}
