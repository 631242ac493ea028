import { closeSync, fstatSync, openSync, read } from "node:fs";
import { isatty, ReadStream } from "node:tty";
import { concatBytes } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";

const STDIN = 0;
const MAX_LINE_BYTES = 4096; // what a terminal itself takes as one line
const CHUNK_BYTES = 65_536;
const BUSY_PAUSE_MS = 20; // somebody else made the descriptor non-blocking: ask again
const ENDING_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const KEY = { interrupt: 3, endOfInput: 4, backspace: 8, newline: 10, enter: 13 } as const;
const KEY_ERASE_LINE = 21;
const KEY_SUSPEND = 26;
const KEY_QUIT = 28;
const KEY_DELETE = 127;

/**
 * What standard input is: somebody at a terminal, something that can be read to its end, or nothing
 * that gives an answer (closed, or a device such as `/dev/null`).
 */
export function stdinKind(): "terminal" | "stream" | "nothing" {
  if (isatty(STDIN)) return "terminal";
  try {
    return fstatSync(STDIN).isCharacterDevice() ? "nothing" : "stream";
  } catch {
    return "nothing"; // closed
  }
}

/** Writes a line, or the beginning of one, to standard error. */
export function tell(text: string): void {
  process.stderr.write(text);
}

/**
 * Reads standard input to its end.
 *
 * @throws {CosignError} `LIMIT_EXCEEDED` when it is longer than `limitBytes`.
 */
export async function readStdin(limitBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for (;;) {
    const chunk = await readSome(STDIN, CHUNK_BYTES);
    if (chunk.length === 0) return concatBytes(...chunks);
    sizeBytes += chunk.length;
    if (sizeBytes > limitBytes) {
      throw new CosignError(
        "LIMIT_EXCEEDED",
        `Cannot read standard input: longer than ${limitBytes} bytes`,
      );
    }
    chunks.push(chunk);
  }
}

/**
 * Asks on standard error and reads one line of standard input, without its end.
 *
 * @returns nothing when the input ends before a line has.
 */
export async function promptLine(question: string): Promise<string | undefined> {
  tell(question);
  const line: number[] = [];
  for (;;) {
    const [byte] = await readSome(STDIN, 1);
    if (byte === KEY.newline || (byte === undefined && line.length > 0)) {
      return new TextDecoder().decode(Uint8Array.from(line)).replace(/\r$/, "");
    }
    if (byte === undefined) return undefined;
    if (line.length === MAX_LINE_BYTES) throw tooLong();
    line.push(byte);
  }
}

/**
 * Asks on standard error and reads one line from the terminal without showing it, whatever standard
 * input is. The terminal is left as it was found, also when a signal ends the program meanwhile.
 *
 * @returns The bytes that were typed, without the end of the line.
 * @throws {CosignError} `CANCELLED` when the answer is Ctrl-C; `KEY_PASSWORD` without a terminal.
 */
export async function promptHidden(question: string): Promise<Uint8Array> {
  const fd = openTerminal();
  const terminal = new ReadStream(fd);
  terminal.on("error", () => undefined);
  const restore = (): void => {
    terminal.setRawMode(false);
  };
  const end = (signal: NodeJS.Signals): void => {
    restore();
    for (const each of ENDING_SIGNALS) process.removeListener(each, end);
    process.kill(process.pid, signal);
  };
  for (const signal of ENDING_SIGNALS) process.on(signal, end);
  try {
    terminal.setRawMode(true); // before the question: an answer can follow at once
    tell(question);
    return await readHiddenLine(fd);
  } finally {
    for (const signal of ENDING_SIGNALS) process.removeListener(signal, end);
    restore();
    if (fd !== STDIN) terminal.destroy();
    tell("\n");
  }
}

/** What a key does to a line that is typed without being shown. */
export function editHiddenLine(line: number[], byte: number): "more" | "done" | "cancelled" {
  switch (byte) {
    case KEY.newline:
    case KEY.enter:
      return "done";
    case KEY.interrupt:
    case KEY_QUIT:
      return "cancelled";
    case KEY.endOfInput:
      return line.length > 0 ? "done" : "cancelled";
    case KEY.backspace:
    case KEY_DELETE:
      eraseCharacter(line);
      return "more";
    case KEY_ERASE_LINE:
      line.length = 0;
      return "more";
    case KEY_SUSPEND:
      return "more";
    default:
      if (line.length === MAX_LINE_BYTES) throw tooLong();
      line.push(byte);
      return "more";
  }
}

async function readHiddenLine(fd: number): Promise<Uint8Array> {
  const line: number[] = [];
  for (;;) {
    const [byte] = await readSome(fd, 1);
    const state = byte === undefined ? "cancelled" : editHiddenLine(line, byte);
    if (state === "cancelled") {
      throw new CosignError("CANCELLED", "Cannot read the password: cancelled at the terminal");
    }
    if (state === "done") return Uint8Array.from(line);
  }
}

/** Takes the last character away: in UTF-8 that is a byte and the continuation bytes behind it. */
function eraseCharacter(line: number[]): void {
  let last = line.pop();
  while (last !== undefined && (last & 0xc0) === 0x80) last = line.pop();
}

function openTerminal(): number {
  try {
    const fd = openSync("/dev/tty", "r+");
    if (isatty(fd)) return fd;
    closeSync(fd);
  } catch {
    // There is none, or not under this name.
  }
  if (isatty(STDIN)) return STDIN;
  throw new CosignError("KEY_PASSWORD", "Cannot ask for the password: there is no terminal", {
    hint: "Set COSIGN_PASSWORD, or pipe the password into standard input",
  });
}

/** Reads what is there, at least one byte but at the end. The program goes on meanwhile. */
function readSome(fd: number, maxBytes: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(maxBytes);
  return new Promise((resolve, reject) => {
    const ask = (): void =>
      read(fd, buffer, 0, maxBytes, null, (error, count) => {
        if (error === null) resolve(buffer.subarray(0, count));
        else if (error.code === "EAGAIN") setTimeout(ask, BUSY_PAUSE_MS);
        else if (error.code === "EOF" || error.code === "EIO") resolve(buffer.subarray(0, 0));
        else reject(error);
      });
    ask();
  });
}

function tooLong(): CosignError {
  return new CosignError(
    "LIMIT_EXCEEDED",
    `Cannot read the answer: longer than ${MAX_LINE_BYTES} bytes`,
  );
}
