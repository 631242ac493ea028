import { resolve } from "node:path";

const DIRECTORY_MODE = 0o40555;
const FILE_MODE = 0o100444;
/** What Go writes on its standard error before it dies: the first of it says why. */
const MAX_SAID_CHARACTERS = 2_000;

type Answer = (error: Error | null, value?: unknown) => void;

interface OpenFile {
  /** Absent for a directory. */
  readonly bytes: Uint8Array | undefined;
  at: number;
}

/**
 * What a Go program in WebAssembly takes for the file system (Go's `syscall/fs_js.go`): the policies
 * that are judged by, read-only, and nothing of the machine's own files.
 */
export class PolicyFiles {
  readonly constants: Readonly<Record<string, number>> = {
    O_WRONLY: 1,
    O_RDWR: 2,
    O_CREAT: 64,
    O_EXCL: 128,
    O_TRUNC: 512,
    O_APPEND: 1024,
    O_DIRECTORY: 65_536,
  };
  /** What the program wrote to its standard error: the beginning. */
  said = "";
  readonly #decoder = new TextDecoder();
  #files: ReadonlyMap<string, Uint8Array> = new Map();
  #open = new Map<number, OpenFile>();
  #lastNumber = 2;

  constructor() {
    // What would change something is not there.
    const refuse = (...args: readonly unknown[]): void => answerOf(args)(fault("ENOSYS"));
    const changes =
      "chmod chown fchmod fchown fsync ftruncate lchown link mkdir readlink rename rmdir symlink truncate unlink utimes";
    Object.assign(this, Object.fromEntries(changes.split(" ").map((name) => [name, refuse])));
  }

  /** Serves these and no others. @param files Texts by path, relative to the working directory. */
  serve(files: ReadonlyMap<string, string>): void {
    const encoder = new TextEncoder();
    this.#files = new Map(
      [...files].map(([path, text]) => [resolve(path), encoder.encode(text)] as const),
    );
    this.#open = new Map();
  }

  writeSync(_file: number, bytes: Uint8Array): number {
    if (this.said.length < MAX_SAID_CHARACTERS) this.said += this.#decoder.decode(bytes);
    return bytes.length;
  }

  write(
    file: number,
    bytes: Uint8Array,
    start: number,
    length: number,
    _at: number | null,
    answer: Answer,
  ): void {
    answer(null, this.writeSync(file, bytes.subarray(start, start + length)));
  }

  open(path: string, _flags: number, _mode: number, answer: Answer): void {
    const found = this.#find(path);
    if (found === undefined) {
      answer(fault("ENOENT"));
      return;
    }
    this.#lastNumber += 1;
    this.#open.set(this.#lastNumber, { bytes: found.bytes, at: 0 });
    answer(null, this.#lastNumber);
  }

  close(file: number, answer: Answer): void {
    answer(this.#open.delete(file) ? null : fault("EBADF"));
  }

  stat(path: string, answer: Answer): void {
    const found = this.#find(path);
    if (found === undefined) answer(fault("ENOENT"));
    else answer(null, describe(found.bytes));
  }

  lstat(path: string, answer: Answer): void {
    this.stat(path, answer);
  }

  fstat(file: number, answer: Answer): void {
    const open = this.#open.get(file);
    if (open === undefined) answer(fault("EBADF"));
    else answer(null, describe(open.bytes));
  }

  /** No directory tells what else lies in it. */
  readdir(_path: string, answer: Answer): void {
    answer(null, []);
  }

  read(
    file: number,
    buffer: Uint8Array,
    start: number,
    length: number,
    at: number | null,
    answer: Answer,
  ): void {
    const open = this.#open.get(file);
    if (open === undefined) {
      answer(fault("EBADF"));
      return;
    }
    if (open.bytes === undefined) {
      answer(fault("EISDIR"));
      return;
    }
    const from = at ?? open.at;
    const part = open.bytes.subarray(from, from + length);
    buffer.set(part, start);
    if (at === null) open.at += part.length;
    answer(null, part.length);
  }

  #find(path: string): { readonly bytes: Uint8Array | undefined } | undefined {
    const whole = resolve(path);
    const bytes = this.#files.get(whole);
    if (bytes !== undefined) return { bytes };
    const isAbove = [...this.#files.keys()].some((file) => isBelow(file, whole));
    return isAbove ? { bytes: undefined } : undefined;
  }
}

function isBelow(file: string, directory: string): boolean {
  const start = /[\\/]$/.test(directory) ? directory.length : directory.length + 1;
  return file.startsWith(directory) && /[\\/]/.test(file[start - 1] ?? "");
}

function describe(bytes: Uint8Array | undefined): object {
  return {
    dev: 1,
    ino: 1,
    mode: bytes === undefined ? DIRECTORY_MODE : FILE_MODE,
    nlink: 1,
    uid: 0,
    gid: 0,
    rdev: 0,
    size: bytes?.length ?? 0,
    blksize: 4096,
    blocks: 1,
    atimeMs: 0,
    mtimeMs: 0,
    ctimeMs: 0,
    isDirectory: () => bytes === undefined,
  };
}

function fault(code: string): Error {
  return Object.assign(new Error(code), { code });
}

function answerOf(args: readonly unknown[]): Answer {
  const last = args.at(-1);
  if (typeof last !== "function") throw new TypeError("Go gives a function to answer to");
  return (error, value) => last(error, value);
}
