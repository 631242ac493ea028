import { createHash, type Hash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { isatty } from "node:tty";
import { joinBytes } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import type { SignatureDigestAlgorithm } from "../model/policy.ts";
import type { Environment } from "./env.ts";
import { explainFileError } from "./files.ts";
import { isNamedPipe, readNamedPipe } from "./named_pipe.ts";
import { streamUrl } from "./plain_fetch.ts";
import { abortReason, pause } from "./wait.ts";

/** What was read of a blob: once, and only its digests are kept when it is large. */
export interface BlobContent {
  /** As the user named it. */
  readonly source: string;
  readonly sizeBytes: number;
  /** Raw bytes, of the algorithms that were asked for. */
  readonly digests: Readonly<Partial<Record<SignatureDigestAlgorithm, Uint8Array>>>;
  /** All of it, when it is not longer than what was asked to be kept. */
  readonly bytes?: Uint8Array;
}

/** How a blob is read. */
export interface ReadBlobOptions {
  readonly env: Environment;
  readonly algorithms: readonly SignatureDigestAlgorithm[];
  /** A blob of at most this many bytes is kept whole. Default {@link KEPT_BYTES}. */
  readonly keptBytes?: number;
  /** A longer one is refused as soon as that is seen. Default: any length. */
  readonly limitBytes?: number;
  /** Ends the waiting for a server or a pipe; a file is read to its end. */
  readonly signal?: AbortSignal;
}

/** Blobs up to this size are kept whole by default: as much as is read at once. */
export const KEPT_BYTES: number = 1024 * 1024;
/** One buffer of this size is used again and again: the quickest, and the memory does not grow. */
const BUFFER_BYTES = 1024 * 1024;

/**
 * Reads and hashes a blob: a file, `-` for standard input, `http(s)://…`, or `env://NAME`. It is read
 * once, whatever its size, and memory does not grow with it.
 *
 * @throws {CosignError} `FILE_READ` for what cannot be read, directories and endless devices among
 * it; `LIMIT_EXCEEDED`; `REGISTRY_…` for servers; why `signal` fired.
 */
export async function readBlob(source: string, options: ReadBlobOptions): Promise<BlobContent> {
  const sink = new Sink(source, options);
  const { signal } = options;
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(source)?.[1]?.toLowerCase();
  if (source === "-") await readOpenFile(0, "standard input", sink, signal);
  else if (scheme === "http" || scheme === "https") {
    for await (const piece of streamUrl(options.env, source, signal)) sink.take(piece);
  } else if (scheme === "env") sink.take(variable(source.slice("env://".length), options.env));
  else if (scheme !== undefined) {
    throw new CosignError("FILE_READ", `loading URL: unrecognized scheme: ${scheme}://`);
  } else if (isNamedPipe(source)) {
    await readPipe(source, sink, signal);
  } else await readFile(source, sink, signal);
  return sink.finish();
}

/**
 * Reads something short from where {@link readBlob} reads.
 *
 * @throws {CosignError} as {@link readBlob}; `LIMIT_EXCEEDED` when it is longer than `limitBytes`.
 */
export async function readShort(
  source: string,
  limitBytes: number,
  options: Pick<ReadBlobOptions, "env" | "signal">,
): Promise<Uint8Array> {
  const all = { ...options, algorithms: [], keptBytes: limitBytes, limitBytes };
  return (await readBlob(source, all)).bytes ?? new Uint8Array();
}

/** Hashes what it is given, and keeps it as long as it is short. */
class Sink {
  readonly #source: string;
  readonly #keptBytes: number;
  readonly #limitBytes: number;
  readonly #hashes: readonly (readonly [SignatureDigestAlgorithm, Hash])[];
  #pieces: Uint8Array[] | undefined = [];
  #sizeBytes = 0;

  constructor(source: string, options: ReadBlobOptions) {
    const { algorithms, keptBytes = KEPT_BYTES, limitBytes = Infinity } = options;
    this.#source = source;
    this.#keptBytes = keptBytes;
    this.#limitBytes = limitBytes;
    this.#hashes = algorithms.map((name) => [name, createHash(name)]);
  }

  /** @param piece May be changed by its owner afterwards. */
  take(piece: Uint8Array): void {
    this.#sizeBytes += piece.length;
    if (this.#sizeBytes > this.#limitBytes) {
      throw new CosignError(
        "LIMIT_EXCEEDED",
        `Cannot read "${this.#source}": longer than ${this.#limitBytes} bytes`,
      );
    }
    for (const [, hash] of this.#hashes) hash.update(piece);
    if (this.#sizeBytes > this.#keptBytes) this.#pieces = undefined;
    this.#pieces?.push(piece.slice());
  }

  finish(): BlobContent {
    const digests = this.#hashes.map(([name, hash]) => [name, new Uint8Array(hash.digest())]);
    const bytes = this.#pieces === undefined ? undefined : joinBytes(this.#pieces);
    return {
      source: this.#source,
      sizeBytes: this.#sizeBytes,
      digests: Object.fromEntries(digests),
      ...(bytes === undefined ? {} : { bytes }),
    };
  }
}

async function readPipe(path: string, sink: Sink, signal: AbortSignal | undefined): Promise<void> {
  try {
    for await (const piece of readNamedPipe(path, signal)) sink.take(piece);
  } catch (error) {
    if (error instanceof CosignError) throw error;
    throw unreadable(path, explainFileError(error), error);
  }
}

async function readFile(path: string, sink: Sink, signal: AbortSignal | undefined): Promise<void> {
  const fd = attempt(path, () => openSync(path, "r"));
  try {
    await readOpenFile(fd, path, sink, signal);
  } finally {
    closeSync(fd);
  }
}

async function readOpenFile(
  fd: number,
  name: string,
  sink: Sink,
  signal: AbortSignal | undefined,
): Promise<void> {
  const stats = attempt(name, () => fstatSync(fd));
  if (stats.isDirectory()) throw unreadable(name, "is a directory");
  // A terminal ends and /dev/null is empty; /dev/zero never ends.
  const isEndless = stats.isCharacterDevice() && !isatty(fd);
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (;;) {
    const count = attempt(name, () => readNow(fd, buffer));
    if (count === 0) return;
    if (isEndless) throw unreadable(name, "is a device");
    if (count === undefined) await pause(1, signal);
    else sink.take(buffer.subarray(0, count));
    if (signal?.aborted && !stats.isFile()) throw abortReason(signal, `Cannot read file "${name}"`);
  }
}

/** The number of bytes that were read; nothing when a pipe that does not wait has none yet. */
function readNow(fd: number, buffer: Uint8Array): number | undefined {
  try {
    return readSync(fd, buffer);
  } catch (error) {
    if (error instanceof Error && "code" in error) {
      if (error.code === "EAGAIN") return undefined;
      if (error.code === "EOF") return 0; // a console on Windows
    }
    throw error;
  }
}

function variable(name: string, env: Environment): Uint8Array {
  const text = env[name];
  if (text !== undefined) return new TextEncoder().encode(text);
  throw new CosignError("FILE_READ", `loading URL: env var $${name} not found`);
}

function attempt<T>(name: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw unreadable(name, explainFileError(error), error);
  }
}

function unreadable(name: string, why: string, cause?: unknown): CosignError {
  return new CosignError("FILE_READ", `Cannot read file "${name}": ${why}`, { cause });
}
