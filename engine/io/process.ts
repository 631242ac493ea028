import { spawn } from "node:child_process";
import { joinBytes } from "../model/bytes.ts";
import { CosignError, describeError, type ErrorCode } from "../model/errors.ts";

/** How {@link runProcess} runs a program. */
export interface ProcessOptions {
  /** Written to its standard input, which is then closed. Nothing when absent. */
  readonly stdin?: Uint8Array | string;
  /** After this time the program is killed. */
  readonly timeoutMs: number;
  /** Limit of standard output and standard error, each. */
  readonly maxOutputBytes: number;
  /** Its whole environment: see `childEnvironment()`. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly signal?: AbortSignal;
  /** Time that it gets to end by itself (SIGTERM) before it is killed, in milliseconds. Default 0. */
  readonly graceMs?: number;
  /** Told what it writes to standard error, as it comes. */
  readonly onStderr?: (bytes: Uint8Array) => void;
  /** The code of the error that is thrown when there is no result. */
  readonly failure: ErrorCode;
}

/** What a program left behind. */
export interface ProcessResult {
  /** Its exit code; absent when a signal ended it. */
  readonly code: number | undefined;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

/**
 * Runs a program without a shell and waits for its end.
 *
 * @param command A name that is looked for in `env.PATH`, or a path.
 * @throws {CosignError} `options.failure` when it cannot be started, takes too long, or writes too much;
 * `CANCELLED` when `signal` fires.
 */
export function runProcess(
  command: string,
  args: readonly string[],
  options: ProcessOptions,
): Promise<ProcessResult> {
  const { signal, failure, maxOutputBytes } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new CosignError("CANCELLED", `Cannot run "${command}": cancelled`));
      return;
    }
    const child = spawn(command, [...args], {
      env: { ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const { graceMs = 0 } = options;
    let why: CosignError | undefined;
    let grace: ReturnType<typeof setTimeout> | undefined;
    const giveUp = (error: CosignError): void => {
      child.kill("SIGKILL");
      // A grandchild may hold the pipes open: do not wait for them.
      child.stdout.destroy();
      child.stderr.destroy();
      finish(() => reject(error));
    };
    const stop = (error: CosignError): void => {
      if (why !== undefined) return;
      why = error;
      if (graceMs === 0) giveUp(error);
      else {
        child.kill("SIGTERM");
        child.on("exit", () => giveUp(error));
        grace = setTimeout(() => giveUp(error), graceMs);
      }
    };
    const timer = setTimeout(() => {
      stop(
        new CosignError(
          failure,
          `Cannot run "${command}": no answer within ${options.timeoutMs} ms`,
        ),
      );
    }, options.timeoutMs);
    const onAbort = (): void =>
      stop(new CosignError("CANCELLED", `Cannot run "${command}": cancelled`));
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      clearTimeout(grace);
      signal?.removeEventListener("abort", onAbort);
      settle();
    };
    signal?.addEventListener("abort", onAbort, { once: true });

    const collect = (
      stream: NodeJS.ReadableStream,
      tell?: (bytes: Uint8Array) => void,
    ): Uint8Array[] => {
      const chunks: Uint8Array[] = [];
      let sizeBytes = 0;
      stream.on("data", (chunk: Uint8Array) => {
        if (why === undefined) tell?.(chunk);
        sizeBytes += chunk.length;
        if (sizeBytes > maxOutputBytes) {
          stop(
            new CosignError(
              failure,
              `Cannot run "${command}": it wrote more than ${maxOutputBytes} bytes`,
            ),
          );
        } else chunks.push(chunk);
      });
      return chunks;
    };
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr, options.onStderr);
    child.stdin.on("error", () => {}); // EPIPE: a program need not read its input
    child.stdin.end(options.stdin ?? "");
    child.on("error", (error) => {
      finish(() =>
        reject(
          new CosignError(failure, `Cannot run "${command}": ${describeError(error)}`, {
            cause: error,
          }),
        ),
      );
    });
    child.on("close", (code) => {
      if (why !== undefined) return; // it was stopped
      finish(() =>
        resolve({ code: code ?? undefined, stdout: joinBytes(stdout), stderr: joinBytes(stderr) }),
      );
    });
  });
}
