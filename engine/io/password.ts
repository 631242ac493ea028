import { equalBytes, utf8 } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import { promptHidden, promptLine, readStdin, stdinKind, tell } from "./terminal.ts";

/** Where a password comes from; the defaults are the real terminal and the real standard input. */
export interface PasswordOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Asks twice at a terminal, as for a new key. Default false. */
  readonly isNew?: boolean;
  /** Standard input holds something else, such as a list of images: only a terminal is asked. Default false. */
  readonly stdinIsTaken?: boolean;
  readonly console?: PasswordConsole;
}

/** The person, or the pipe, that is asked. */
export interface PasswordConsole {
  readonly stdinKind: typeof stdinKind;
  readonly promptHidden: typeof promptHidden;
  readonly promptLine: typeof promptLine;
  readonly readStdin: typeof readStdin;
  readonly tell: typeof tell;
}

const MAX_PASSWORD_BYTES = 65_536; // a pipe that gives more is no password
const ASK = "Enter password for private key: ";
const ASK_AGAIN = "Enter password for private key again: ";
const CONTINUE = "Are you sure you would like to continue? [y/N] ";

const realConsole: PasswordConsole = { stdinKind, promptHidden, promptLine, readStdin, tell };

/**
 * The password of a private key: `COSIGN_PASSWORD`, also when it is empty; else what is typed at the
 * terminal; else all of standard input as it is, its line break included, as cosign takes it.
 *
 * @throws {CosignError} `KEY_PASSWORD` when nobody can be asked or the two answers differ; `CANCELLED`.
 */
export async function readPassword(options: PasswordOptions): Promise<Uint8Array> {
  const { env, isNew = false, stdinIsTaken = false, console = realConsole } = options;
  const fromEnvironment = env["COSIGN_PASSWORD"];
  if (fromEnvironment !== undefined) return utf8(fromEnvironment);
  const kind = stdinIsTaken ? "terminal" : console.stdinKind();
  if (kind === "stream") return await console.readStdin(MAX_PASSWORD_BYTES);
  if (kind === "nothing") {
    throw new CosignError(
      "KEY_PASSWORD",
      "Cannot ask for the password: standard input is neither a terminal nor a pipe nor a file",
      { hint: "Set COSIGN_PASSWORD (it may be empty), or pipe the password into standard input" },
    );
  }
  const password = await console.promptHidden(ASK);
  if (isNew && !equalBytes(password, await console.promptHidden(ASK_AGAIN))) {
    throw new CosignError("KEY_PASSWORD", "Cannot use the new password: passwords do not match");
  }
  return password;
}

/**
 * Warns and asks whether to go on. Only a line `y` or `Y` is a yes.
 *
 * @throws {CosignError} `PROMPT_DECLINED` for an empty line, `n`, the end of the input, and anything else.
 */
export async function confirm(
  warning: string,
  console: Pick<PasswordConsole, "promptLine" | "tell"> = realConsole,
): Promise<void> {
  console.tell(`WARNING: ${warning}\n`);
  await confirmStatement(console);
}

/**
 * Asks whether to go on, after whatever was said. Only a line `y` or `Y` is a yes.
 *
 * @throws {CosignError} as {@link confirm}.
 */
export async function confirmStatement(
  console: Pick<PasswordConsole, "promptLine"> = realConsole,
): Promise<void> {
  const answer = (await console.promptLine(CONTINUE))?.trim() ?? "";
  if (/^[yY]$/.test(answer)) return;
  const why = /^[nN]?$/.test(answer)
    ? "user declined the prompt"
    : `invalid input ${JSON.stringify(answer)} (allowed values y, n)`;
  throw new CosignError("PROMPT_DECLINED", `Cannot go on: ${why}`, {
    hint: "Answer y, or give --yes where the command has it",
  });
}
