import { run as route } from "@stricli/core";
import { refuseUnsafeEnvironment } from "../io/env.ts";
import { openOutputFile } from "../io/output_file.ts";
import { reportError } from "../model/errors.ts";
import { EXIT, exitCodeFor, type Generation } from "../model/exit_code.ts";
import { makeApplication, type Route } from "./application.ts";
import { prepareArgv } from "./argv.ts";
import type { Command, CommandGroup, Fail, Output, World } from "./command.ts";
import { COMMANDS, GROUPS, LATER_COMMANDS } from "./commands.ts";
import { complete } from "./complete.ts";
import { COMPLETE_WORD } from "./completion_script.ts";
import type { FlagTable } from "./flag.ts";
import { GLOBAL_FLAGS } from "./flags/global.ts";
import { DEFAULT_GENERATION, namedGeneration } from "./generation.ts";
import { commandHelp, groupHelp } from "./help.ts";
import { nearest, type Parsed, parseFlags, usage } from "./parse.ts";
import { printableText } from "./printable.ts";
import { unavailable } from "./refuse_later.ts";

/** What the program is called in its own texts. */
export const PROGRAM = "cosign-ts";

/** What the program is for, in a line. */
export const PROGRAM_BRIEF = "Sign and verify what lies in OCI registries, one by one or in bulk";

/**
 * Runs one command line to its end: finds the command, reads its flags, performs it, prints what went
 * wrong.
 *
 * @param argv Without the program's own name.
 * @returns the exit code.
 */
export async function runCli(argv: readonly string[], world: World): Promise<number> {
  // Until the flags are read, only the environment can have named a generation.
  let named = namedGeneration(choiceOf(world.env["COSIGN_COMPAT"]));
  try {
    refuseUnsafeEnvironment(world.env);
    if (argv[0] === COMPLETE_WORD) return showCompletion(argv.slice(1), world);
    const tables = new Map(Object.entries(COMMANDS).map(([words, { flags }]) => [words, flags]));
    const line = prepareArgv(withHelpFirst(argv), tables);
    for (const warning of line.warnings) world.stderr.write(`${warning}\n`);
    const command = commandOf(line.path);
    if (command === undefined) return showGroup(line.path, line.rest, world);
    named = namedGeneration(compatIn(line.rest)) ?? named;
    const parsed = parseFlags(command.flags, line.rest, variablesFor(command, world));
    if (parsed.help) return showHelp(line.path, world);
    named = namedGeneration(choiceOf(parsed.flags["compat"]));
    checkArguments(command, parsed);
    tellDeprecated(line.path, command, named, world);
    if ((named ?? DEFAULT_GENERATION) === 3) {
      for (const text of parsed.deprecations) world.stderr.write(`${text}\n`);
    }
    const fail: Fail = (error, legacyPath) => printError(error, named, world.stderr, legacyPath);
    return await perform(line.path, command, parsed, world, fail);
  } catch (error) {
    return printError(error, named, world.stderr);
  }
}

/**
 * Prints an error as cosign does, then what can be done about it and its code.
 *
 * @param legacyPath See {@link Fail}.
 * @returns the exit code for it.
 */
export function printError(
  error: unknown,
  generation: Generation | undefined,
  stderr: Output,
  legacyPath = true,
): number {
  const { code, message, hint } = reportError(error);
  const text = printableText(message);
  stderr.write(`Error: ${text}\nerror during command execution: ${text}\n`);
  if (hint !== undefined) stderr.write(`hint: ${printableText(hint)}\n`);
  stderr.write(`code: ${code}\n`);
  return exitCodeFor(code, generation, legacyPath);
}

/** In the words of 3.1, the only one that says so. */
function tellDeprecated(
  path: readonly string[],
  named: Pick<CommandGroup, "deprecated"> | undefined,
  generation: Generation | undefined,
  { stderr }: World,
): void {
  if (named?.deprecated === undefined || (generation ?? DEFAULT_GENERATION) !== 3) return;
  stderr.write(`Command ${JSON.stringify(path.at(-1))} is deprecated, ${named.deprecated}\n`);
}

/** `help verify` is `verify --help`. */
function withHelpFirst(argv: readonly string[]): readonly string[] {
  if (argv[0] === "help") return [...argv.slice(1), "--help"];
  return argv[0] === "--version" ? ["version", ...argv.slice(1)] : argv;
}

function commandOf(path: readonly string[]): Command | undefined {
  const words = path.join(" ");
  return Object.hasOwn(COMMANDS, words) ? COMMANDS[words] : undefined;
}

