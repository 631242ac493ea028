import { statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { pathToFileURL } from "node:url";

/** The file that this program is, also inside a compiled one: worker threads run it again. */
export function programUrl(): URL {
  const file = process.argv[1];
  if (file === undefined) throw new TypeError("This program does not know its own file");
  return pathToFileURL(file);
}

/**
 * Finds a file that `npm run build` made: embedded in a compiled program, in `dist/` beside the sources.
 *
 * @returns nothing when the program was built without it.
 */
export function findAsset(name: string, program: URL = programUrl()): URL | undefined {
  return [new URL(`./${name}`, program), new URL(`./dist/${name}`, program)].find(
    (url) => statSync(url, { throwIfNoEntry: false })?.isFile() === true,
  );
}

/** How many threads the machine runs at once. */
export function processorCount(): number {
  return Math.max(1, availableParallelism());
}

/**
 * Calls `first` when the user interrupts the program (Ctrl-C, SIGTERM) for the first time; a second
 * time ends it at once, as without this.
 *
 * @returns what takes the listeners away.
 */
export function onInterrupt(first: () => void): () => void {
  const signals = ["SIGINT", "SIGTERM"] as const;
  const stop = (): void => {
    for (const signal of signals) process.off(signal, interrupt);
  };
  const interrupt = (): void => {
    stop();
    first();
  };
  for (const signal of signals) process.on(signal, interrupt);
  return stop;
}

/** How this program is started again: compiled, or by the runtime that runs its sources. */
export function selfCommand(): { readonly command: string; readonly args: readonly string[] } {
  const file = process.argv[1] ?? "";
  const isCompiled = /^(?:\/\$bunfs\/|[A-Z]:[\\/]~BUN[\\/])/.test(file);
  if (isCompiled) return { command: process.execPath, args: [] };
  const isDeno = process.versions["deno"] !== undefined;
  return { command: process.execPath, args: isDeno ? ["run", "-A", file] : [file] };
}
