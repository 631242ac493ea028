import { makeEmptyFolder } from "../../io/empty_folder.ts";
import { runProcess } from "../../io/process.ts";
import { CosignError, describeError } from "../../model/errors.ts";
import type { Program } from "./program.ts";
import { PROTOCOL_VERSION, parsePluginJson } from "./protocol.ts";
import { StderrLines } from "./stderr_lines.ts";

/** How a plugin's program is run. */
export interface RunOptions {
  /** The plugin's name. */
  readonly plugin: string;
  /** Its whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Told what the program writes to standard error, line by line. */
  readonly tell: (line: string) => void;
}

const GRACE_MS = 1000;
/** Keys and signatures have some KB. */
const MAX_OUTPUT_BYTES = 1024 * 1024;

/**
 * Runs a program for one call, in an empty folder. Its exit code counts for nothing (the protocol says
 * so): what it writes does.
 *
 * @param args Of the call: JSON.
 * @returns what it answered, parsed JSON.
 * @throws {CosignError} `PLUGIN_FAILED` when it cannot be started, takes too long, writes too much, is
 * killed, or writes no JSON; `CANCELLED`.
 */
export async function runOnce(
  program: Program,
  args: Readonly<Record<string, unknown>>,
  message: Uint8Array | undefined,
  { plugin, env, timeoutMs, tell }: RunOptions,
  signal: AbortSignal,
): Promise<unknown> {
  await program.check();
  await using folder = await makeEmptyFolder();
  const lines = new StderrLines(tell);
  const { code, stdout } = await runProcess(
    program.path,
    [...program.args, PROTOCOL_VERSION, JSON.stringify(args)],
    {
      env,
      cwd: folder.path,
      timeoutMs,
      graceMs: GRACE_MS,
      maxOutputBytes: MAX_OUTPUT_BYTES,
      failure: "PLUGIN_FAILED",
      signal,
      onStderr: (bytes) => lines.take(bytes),
      ...(message === undefined ? {} : { stdin: message }),
    },
  );
  lines.end();
  if (code === undefined) throw unusable(plugin, "its program was killed");
  try {
    return parsePluginJson(new TextDecoder().decode(stdout));
  } catch (error) {
    const ending = code === 0 ? "" : ` (its program ended with code ${code})`;
    throw unusable(plugin, `it answers no JSON: ${describeError(error)}${ending}`);
  }
}

/** The error for a plugin whose answer is none. */
export function unusable(plugin: string, why: string): CosignError {
  return new CosignError("PLUGIN_FAILED", `Cannot use plugin "${plugin}": ${why}`);
}
