import { spawn } from "node:child_process";
import { describeError } from "../model/errors.ts";
import { splitLines } from "./lines.ts";
import { pause } from "./wait.ts";

/** How {@link startLineProcess} starts a program. */
export interface LineProcessOptions {
  /** Its whole environment: see `childEnvironment()`. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Told each line of its standard output. */
  readonly onLine: (line: string) => void;
  /** Told what it writes to standard error, as it comes. */
  readonly onStderr: (bytes: Uint8Array) => void;
  /** Told once that it says nothing any more, and why. Also when it could not be started. */
  readonly onEnd: (why: string) => void;
}

/** A program that stays, and is spoken to in lines. Whoever started it disposes of it. */
export interface LineProcess {
  /** Writes a line to its standard input. @param line Without its end. */
  write(line: string): void;
  /** Ends it at once. */
  kill(): void;
  /** Closes its standard input, gives it a second to end by itself, and kills it. */
  [Symbol.asyncDispose](): Promise<void>;
}

const GRACE_MS = 1000;

/** Starts a program without a shell. */
export function startLineProcess(
  command: string,
  args: readonly string[],
  { env, cwd, onLine, onStderr, onEnd }: LineProcessOptions,
): LineProcess {
  const child = spawn(command, [...args], {
    env: { ...env },
    cwd,
    stdio: ["pipe", "pipe", "pipe"],
  });
  let isOver = false;
  const end = (why: string): void => {
    if (!isOver) onEnd(why);
    isOver = true;
  };
  const closed = new Promise<void>((resolve) => {
    child.on("error", (error) => {
      end(describeError(error));
      resolve();
    });
    child.on("close", (code, signal) => {
      end(code === null ? `it was ended by ${signal}` : `it ended with code ${code}`);
      resolve();
    });
  });
  const kill = (): void => {
    child.kill("SIGKILL");
    // A grandchild may hold the pipes open: do not wait for them.
    child.stdout.destroy();
    child.stderr.destroy();
  };
  const read = async (): Promise<void> => {
    for await (const line of splitLines(child.stdout, "its output")) onLine(line);
  };
  read().catch((error: unknown) => {
    end(describeError(error));
    kill();
  });
  child.stderr.on("data", onStderr);
  child.stdin.on("error", () => {}); // EPIPE: its end is told by `close`
  return {
    write: (line) => {
      child.stdin.write(`${line}\n`);
    },
    kill,
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      const waiting = new AbortController();
      const grace = pause(GRACE_MS, waiting.signal).then(kill, () => {});
      await Promise.race([closed, grace]);
      waiting.abort();
    },
  };
}
