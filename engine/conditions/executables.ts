import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { findProgram } from "../io/find_program.ts";
import { type ProcessResult, runProcess } from "../io/process.ts";
import { CosignError } from "../model/errors.ts";
import type { PolicyFailure, PolicyKind, PolicySource } from "./policy.ts";

const QUERY = "data.signature.allow";
/**
 * The built-in functions of Rego that reach the network, or files: the last two fetch what a schema
 * refers to, whatever `allow_net` says.
 */
const OUTSIDE: ReadonlySet<string> = new Set([
  "http.send",
  "net.lookup_ip_addr",
  "json.match_schema",
  "json.verify_schema",
]);
/** An error for every entry of a long list, and a little more. */
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
/** What Go maps and does not use: the limit of the shell counts addresses. */
const UNUSED_ADDRESSES_BYTES = 2 * 1024 * 1024 * 1024;
const BLOCK_BYTES = 1024;
/** `ulimit` is the shell's own; the program takes the shell's place. Where it has none, none holds. */
const LIMITED = 'ulimit -v "$1" 2>/dev/null; shift; exec "$@"';

/** How the executables are run. */
export interface ExecutableOptions {
  readonly timeoutMs: number;
  readonly maxMemoryBytes: number;
  /** Where they are looked for. */
  readonly path: string;
  readonly signal?: AbortSignal | undefined;
}

/** What `opa eval --format=json` writes, as far as it is read. */
interface OpaOutput {
  readonly result?: readonly { readonly expressions: readonly { readonly value: unknown }[] }[];
  readonly errors?: readonly {
    readonly message: string;
    readonly code?: string;
    readonly location?: { readonly file?: string; readonly row?: number };
  }[];
}

/**
 * Judges by the executables `cue` and `opa`, in an empty environment and a folder of their own.
 * The limit of memory holds where a shell has `ulimit -v`: on Linux, not on macOS and Windows.
 *
 * @throws {CosignError} `POLICY_UNAVAILABLE` when a needed executable is not there; `LIMIT_EXCEEDED`
 * when it takes too long or too much memory; `POLICY_FAULT` when it does not answer; `CANCELLED`.
 */
export async function judgeByExecutables(
  statement: Uint8Array,
  policies: readonly PolicySource[],
  options: ExecutableOptions,
): Promise<readonly PolicyFailure[]> {
  const kinds = new Set(policies.map(({ kind }) => kind));
  const programs = {
    cue: kinds.has("cue") ? requireProgram("cue", options.path) : "",
    rego: kinds.has("rego") ? requireProgram("rego", options.path) : "",
  };
  const folder = await mkdtemp(join(tmpdir(), "cosign-ts-policy-"));
  try {
    const files = await Promise.all(
      policies.map(async ({ path, kind, text }, i) => {
        const name = `${i}-${basename(path)}`;
        await writeFile(join(folder, name), text, { mode: 0o600 });
        return { name, kind };
      }),
    );
    const namesOf = (kind: PolicyKind) =>
      files.filter((file) => file.kind === kind).map(({ name }) => name);
    const run = makeRunner(folder, options);
    const failures = kinds.has("cue")
      ? await judgeByCue(programs.cue, namesOf("cue"), statement, folder, run)
      : [];
    if (failures.length > 0 || !kinds.has("rego")) return failures;
    return await judgeByOpa(programs.rego, namesOf("rego"), statement, folder, run);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Run = (command: string, args: readonly string[], stdin: Uint8Array) => Promise<ProcessResult>;

async function judgeByCue(
  program: string,
  names: readonly string[],
  statement: Uint8Array,
  folder: string,
  run: Run,
): Promise<readonly PolicyFailure[]> {
  await writeFile(join(folder, "statement.json"), statement, { mode: 0o600 });
  // Stricter than cosign: a field of which the policy only asks the type must be there. No command of
  // "cue" lets that pass and still finds every required field missing.
  const args = ["vet", ...names, "statement.json"];
  const answer = await run(program, args, new Uint8Array());
  if (answer.code === 0) return [];
  const message = new TextDecoder().decode(answer.stderr).trim();
  if (answer.code !== 1 || message === "") throw fault(program, answer);
  return [{ kind: "cue", message }];
}

async function judgeByOpa(
  program: string,
  names: readonly string[],
  statement: Uint8Array,
  folder: string,
  run: Run,
): Promise<readonly PolicyFailure[]> {
  const all = await run(program, ["capabilities", "--current"], new Uint8Array());
  await writeFile(join(folder, "capabilities.json"), withoutNetwork(program, all));
  const answer = await run(
    program,
    [
      "eval",
      "--v0-compatible",
      "--format=json",
      "--capabilities=capabilities.json",
      ...names.map((name) => `--data=${name}`),
      "--stdin-input",
      QUERY,
    ],
    statement,
  );
  const { result = [], errors } = parseOutput(program, answer);
  if (errors !== undefined) {
    return errors.map(({ message, code, location }) => {
      const where = location?.file === undefined ? "" : `${location.file}:${location.row}: `;
      return {
        kind: "rego",
        message: `${where}${code === undefined ? "" : `${code}: `}${message}`,
      };
    });
  }
  const values = result.flatMap(({ expressions }) => expressions.map(({ value }) => value));
  if (values.length === 0) {
    return [{ kind: "rego", message: `result is undefined for query '${QUERY}'` }];
  }
  if (values.length === 1 && values[0] === true) return [];
  return values.map((value) => ({
    kind: "rego",
    message: `expression value, ${typeof value === "string" ? value : JSON.stringify(value)}, is not true`,
  }));
}

function withoutNetwork(program: string, answer: ProcessResult): string {
  const { builtins, ...others } = parseJson(program, answer) as {
    readonly builtins?: readonly { readonly name: string }[];
  };
  if (answer.code !== 0 || !Array.isArray(builtins)) throw fault(program, answer);
  const kept = builtins.filter(({ name }) => !OUTSIDE.has(name));
  return JSON.stringify({ ...others, builtins: kept, allow_net: [] });
}

/** What OPA writes is its own, not a policy's: its shape is not checked further. */
function parseOutput(program: string, answer: ProcessResult): OpaOutput {
  const output = parseJson(program, answer) as OpaOutput;
  const isAnswer = answer.code === 0 ? output.errors === undefined : output.errors !== undefined;
  if (!isAnswer) throw fault(program, answer);
  return output;
}

function parseJson(program: string, answer: ProcessResult): object {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(answer.stdout));
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // said below, with what the program itself says
  }
  throw fault(program, answer);
}

