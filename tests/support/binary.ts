import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const root = dirname(dirname(import.meta.dir));
const binary = join(root, "dist", process.platform === "win32" ? "cosign-ts.exe" : "cosign-ts");

/** How the binary is run. */
export interface BinaryOptions {
  /** What is set beside `PATH` and folders of its own for `HOME`, `TMPDIR` and the XDG variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the folder of its own. */
  readonly cwd?: string;
  /** Default: nothing to read. */
  readonly stdin?: string | Uint8Array;
  /** After this it is killed and `runBinary` throws. Default 30,000. */
  readonly timeoutMs?: number;
  /** Told of the most memory that it had at once, in bytes. */
  readonly onPeak?: (bytes: number) => void;
}

/** What a run of the binary came to. */
export interface BinaryResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running binary. Who started it ends it. */
export type BinaryProcess = Bun.Subprocess<"pipe", "pipe", "pipe">;

let built: Promise<string> | undefined;

/** The path of `dist/cosign-ts`, compiled anew when a source is newer. */
export function buildBinary(): Promise<string> {
  built ??= compile();
  return built;
}

/**
 * Runs `dist/cosign-ts` to its end in an environment of its own: nothing of the caller's variables
 * but `PATH`.
 */
export async function runBinary(
  argv: readonly string[],
  options: BinaryOptions = {},
): Promise<BinaryResult> {
  const timeoutMs = options.timeoutMs ?? 90_000;
  const home = mkdtempSync(join(tmpdir(), "cosign-ts-home-"));
  try {
    const child = await startBinary(argv, options, home);
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    // A binary that does not read its input may be gone before it is written.
    if (options.stdin !== undefined) child.stdin.write(options.stdin);
    await Promise.resolve(child.stdin.end()).catch(() => undefined);
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    clearTimeout(timer);
    if (child.signalCode !== null) {
      throw new Error(
        `"cosign-ts ${argv.join(" ")}" ended by ${child.signalCode} (limit ${timeoutMs} ms)\n${stdout}${stderr}`,
      );
    }
    options.onPeak?.(child.resourceUsage()?.maxRSS ?? 0);
    return { code, stdout, stderr };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** Starts `dist/cosign-ts` and hands it over running. @param home The folder that is its `HOME`. */
export async function startBinary(
  argv: readonly string[],
  options: BinaryOptions,
  home: string,
): Promise<BinaryProcess> {
  return Bun.spawn([await buildBinary(), ...argv], {
    cwd: options.cwd ?? home,
    env: { ...scrubbedEnvironment(home), ...options.env },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
}

/** `PATH`, and every folder that a program may write to below `home`. */
export function scrubbedEnvironment(home: string): Readonly<Record<string, string>> {
  return {
    PATH: process.env["PATH"] ?? "",
    LANG: "C.UTF-8",
    HOME: home,
    TMPDIR: tmpdir(),
    XDG_CONFIG_HOME: join(home, ".config"),
    XDG_STATE_HOME: join(home, ".local", "state"),
    XDG_CACHE_HOME: join(home, ".cache"),
    XDG_RUNTIME_DIR: join(home, ".run"),
  };
}

async function compile(): Promise<string> {
  if (isFresh()) return binary;
  const child = Bun.spawn(["node", join(root, ".ci", "build.mjs")], {
    cwd: root,
    stdout: "pipe",
    stderr: "pipe",
  });
  const output = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(`Cannot build the binary: ${output}`);
  return binary;
}

function isFresh(): boolean {
  const builtAtMs = statSync(binary, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = ["engine", "plugins"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((path) =>
      join(root, folder, path),
    ),
  );
  const others = [
    "main.ts",
    "package.json",
    "package-lock.json",
    ".ci/build.mjs",
    ".ci/notices.mjs",
    ".ci/policy.mjs",
  ];
  return [...sources, ...others.map((path) => join(root, path))].every(
    (path) => statSync(path).mtimeMs < builtAtMs,
  );
}