/** No command was found: help where that is what was asked for, an error otherwise. */
function showGroup(path: readonly string[], rest: readonly string[], world: World): number {
  const word = rest.find((text) => !text.startsWith("-"));
  if (path.length === 0 && word !== undefined && LATER_COMMANDS.has(word)) {
    throw unavailable(`The command "${word}"`, `See what there is: ${PROGRAM} --help`);
  }
  const inside = [world.program ?? PROGRAM, ...path].join(" ");
  if (word !== undefined) {
    const members = Object.keys(COMMANDS).map((words) => words.split(" ")[path.length] ?? "");
    const near = nearest(word, members);
    throw usage(
      `unknown command ${JSON.stringify(word)} for "${inside}"`,
      near === undefined ? `See what there is: ${inside} --help` : `Did you mean "${near}"?`,
    );
  }
  // A word that looks like a flag must be one.
  const { flags } = parseFlags(GLOBAL_FLAGS, rest, () => undefined);
  tellDeprecated(path, GROUPS[path[0] ?? ""], namedGeneration(choiceOf(flags["compat"])), world);
  return showHelp(path, world);
}

function showHelp(path: readonly string[], world: World): number {
  const program = world.program ?? PROGRAM;
  const command = commandOf(path);
  const group = GROUPS[path[0] ?? ""] ?? { brief: PROGRAM_BRIEF };
  world.stdout.write(
    command === undefined
      ? groupHelp(program, path, group, COMMANDS, GROUPS)
      : commandHelp(program, path.join(" "), command),
  );
  return EXIT.ok;
}

function showCompletion(line: readonly string[], world: World): number {
  const { words, also } = complete(line, COMMANDS, GROUPS);
  for (const [word, meaning] of words) world.stdout.write(`${word}\t${meaning}\n`);
  world.stdout.write(`:${also}\n`);
  return EXIT.ok;
}

/**
 * The plugins, the user's own among them. What `--plugins` names is checked at once; what lies in his
 * configuration only when a plugin is asked for.
 */
async function pluginsFor(flag: unknown, world: World): Promise<World["plugins"]> {
  const flagged = typeof flag === "string" && flag !== "" ? flag : undefined;
  const file = flagged ?? world.env["COSIGN_PLUGINS"]; // also for commands that read no flags of the environment
  const read = async () =>
    await (await import("./user_plugins.ts")).readUserPlugins(file, world.env);
  const known = flagged === undefined ? undefined : await read();
  if (known !== undefined) await world.plugins(known);
  return async (declared = []) => await world.plugins([...(known ?? (await read())), ...declared]);
}

async function perform(
  path: readonly string[],
  command: Command,
  parsed: Parsed<FlagTable>,
  world: World,
  fail: Fail,
): Promise<number> {
  const { flags, given, args } = parsed;
  const file = flags["output-file"];
  const redirected = typeof file === "string" && file !== "" ? openOutputFile(file) : undefined;
  const stdout = redirected ?? world.stdout;
  let outcome: { readonly code: number } | { readonly error: unknown } = { code: EXIT.other };
  const context: Route = {
    process: { stdout, stderr: world.stderr },
    perform: async (found) => {
      try {
        const plugins = await pluginsFor(flags["plugins"], world);
        outcome = {
          code: await found.run({ ...world, plugins, stdout, flags, given, args, fail }),
        };
      } catch (error) {
        outcome = { error };
      }
    },
  };
  try {
    await route(makeApplication(PROGRAM, { [path.join(" ")]: command }), path, context);
  } finally {
    redirected?.close();
  }
  if ("error" in outcome) throw outcome.error;
  return outcome.code;
}

/** `COSIGN_FOO_BAR` for `--foo-bar`; an empty variable is none. */
function variablesFor(command: Command, { env }: World): Parameters<typeof parseFlags>[2] {
  return (name) => {
    if (!command.environment && name !== "compat") return undefined;
    const variable = `COSIGN_${name.toUpperCase().replaceAll("-", "_")}`;
    const value = env[variable];
    return value === undefined || value === "" ? undefined : { variable, value };
  };
}

function checkArguments(command: Command, { args }: Parsed<FlagTable>): void {
  const { minimum, maximum, placeholder } = command.args;
  if (args.length < minimum) {
    throw usage(
      minimum === maximum
        ? `accepts ${minimum} arg(s), received ${args.length}`
        : `requires at least ${minimum} arg(s), only received ${args.length}`,
      placeholder === undefined
        ? undefined
        : `Name ${placeholder === "image" ? "an image" : `a ${placeholder}`}`,
    );
  }
  if (maximum !== undefined && args.length > maximum) {
    const most = minimum === maximum && maximum > 0 ? maximum : `at most ${maximum}`;
    throw usage(`accepts ${most} arg(s), received ${args.length}`);
  }
}

/** What the line says of `--compat` even where the rest of it cannot be read. */
function compatIn(line: readonly string[]): "1" | "2" | "3" | undefined {
  const at = line.findLastIndex((word) => /^--compat(?:=|$)/.test(word));
  const word = line[at];
  return choiceOf(word?.includes("=") ? word.slice(word.indexOf("=") + 1) : line[at + 1]);
}

function choiceOf(value: unknown): "1" | "2" | "3" | undefined {
  return value === "1" || value === "2" || value === "3" ? value : undefined;
}