function makeRunner(folder: string, options: ExecutableOptions): Run {
  const { timeoutMs, maxMemoryBytes, signal } = options;
  const deadlineMs = performance.now() + timeoutMs;
  const blocks = Math.ceil((maxMemoryBytes + UNUSED_ADDRESSES_BYTES) / BLOCK_BYTES);
  return async (command, args, stdin) => {
    const shell =
      process.platform === "win32"
        ? { command, args }
        : { command: "/bin/sh", args: ["-c", LIMITED, "sh", String(blocks), command, ...args] };
    try {
      return await runProcess(shell.command, shell.args, {
        stdin,
        timeoutMs: Math.max(1, Math.ceil(deadlineMs - performance.now())),
        maxOutputBytes: MAX_OUTPUT_BYTES,
        // CUE wants a folder for modules, and is told that there is nowhere to fetch them from.
        env: { CUE_CACHE_DIR: folder, CUE_CONFIG_DIR: folder, CUE_REGISTRY: "none" },
        cwd: folder,
        failure: "LIMIT_EXCEEDED",
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      if (!(error instanceof CosignError)) throw error;
      const detail = error.message.replace(/^Cannot run "[^"]*"/, `Cannot run "${command}"`);
      throw new CosignError(error.code, detail, { cause: error });
    }
  };
}

function requireProgram(kind: PolicyKind, path: string): string {
  const [name, language] = kind === "cue" ? ["cue", "CUE"] : ["opa", "Rego"];
  const program = findProgram(name, path);
  if (program !== undefined) return program;
  throw new CosignError(
    "POLICY_UNAVAILABLE",
    `Cannot evaluate ${language} policies: this program was built without them, and there is no "${name}" on the PATH`,
    { hint: `Install ${name}, or build with Go on the machine (see docs/policies.md)` },
  );
}

function fault(program: string, { code, stderr }: ProcessResult): CosignError {
  const all = new TextDecoder().decode(stderr).trim();
  if (/out of memory|cannot allocate memory/i.test(all)) {
    return new CosignError(
      "LIMIT_EXCEEDED",
      `Cannot evaluate policies: "${program}" needs more memory than it may have`,
    );
  }
  const said = all.split("\n", 1)[0] ?? "";
  const end = code === undefined ? "ended by a signal" : `exit code ${code}`;
  return new CosignError(
    "POLICY_FAULT",
    `Cannot evaluate policies: "${program}" did not answer: ${end}${said === "" ? "" : `: ${said}`}`,
  );
}
