import { closeSync, constants, openSync, readSync, statSync } from "node:fs";
import { pause } from "./wait.ts";

/** Pipes that somebody gave us open: what they say of their end is right, unlike {@link readNamedPipe}'s. */
const INHERITED = /^\/(?:dev\/fd|proc\/(?:self|\d+)\/fd)\/\d+$|^\/dev\/stdin$/;
const PIECE_BYTES = 65_536; // what a pipe holds on Linux
const MAX_PAUSE_MS = 20;

/** Whether a path is a pipe in the file system, whose writer may never come. What cannot be looked at is none. */
export function isNamedPipe(path: string): boolean {
  if (INHERITED.test(path)) return false;
  try {
    return statSync(path).isFIFO();
  } catch {
    return false; // whoever reads it says why it cannot be read
  }
}

/**
 * The bytes of a named pipe, piece by piece, from its first writer until the last one is gone. Unlike
 * a plain read, which waits in the kernel where nothing reaches it, this ends when `signal` fires.
 *
 * @throws what the system says; why `signal` fired.
 */
export async function* readNamedPipe(
  path: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const buffer = new Uint8Array(PIECE_BYTES);
  let hadWriter = false;
  let pauseMs = 0;
  try {
    for (;;) {
      const count = readNow(fd, buffer);
      if (count !== undefined && count > 0) {
        hadWriter = true;
        pauseMs = 0;
        yield buffer.slice(0, count);
        continue;
      }
      // Nothing yet: of a pipe that nobody has opened for writing the kernel says that it is at its end.
      if (count === 0 && hadWriter) return;
      if (count === undefined) hadWriter = true;
      await pause(pauseMs, signal);
      pauseMs = Math.min(pauseMs + 1, MAX_PAUSE_MS);
    }
  } finally {
    closeSync(fd);
  }
}

/** The number of bytes that were there; nothing when a writer is there, but no byte. */
function readNow(fd: number, buffer: Uint8Array): number | undefined {
  try {
    return readSync(fd, buffer);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EAGAIN") return undefined;
    throw error;
  }
}
